//! Restarts in two ways, side by side.

use std::fmt::Write as _;

use super::{Place, Restart, Way};
use crate::spread::Spread;

/// Seconds. What is shorter has no ratio that says anything.
const BRIEF: f64 = 0.5;

/// As Markdown: medians with the least and the most.
pub fn table(ways: &[Way; 2], restarts: &[Restart]) -> String {
    let [a, b] = [0, 1].map(|way| restarts.iter().filter(|it| it.way == way).count());
    let mut out = format!(
        "| s, median (least - most) | {} ({a} times) | {} ({b} times) | ratio |\n|---|---|---|---|\n",
        ways[0].command, ways[1].command
    );
    let mut row = |from: Place, to: Place, mark: &str, indent: &str| {
        let times = [0, 1].map(|way| {
            let those = restarts.iter().filter(|it| it.way == way);
            Spread::of(those.filter_map(|it| it.took(from, to)))
        });
        let ratio = match times {
            [Some(a), Some(b)] if a.median.min(b.median) > BRIEF => {
                format!("{:.2}", a.median / b.median)
            }
            _ => String::new(),
        };
        let [a, b] = times.map(|it| it.map_or_else(|| "-".to_owned(), |it| it.to_string()));
        let _ = writeln!(
            out,
            "| {indent}{mark}{from} to {to}{mark} | {a} | {b} | {ratio} |"
        );
    };
    let places = ways.each_ref().map(|way| way.places.iter().map(|it| it.0));
    let [ours, theirs] = places.map(Vec::from_iter);
    let common: Vec<_> = ours.iter().filter(|it| theirs.contains(it)).collect();
    for pair in common.windows(2) {
        row(*pair[0], *pair[1], "", "");
        for way in [&ours, &theirs] {
            // What only this way leads by, between those two.
            let at = |place| way.iter().position(|it| it == place);
            let (Some(from), Some(to)) = (at(pair[0]), at(pair[1])) else {
                continue;
            };
            if to - from > 1 {
                for pair in way[from..=to].windows(2) {
                    row(pair[0], pair[1], "", "&emsp;");
                }
            }
        }
    }
    for to in [Place::Linux, Place::Login] {
        row(Place::Command, to, "**", "");
    }
    out
}
