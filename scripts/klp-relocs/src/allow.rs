//! The allow-list: every unexported symbol that the module may use, one name a line.

use std::collections::BTreeSet;

use anyhow::{bail, Result};

/// The longest symbol name that the kernel resolves for a livepatch (`KSYM_NAME_LEN` less its NUL).
const MAX_NAME_LEN: usize = 511;

/// Names of the kernel symbols that may become livepatch symbols.
#[derive(Debug, Default)]
pub struct AllowList(BTreeSet<String>);

impl AllowList {
    /// Parses a list: one symbol a line; `#` starts a comment; empty lines are skipped.
    ///
    /// # Errors
    ///
    /// Anything that is not a single symbol name, and a name that comes twice.
    pub fn parse(text: &str) -> Result<Self> {
        let mut names = BTreeSet::new();
        for (index, line) in text.lines().enumerate() {
            let name = line.split('#').next().unwrap_or_default().trim();
            if name.is_empty() {
                continue;
            }
            let line_number = index + 1;
            if !is_symbol_name(name) {
                bail!("line {line_number}: `{name}` is not a symbol name");
            }
            if !names.insert(name.to_owned()) {
                bail!("line {line_number}: `{name}` is listed twice");
            }
        }
        Ok(Self(names))
    }

    /// Whether `name` is listed.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// All names, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// A comma would end the name in the eyes of the kernel, which reads `NAME,POSITION` with `%[^,]`.
fn is_symbol_name(name: &str) -> bool {
    name.len() <= MAX_NAME_LEN
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'$'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_empty_lines_are_skipped() {
        let list = AllowList::parse("# all\n\n  crashk_res # the area\nmachine_ops\n").unwrap();
        assert_eq!(
            list.iter().collect::<Vec<_>>(),
            ["crashk_res", "machine_ops"]
        );
    }

    #[test]
    fn a_name_listed_twice_is_refused_with_its_line() {
        let error = AllowList::parse("a\nb\na\n").unwrap_err().to_string();
        assert_eq!(error, "line 3: `a` is listed twice");
    }

    #[test]
    fn what_is_no_symbol_name_is_refused() {
        assert!(AllowList::parse("two words").is_err());
        assert!(AllowList::parse("name,1").is_err());
        assert!(AllowList::parse(&"x".repeat(512)).is_err());
    }
}
