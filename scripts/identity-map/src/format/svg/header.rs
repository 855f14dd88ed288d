//! What is written above the columns and below them.

use rkexec::addr::PAGE_SIZE;
use rkexec::identity::{Attr, LeafSize};
use rkexec::memmap::E820Type;

use super::canvas::{Anchor, Canvas, Font, Rect};
use super::table_pages::{Level, ENTRIES};
use super::{column, palette, table_columns, units};
use crate::report::Report;

/// Where the columns begin, in px from the top.
pub(super) const HEIGHT: f64 = 164.0;

/// Where the lines of text are, in px from the top.
const TITLE: f64 = 34.0;
const SUMMARY: f64 = 58.0;
const LEGEND: f64 = 86.0;
/// From one line of the legend to the next.
const LEGEND_LINE: f64 = 18.0;
const HEADINGS: f64 = 126.0;
const SUBHEADINGS: f64 = 142.0;

/// The side of a sample of colour, what follows it, and what follows its text, in px.
const SAMPLE: f64 = 12.0;
const AFTER_SAMPLE: f64 = 6.0;
const AFTER_TEXT: f64 = 18.0;

/// The picture in a sentence.
pub(super) fn summary(report: &Report) -> String {
    let ram: u64 = report
        .entries
        .iter()
        .filter(|entry| entry.kind() == E820Type::Ram)
        .map(|entry| entry.range().len_bytes())
        .sum();
    let nr_tables = report.nr_tables as u64;
    format!(
        "{} of RAM, mapped one to one by {} ({}), {} levels",
        units::bytes(ram),
        units::count(nr_tables, "table page"),
        units::bytes(nr_tables * PAGE_SIZE),
        report.paging.levels.number()
    )
}

/// Draws everything above the columns.
pub(super) fn draw(canvas: &mut Canvas, report: &Report, levels: &[Level], width: f64) {
    let title = Font::Title.fit(&report.title, width - 2.0 * column::MARGIN);
    let left = column::MARGIN;
    canvas.text(left, TITLE, Font::Title, Anchor::Start, &title);
    canvas.text(
        left,
        SUMMARY,
        Font::Subtitle,
        Anchor::Start,
        &summary(report),
    );
    legend(canvas, report, width - column::MARGIN);
    headings(canvas, report, levels);
}

/// How many pages there are of each sort; those that there are none of are left out. Nothing is written
/// right of `end`.
fn legend(canvas: &mut Canvas, report: &Report, end: f64) {
    let mut at = (column::MARGIN, LEGEND);
    let attrs = [Attr::WriteBack, Attr::Uncached];
    let sorts = attrs
        .into_iter()
        .flat_map(|attr| [LeafSize::Gib1, LeafSize::Mib2, LeafSize::Kib4].map(|size| (size, attr)));
    for (size, attr) in sorts {
        let runs = report.leaf_runs.iter();
        let runs = runs.filter(|run| (run.size, run.attr) == (size, attr));
        let bytes: u64 = runs.map(|run| run.range.len_bytes()).sum();
        if bytes == 0 {
            continue;
        }
        let size_text = units::bytes(size.bytes());
        let nr = units::count(bytes / size.bytes(), "page");
        let text = match attr {
            Attr::WriteBack => format!("{nr} of {size_text}"),
            Attr::Uncached => format!("{nr} of {size_text}, uncached"),
        };
        at = sample(canvas, at, end, palette::pages(size, attr), &text);
    }
    sample(canvas, at, end, "unmapped", "not mapped");
}

/// A colour and what it means, in the next line if it does not fit left of `end`; returns where the next
/// one may be.
fn sample(
    canvas: &mut Canvas,
    (x, y): (f64, f64),
    end: f64,
    class: &str,
    text: &str,
) -> (f64, f64) {
    let width = SAMPLE + AFTER_SAMPLE + Font::Small.width(text);
    let (x, y) = match x + width <= end {
        true => (x, y),
        false => (column::MARGIN, y + LEGEND_LINE),
    };
    let rect = Rect {
        x,
        y: y - SAMPLE / 2.0,
        width: SAMPLE,
        height: SAMPLE,
    };
    canvas.plain_rect(rect, class);
    canvas.text(
        x + SAMPLE + AFTER_SAMPLE,
        y,
        Font::Small,
        Anchor::Start,
        text,
    );
    (x + width + AFTER_TEXT, y)
}

fn headings(canvas: &mut Canvas, report: &Report, levels: &[Level]) {
    let nr_entries = match report.entries.len() {
        1 => "1 entry".to_owned(),
        nr => format!("{nr} entries"),
    };
    let mut heading = |x, anchor, name: &str, below: &str| {
        canvas.text(x, HEADINGS, Font::Heading, anchor, name);
        canvas.text(x, SUBHEADINGS, Font::Small, anchor, below);
    };
    heading(column::MEMORY, Anchor::Start, "memory map", &nr_entries);
    let middle = column::AXIS + column::AXIS_WIDTH / 2.0;
    heading(middle, Anchor::Middle, "address", "not to scale");
    heading(
        column::PAGES,
        Anchor::Start,
        "identity map",
        "virtual = machine address",
    );
    for (index, level) in levels.iter().enumerate() {
        let x = column::TABLES + column::TABLE_WIDTH * (index as f64 + 0.5);
        let is_root = index + 1 == levels.len();
        let below = match level.nr_tables() {
            _ if is_root => "root (CR3)".to_owned(),
            nr => table_columns::number(nr),
        };
        heading(x, Anchor::Middle, level.name, &below);
    }
}

/// Draws everything below the columns, which end at `y`; returns the height of the picture.
pub(super) fn footer(canvas: &mut Canvas, y: f64) -> f64 {
    let line = y + 30.0;
    let note = format!(
        "What a stretch of memory takes here grows with the logarithm of its size. The number in \
         a table: entries in use, of {ENTRIES}."
    );
    canvas.text(column::MARGIN, line, Font::Small, Anchor::Start, &note);
    line + 24.0
}
