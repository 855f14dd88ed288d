//! Every picture, whatever the machine: it is XML, it has an end, and its texts can be read.

use std::path::Path;

use formats::e820;
use rkexec::identity::{Levels, Paging};
use rkexec::memmap::{E820Type, MapEntry};
use rkexec::range::MaRange;
use roxmltree::{Document, Node};

use super::canvas::{Anchor, Font};
use super::{bands, picture, spans, table_pages};
use crate::report::Report;

/// No picture is higher, in px.
const MAX_HEIGHT: f64 = 2000.0;

const PAGINGS: [Paging; 4] = [
    paging(Levels::Four, true),
    paging(Levels::Four, false),
    paging(Levels::Five, true),
    paging(Levels::Five, false),
];

const fn paging(levels: Levels, gib_pages: bool) -> Paging {
    Paging { levels, gib_pages }
}

/// The maps of all real machines, in every shape.
fn real() -> Vec<Report> {
    let maps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rust/tests/e820");
    let machines = e820::folder(&maps).expect("the folder of maps");
    let reports: Vec<_> = machines
        .iter()
        .flat_map(|machine| PAGINGS.map(|paging| report(machine.entries.clone(), paging)))
        .collect();
    assert_eq!(reports.len(), 46 * PAGINGS.len());
    reports
}

fn report(entries: Vec<MapEntry>, paging: Paging) -> Report {
    Report::new("A <machine> & its map".into(), entries, paging).expect("a map")
}

fn entry(start: u64, len_bytes: u64, kind: E820Type) -> MapEntry {
    MapEntry {
        start,
        len_bytes,
        kind_raw: kind.raw(),
    }
}

/// Maps that no machine has: nothing, everything, too much, and of every kind.
fn odd() -> Vec<Report> {
    let checkered = (0..600).map(|n| {
        let kind = E820Type::from_raw(n % 9);
        entry(u64::from(n) * 0x1234_5000, 0x1234_5000 >> (n % 20), kind)
    });
    let overlapping = [E820Type::Ram, E820Type::Reserved, E820Type::Acpi]
        .map(|kind| entry(0x1000, 1 << 40, kind));
    [
        vec![entry(0, 0, E820Type::Ram)],
        vec![entry(0, u64::MAX, E820Type::Persistent)],
        vec![entry(0, 1 << 52, E820Type::Ram)],
        vec![entry(0xfff, 2, E820Type::Ram)],
        overlapping.to_vec(),
        checkered.collect(),
    ]
    .into_iter()
    .flat_map(|entries| {
        let five = [paging(Levels::Five, true), paging(Levels::Five, false)];
        five.map(|paging| report(entries.clone(), paging))
    })
    .collect()
}

fn number(node: Node<'_, '_>, name: &str) -> f64 {
    let value = node.attribute(name).unwrap_or_default();
    value.parse().unwrap_or_else(|_| panic!("{name}={value:?}"))
}

/// A text, and the left, right, top and bottom of what it takes.
fn place<'a>(node: Node<'a, '_>) -> (&'a str, [f64; 4]) {
    let text = node.text().expect("a text");
    let class = node.attribute("class");
    let font = Font::ALL
        .into_iter()
        .find(|font| class == Some(font.class()));
    let font = font.expect("a font");
    let width = font.width(text);
    let (x, baseline) = (number(node, "x"), number(node, "y"));
    let left = match node.attribute("text-anchor") {
        Some(word) if word == Anchor::Start.word() => x,
        Some(word) if word == Anchor::Middle.word() => x - width / 2.0,
        _ => x - width,
    };
    // The ascent and the descent of common fonts.
    let (top, bottom) = (baseline - 0.9 * font.size(), baseline + 0.25 * font.size());
    (text, [left, left + width, top, bottom])
}

#[test]
fn every_picture_is_xml_and_not_too_high() {
    for report in real().into_iter().chain(odd()) {
        let text = picture(&report);
        let document = Document::parse(&text).expect("XML");
        let root = document.root_element();
        assert_eq!(root.tag_name().name(), "svg");
        let height = number(root, "height");
        assert!((200.0..MAX_HEIGHT).contains(&height), "{height}");
        assert!(text.len() < 1 << 20, "{} bytes", text.len());
    }
}

#[test]
fn everything_lies_on_the_paper() {
    for report in real().into_iter().chain(odd()) {
        let text = picture(&report);
        let document = Document::parse(&text).expect("XML");
        let root = document.root_element();
        let (width, height) = (number(root, "width"), number(root, "height"));
        for node in root.descendants().filter(|node| node.has_tag_name("text")) {
            let (text, [left, right, top, bottom]) = place(node);
            let inside = left >= 0.0 && right <= width && top >= 0.0 && bottom <= height;
            assert!(inside, "{text:?}: {left}..{right} {top}..{bottom}");
        }
        let boxes = root
            .descendants()
            .filter(|node| node.attribute("x").is_some());
        for node in boxes.filter(|node| node.has_tag_name("rect")) {
            let right = number(node, "x") + number(node, "width");
            let bottom = number(node, "y") + number(node, "height");
            assert!(right <= width && bottom <= height, "{node:?}");
        }
    }
}

#[test]
fn no_text_is_written_over_another() {
    for report in real().into_iter().chain(odd()) {
        let text = picture(&report);
        let document = Document::parse(&text).expect("XML");
        let texts = document
            .descendants()
            .filter(|node| node.has_tag_name("text"));
        let places: Vec<_> = texts.map(place).collect();
        for (index, (one, a)) in places.iter().enumerate() {
            for (other, b) in &places[index + 1..] {
                let apart = a[1] <= b[0] || b[1] <= a[0] || a[3] <= b[2] || b[3] <= a[2];
                assert!(apart, "{one:?} {a:?} and {other:?} {b:?}");
            }
        }
    }
}

#[test]
fn bands_are_few_and_leave_nothing_out() {
    for report in real().into_iter().chain(odd()) {
        let pieces = spans::pieces(&report.leaf_runs);
        let spans = spans::spans(&report.entries, &pieces);
        let bands = bands::bands(spans.clone());
        assert!(bands.len() <= bands::MAX_BANDS);
        let ranges: Vec<MaRange> = bands.iter().map(|band| band.range).collect();
        assert!(ranges
            .windows(2)
            .all(|pair| pair[0].end() == pair[1].start()));
        assert!(bands.into_iter().flat_map(|band| band.spans).eq(spans));
    }
}

#[test]
fn every_page_is_in_a_piece_and_every_piece_in_a_span() {
    for report in real().into_iter().chain(odd()) {
        let bytes = |ranges: &mut dyn Iterator<Item = MaRange>| -> u64 {
            ranges.map(MaRange::len_bytes).sum()
        };
        let pieces = spans::pieces(&report.leaf_runs);
        let spans = spans::spans(&report.entries, &pieces);
        let mapped = bytes(&mut report.leaf_runs.iter().map(|run| run.range));
        assert_eq!(mapped, bytes(&mut pieces.iter().map(|piece| piece.range)));
        let with_piece = spans.iter().filter(|span| span.piece.is_some());
        assert_eq!(mapped, bytes(&mut with_piece.map(|span| span.range)));
    }
}

#[test]
fn the_tables_of_all_levels_are_those_that_are_built() {
    for report in real().into_iter().chain(odd()) {
        let levels = table_pages::levels(&report.leaf_runs, report.paging);
        let nr: u64 = levels.iter().map(table_pages::Level::nr_tables).sum();
        assert_eq!(nr, report.nr_tables as u64);
        // Every table but the root is an entry of another.
        let tables = levels.iter().flat_map(|level| &level.tables);
        let used: u64 = tables
            .map(|t| t.used * (t.numbers.end - t.numbers.start))
            .sum();
        let pages = report.leaf_runs.iter();
        let pages: u64 = pages
            .map(|run| run.range.len_bytes() / run.size.bytes())
            .sum();
        assert_eq!(used, pages + nr - 1);
    }
}
