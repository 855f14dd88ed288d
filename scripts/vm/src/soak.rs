//! `vm soak`: load, boot, and again, on every Xen, in all ways by turns.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{ensure, Result};
use clap::Args;
use libtest_mimic::Arguments;
use rkexec_protocol::choice::{Abi, Call};

use crate::assets::{Assets, Files};
use crate::attempts;
use crate::cases;
use crate::machine::Firmware;
use crate::pieces::Piece;
use crate::suite::Suite;
use crate::xen_build::{has_v1, XenBuild};

/// How long, and how.
#[derive(Args)]
pub struct SoakArgs {
    /// Cycles of load and boot.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    cycles: u32,
    /// Begin with this one, such as the one that has failed.
    #[arg(long, default_value_t = 1, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    from: u32,
    #[command(flatten, next_help_heading = "As of Rust's test programs")]
    libtest: Arguments,
}

const BUILDS: [XenBuild; 4] = [
    XenBuild::Bullseye,
    XenBuild::Bookworm,
    XenBuild::Trixie,
    XenBuild::Sid,
];

/// What one cycle does.
type Way = (XenBuild, Firmware, Abi, Call);

fn title(number: u32, (xen, firmware, abi, call): Way) -> String {
    let (call, abi) = (call.name(), abi.name());
    format!("cycle {number}: Xen of {xen}, {firmware}, {call} by {abi}")
}

/// What there is to be done by turns.
struct Turns {
    builds: Vec<XenBuild>,
    firmware: Vec<Firmware>,
    abis: Vec<Abi>,
}

/// The cycles `from` and as many as `count`. Everything by turns: in as many cycles as there are
/// combinations each has one.
fn plan(from: u32, count: u32, turns: &Turns) -> Vec<(u32, Way)> {
    let mut all = Vec::new();
    for call in [Call::File, Call::Load] {
        for abi in &turns.abis {
            for firmware in &turns.firmware {
                all.extend(turns.builds.iter().map(|xen| (*xen, *firmware, *abi, call)));
            }
        }
    }
    let turns = all.into_iter().cycle().skip(from as usize - 1);
    (from..).zip(turns).take(count as usize).collect()
}

/// All that can be done on these builds of Xen. What cannot is added to what is `missing`.
fn turns(files: &Files, builds: Vec<XenBuild>, missing: &mut Vec<String>) -> Turns {
    let efi = builds.iter().map(|build| Piece::XenEfi(*build));
    let mut uefi = [Piece::Ovmf].into_iter().chain(efi);
    let firmware = match uefi.try_for_each(|piece| files.need(piece)) {
        Ok(()) => vec![Firmware::Bios, Firmware::Uefi],
        Err(why) => {
            missing.push(format!("machines with UEFI: {why}"));
            vec![Firmware::Bios]
        }
    };
    let mut xens = builds.iter().filter_map(|build| files.xen(*build));
    let abis = match xens.all(|xen| has_v1(xen.version)) {
        true => vec![Abi::V2, Abi::V1],
        false => {
            missing.push("kexec interface V1, which newer versions of Xen do not have".to_owned());
            vec![Abi::V2]
        }
    };
    Turns {
        builds,
        firmware,
        abis,
    }
}

pub fn run(assets: &Assets, args: &SoakArgs) -> Result<bool> {
    let wanted = match assets.has_given_xen() {
        true => vec![XenBuild::Main],
        false => BUILDS.to_vec(),
    };
    let files = assets.prepare("soak", 2, wanted.iter().copied())?;
    files.need_module()?;
    let (mut builds, mut missing) = (Vec::new(), Vec::new());
    for build in wanted {
        match files.need(Piece::Xen(build)) {
            Ok(()) => builds.push(build),
            Err(why) => missing.push(why),
        }
    }
    ensure!(
        !builds.is_empty(),
        "there is no Xen: {}",
        missing.join("; ")
    );
    let turns = turns(&files, builds, &mut missing);
    let cycles = plan(args.from, args.cycles, &turns);
    for why in missing {
        println!("without {why}");
    }
    let files = Arc::new(files);
    let counts: Arc<Mutex<BTreeMap<XenBuild, (u32, u32)>>> = Arc::default();
    let mut suite = Suite::new(&files.output);
    for (number, way) in cycles {
        let (files, counts) = (Arc::clone(&files), Arc::clone(&counts));
        let log = format!("cycle-{number}");
        suite.add(&title(number, way), &log, move |log| {
            let (xen, firmware, abi, call) = way;
            let case = cases::cycle(xen, firmware, abi, call);
            let result = attempts::run(&case, &files, log, &mut |_, _| ());
            let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
            let (passed, failed) = counts.entry(xen).or_default();
            *if result.is_ok() { passed } else { failed } += 1;
            result
        });
    }
    let all_passed = suite.run(&args.libtest)?;
    for (build, (passed, failed)) in &*counts.lock().unwrap_or_else(PoisonError::into_inner) {
        let version = files
            .xen(*build)
            .map_or_else(String::new, |xen| xen.version.to_string());
        println!("Xen {version} ({build}): {passed} passed, {failed} failed");
    }
    files.remove()?;
    Ok(all_passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_has_its_turn() {
        let turns = Turns {
            builds: BUILDS.to_vec(),
            firmware: vec![Firmware::Bios, Firmware::Uefi],
            abis: vec![Abi::V2, Abi::V1],
        };
        let cycles = plan(1, 100, &turns);
        assert_eq!(cycles.len(), 100);
        let (first, rest) = cycles.split_at(32);
        for (at, cycle) in first.iter().enumerate() {
            let same = |other: &&(u32, Way)| other.1 == cycle.1;
            assert_eq!(first.iter().filter(same).count(), 1, "{cycle:?}");
            assert!(same(&&rest[at]), "{cycle:?}");
        }
        assert_eq!(plan(5, 3, &turns), cycles[4..7]);
        assert_eq!(
            title(first[5].0, first[5].1),
            "cycle 6: Xen of bookworm, UEFI, kexec_file_load by V2"
        );
    }
}
