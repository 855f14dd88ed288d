//! The phases as bars, one below the other.

use std::path::Path;

use anyhow::{Context, Result};
use plotters::prelude::*;

use super::place::Place;
use super::table::{own, phases};
use super::Kind;
use crate::spread::Spread;

/// The picture's size, where its bars begin, and how long they may get, in px.
const SIZE: (u32, u32) = (1100, 330);
const LEFT: i32 = 90;
const LENGTH: f64 = 960.0;
/// How high a bar is, and how far the next one is below it.
const HEIGHT: i32 = 46;
const STEP: i32 = 72;
const TOP: i32 = 66;
const FONT: &str = "sans-serif";

/// A colour for what begins at each place.
fn color(from: Place) -> RGBColor {
    match from {
        Place::Call => RGBColor(0x5b, 0x63, 0x6e),
        Place::KernelKexec => RGBColor(0x8a, 0x8f, 0x98),
        Place::MachineShutdown | Place::CrashKexec => RGBColor(0xb8, 0xbd, 0xc4),
        Place::MachineKexec => RGBColor(0xd9, 0x8b, 0x1f),
        Place::Start => RGBColor(0xb5, 0x3d, 0x2f),
        Place::Entry => RGBColor(0x2f, 0x6f, 0xb5),
        Place::Unpacked | Place::FirstLine => RGBColor(0x7f, 0xae, 0xdc),
    }
}

/// Writes the picture as SVG.
pub fn draw(what: &str, kinds: &[Kind; 2], path: &Path) -> Result<()> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let text = |text: String, (x, y): (i32, i32), size: i32| Text::new(text, (x, y), (FONT, size));
    area.draw(&text(what.to_owned(), (LEFT, 18), 19))?;
    let bars = kinds.each_ref().map(|kind| phases(&kind.divided));
    let long = |bar: &Vec<((Place, Place), Spread)>| bar.iter().map(|(_, it)| it.median).sum();
    let longest = bars.iter().map(long).fold(f64::MIN_POSITIVE, f64::max);
    // CAST: a place in a picture need not be exact.
    let px = |seconds: f64| LEFT + (seconds / longest * LENGTH) as i32;

    let mut places = Vec::new();
    let mut top = TOP;
    for (kind, bar) in kinds.iter().zip(&bars) {
        let total = Spread::of(kind.whole.iter().map(|it| it.total().as_secs_f64()));
        let total = total.map_or(0.0, |it| it.median);
        let mut title = format!("{}: {total:.2} s without breakpoints", kind.name);
        for (name, time) in own(kind) {
            let time = time.map_or(0.0, |it| it.median);
            title.push_str(&format!(", {name} {time:.2}"));
        }
        area.draw(&text(title, (LEFT, top - 16), 13))?;
        let mut begin = 0.0;
        for ((from, to), time) in bar {
            let (x, end) = (px(begin), px(begin + time.median));
            let corners = [(x, top), (end, top + HEIGHT)];
            area.draw(&Rectangle::new(corners, color(*from).filled()))?;
            // As far as there is room for it.
            if end - x > 40 {
                let label = format!("{:.2}", time.median);
                let style = (FONT, 13).into_font().color(&WHITE);
                area.draw(&Text::new(label, (x + 6, top + HEIGHT / 2 - 6), style))?;
            }
            places.push((*from, *to));
            begin += time.median;
        }
        top += STEP;
    }

    places.sort();
    places.dedup();
    for (index, (from, to)) in (0..).zip(&places) {
        let (x, y) = (LEFT + index % 2 * 500, top + index / 2 * 22);
        let corners = [(x, y), (x + 12, y + 12)];
        area.draw(&Rectangle::new(corners, color(*from).filled()))?;
        let label = format!("{from} - {to}: {}", from.about());
        area.draw(&text(label, (x + 18, y), 12))?;
    }
    area.present().with_context(|| path.display().to_string())
}
