//! Medians of many journeys, side by side.

use std::fmt::Write as _;

use super::journey::Journey;
use super::place::Place;
use super::Kind;
use crate::spread::Spread;

/// Seconds. What is shorter has no ratio that says anything.
const BRIEF: f64 = 0.05;

/// The phases of journeys, in their order: those that all of them had.
pub fn phases(journeys: &[Journey]) -> Vec<((Place, Place), Spread)> {
    let Some(first) = journeys.first() else {
        return Vec::new();
    };
    let all: Vec<_> = journeys.iter().map(Journey::phases).collect();
    let phases = first.phases().into_iter().filter_map(|(pair, _)| {
        let times = all.iter().filter_map(|phases| {
            let found = phases.iter().find(|(other, _)| *other == pair);
            found.map(|(_, time)| time.as_secs_f64())
        });
        let times: Vec<_> = times.collect();
        (times.len() == all.len())
            .then(|| Spread::of(times))
            .flatten()
            .map(|it| (pair, it))
    });
    phases.collect()
}

/// All of it as text.
pub fn table(what: &str, [stock, ours]: &[Kind; 2]) -> String {
    let mut out = format!(
        "\n{what}, medians of {} (least - most), s\n{:<46} {:>20} {:>20}  ratio\n",
        stock.whole.len(),
        "",
        stock.name,
        ours.name
    );
    let mut row = |name: &str, pair: [Option<Spread>; 2], about: &str| {
        let cell = |it: Option<Spread>| match it {
            Some(it) => it.to_string(),
            None => "-".to_owned(),
        };
        let ratio = match pair {
            [Some(a), Some(b)] if a.median.min(b.median) > BRIEF => {
                format!("{:.2}", b.median / a.median)
            }
            _ => String::new(),
        };
        let [a, b] = pair.map(cell);
        let _ = writeln!(out, "{name:<46} {a:>20} {b:>20} {ratio:>6}  {about}");
    };
    let divided = [&stock, &ours].map(|kind| phases(&kind.divided));
    let mut pairs: Vec<_> = divided.iter().flatten().map(|(pair, _)| *pair).collect();
    pairs.sort();
    pairs.dedup();
    for pair in pairs {
        let times = divided.each_ref().map(|phases| {
            let found = phases.iter().find(|(other, _)| *other == pair);
            found.map(|(_, time)| *time)
        });
        let (from, to) = pair;
        row(&format!("  {from} - {to}"), times, from.about());
    }
    let total = |it: &Journey| it.total().as_secs_f64();
    let both = [stock, ours];
    let sums = both.map(|kind| Spread::of(kind.divided.iter().map(total)));
    row("in all, with breakpoints", sums, "");
    let totals = both.map(|kind| Spread::of(kind.whole.iter().map(total)));
    row("in all, without breakpoints", totals, "the one that counts");
    let loads = both.map(|kind| {
        let journeys = kind.whole.iter().chain(&kind.divided);
        Spread::of(journeys.map(|it| it.load.as_secs_f64()))
    });
    row("kexec_file_load before that", loads, "");
    for (name, time) in own(ours) {
        row(
            &format!("  hand-over: {name}"),
            [None, time],
            "what it says itself",
        );
    }
    out
}

/// What the hand-over says of itself, in seconds.
pub fn own(kind: &Kind) -> Vec<(String, Option<Spread>)> {
    let journeys = &kind.whole;
    let names = journeys.first().map_or(&[][..], |it| &it.own);
    let spread = |name: &String| {
        let all = journeys.iter().flat_map(|it| &it.own);
        Spread::of(
            all.filter(|(it, _)| it == name)
                .map(|(_, us)| *us as f64 / 1e6),
        )
    };
    names
        .iter()
        .map(|(name, _)| (name.clone(), spread(name)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_phase_that_only_one_of_them_has_is_in_the_table() {
        let journey = |places: &[(Place, u64)]| Journey {
            load: Duration::from_secs(5),
            passed: places
                .iter()
                .map(|(place, ms)| (*place, Duration::from_millis(*ms)))
                .collect(),
            own: vec![("copied".to_owned(), 250_000)],
        };
        let ours = || {
            journey(&[
                (Place::Call, 0),
                (Place::Entry, 1000),
                (Place::FirstLine, 3000),
            ])
        };
        let stock = || {
            let start = (Place::Start, 2000);
            journey(&[
                (Place::Call, 0),
                start,
                (Place::Entry, 4000),
                (Place::FirstLine, 6000),
            ])
        };
        let kind = |name, of: &dyn Fn() -> Journey| Kind {
            name,
            whole: vec![of(), of()],
            divided: vec![of()],
        };
        let text = table("x", &[kind("stock", &stock), kind("rkexec", &ours)]);
        let row = |start: &str| {
            let found = text.lines().find(|line| line.trim().starts_with(start));
            found.unwrap_or_else(|| panic!("{start}: {text}"))
        };
        assert!(row("the call - the next kernel").contains(" - "));
        assert!(row("the call - image->start").contains("2.00 (2.00 - 2.00)"));
        assert!(row("in all, without").contains("0.50"));
        assert!(row("hand-over: copied").contains("0.25"));
    }
}
