//! What the module says that it has built for the image that the probe is in.

use std::sync::LazyLock;

use anyhow::{ensure, Context, Result};
use regex::Regex;

use super::map::{expect_same, Pages};

/// What comes before the lines of an image. The one that the probe is in comes first.
static IMAGE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^# (?:default|crash) image: ([45]) levels$").expect("constant"));

#[derive(Debug, Default)]
pub struct Claim {
    levels: usize,
    pages: Vec<Pages>,
    /// Those that are not at their own addresses, by the physical ones: the module does not tell the
    /// others.
    others: Vec<Pages>,
    tables: usize,
    /// Whether the lines that come now are about that image, and not about another one.
    this_image: bool,
}

impl Claim {
    pub fn line(&mut self, line: &str) -> Result<()> {
        let alias = line.strip_prefix("# elsewhere: ").map(str::parse);
        if let Some(alias) = alias.filter(|_| self.this_image) {
            self.others.push(alias?);
        } else if line.starts_with('#') {
            let image = IMAGE.captures(line).filter(|_| self.levels == 0);
            self.this_image = image.is_some();
            if let Some(image) = image {
                self.levels = image[1].parse()?;
            }
        } else if self.this_image {
            match line.strip_prefix("table pages: ") {
                Some(tables) => self.tables = tables.parse()?,
                None => self.pages.push(line.parse()?),
            }
        }
        Ok(())
    }

    /// Checks that it is true: pages at their own addresses and at others, tables of all levels,
    /// levels.
    pub fn expect(
        &self,
        pages: &[&Pages],
        others: &[&Pages],
        tables: usize,
        levels: usize,
    ) -> Result<()> {
        expect_same(&self.pages, pages)?;
        let others: Vec<_> = others.iter().map(|pages| pages.by_physical()).collect();
        let others: Vec<_> = others.iter().collect();
        expect_same(&self.others, &others).context("not one to one")?;
        for (what, says, is) in [
            ("tables", self.tables, tables),
            ("levels", self.levels, levels),
        ] {
            ensure!(says == is, "the module says {says} {what}, and it is {is}");
        }
        Ok(())
    }
}
