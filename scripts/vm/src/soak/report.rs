//! What all cycles come to: a table, and a picture of their times.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::{anyhow, Context, Result};
use plotters::prelude::*;

use super::journal::Entry;
use crate::spread::Spread;

/// The picture's size, in px.
const SIZE: (u32, u32) = (1100, 480);
const FONT: &str = "sans-serif";

/// A line for each way, by both system calls, and one for all of them.
pub fn table(entries: &[&Entry]) -> String {
    let mut groups: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        groups.entry(&entry.group).or_default().push(entry);
    }
    let width = groups.keys().map(|group| group.len()).max().unwrap_or(0);
    let mut text = format!(
        "{:width$}  cycles  failed  second machine  seconds (least - most)\n",
        "way"
    );
    let mut line = |name: &str, entries: &[&Entry]| {
        let failed = entries.iter().filter(|it| it.failed.is_some()).count();
        let twice = entries.iter().filter(|it| it.twice).count();
        let seconds = Spread::of(entries.iter().map(|it| it.seconds));
        let seconds = seconds.map_or_else(String::new, |it| it.to_string());
        // To a String it cannot fail.
        let _ = writeln!(
            text,
            "{name:width$}  {:6}  {failed:6}  {twice:14}  {seconds}",
            entries.len()
        );
    };
    for (group, entries) in &groups {
        line(group, entries);
    }
    line("all", entries);
    let mut versions: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for entry in entries {
        let (first, last) = versions
            .entry(&entry.version)
            .or_insert((entry.cycle, entry.cycle));
        (*first, *last) = ((*first).min(entry.cycle), (*last).max(entry.cycle));
    }
    for (version, (first, last)) in versions {
        let _ = writeln!(text, "cycles {first} to {last}: version {version}");
    }
    for entry in entries {
        if let Some(why) = &entry.failed {
            let why = why.lines().next().unwrap_or_default();
            let _ = writeln!(
                text,
                "cycle {}: {}, {}: FAILED: {why}",
                entry.cycle, entry.group, entry.call
            );
        }
    }
    text
}

/// Writes the times as SVG: a point for each cycle, by what is under the kernel, and failed ones in red.
pub fn draw(entries: &[&Entry], path: &Path) -> Result<()> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let last = entries.iter().map(|it| it.cycle).max().unwrap_or(1);
    let most = entries.iter().map(|it| it.seconds).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(&area)
        .caption("cycles of load and boot", (FONT, 19))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(0..last.saturating_add(1), 0.0..most * 1.05)?;
    chart
        .configure_mesh()
        .x_desc("cycle")
        .y_desc("seconds from power-on")
        .draw()?;
    let mut worlds: Vec<_> = entries.iter().map(|it| world(it)).collect();
    worlds.sort_unstable();
    worlds.dedup();
    for (index, name) in worlds.iter().enumerate() {
        let color = Palette99::pick(index).to_rgba();
        let points = entries
            .iter()
            .filter(|it| it.failed.is_none() && world(it) == *name)
            .map(|it| Circle::new((it.cycle, it.seconds), 2, color.filled()));
        chart
            .draw_series(points)?
            .label(*name)
            .legend(move |at| Circle::new(at, 4, color.filled()));
    }
    let failed = entries.iter().filter(|it| it.failed.is_some());
    let crosses = failed.map(|it| Cross::new((it.cycle, it.seconds), 5, RED.stroke_width(2)));
    chart.draw_series(crosses)?;
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .position(SeriesLabelPosition::UpperRight)
        .draw()?;
    area.present()
        .map_err(|error| anyhow!("{error}"))
        .with_context(|| path.display().to_string())
}

/// What is under the kernel: the first words of the group.
fn world(entry: &Entry) -> &str {
    entry.group.split(',').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(cycle: u32, group: &str, failed: Option<&str>) -> Entry {
        Entry {
            cycle,
            group: group.to_owned(),
            call: "kexec_load".to_owned(),
            version: if cycle < 3 { "a" } else { "b" }.to_owned(),
            seconds: f64::from(cycle),
            twice: cycle == 2,
            failed: failed.map(str::to_owned),
        }
    }

    #[test]
    fn the_table_counts_them_all_and_names_those_that_failed() {
        let entries = [
            entry(1, "bare, x", None),
            entry(2, "Xen, x", None),
            entry(3, "bare, x", Some("it died\nmore")),
        ];
        let entries: Vec<_> = entries.iter().collect();
        let table = table(&entries);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(
            lines[1..],
            [
                "Xen, x        1       0               1  2.00 (2.00 - 2.00)",
                "bare, x       2       1               0  3.00 (1.00 - 3.00)",
                "all           3       1               1  2.00 (1.00 - 3.00)",
                "cycles 1 to 2: version a",
                "cycles 3 to 3: version b",
                "cycle 3: bare, x, kexec_load: FAILED: it died",
            ]
        );
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.svg");
        draw(&entries, &path).unwrap();
        let picture = std::fs::read_to_string(&path).unwrap();
        assert!(picture.matches("<circle").count() >= 2, "{picture}");
    }
}
