//! The tests: one row each, in tables by what they are about. What a row is made of is in [`crate::case`],
//! and the rows that others are made from are in [`rows`].

mod clients;
mod core;
mod crash;
pub mod cycle;
mod debug;
mod dom0;
mod door;
mod dump;
mod life_cycle;
mod long_map;
mod measure;
mod native;
mod probe;
mod rows;
mod slot;
mod steps;
mod xen_to_xen;
mod xen_versions;

pub use clients::DEBIAN;
pub use clients::{all as clients, kdump};
pub use dump::MACHINE as DUMPED;
pub use life_cycle::all as life_cycle;
pub use measure::all as measures;
pub use xen_to_xen::{all as xen_to_xen, story as xen_story};

use rkexec_protocol::Scenario;

use crate::case::Case;
use crate::linux_build::LinuxBuild;
use rows::{BOOTS, FILE};

/// The one that `vm run` tells of.
pub fn story() -> Case {
    Case {
        name: "the story",
        scenario: Scenario::Boot(FILE.blob(38).tools(true)),
        ..BOOTS
    }
}

/// All tests.
pub fn all() -> Vec<Case> {
    let mut rows = on_main();
    rows.extend(core::on(LinuxBuild::Second, &rows));
    rows
}

/// The core of them, on this kernel.
pub fn core(linux: LinuxBuild) -> Vec<Case> {
    core::on(linux, &on_main())
}

/// Those that run on kernels that look for mistakes.
pub fn debug() -> Vec<Case> {
    debug::all(&on_main())
}

/// Those on the usual kernel.
fn on_main() -> Vec<Case> {
    let tables = [
        native::all(),
        dom0::all(),
        door::all(),
        dump::all(),
        clients::some(),
        xen_to_xen::some(),
        slot::all(),
        steps::some(),
        crash::all(),
        xen_versions::all(),
        long_map::all(),
        probe::all(),
    ];
    tables.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use regex::Regex;

    use super::*;
    use crate::pieces::Piece;
    use crate::xen_build::XenBuild;

    #[test]
    fn every_test_has_a_name_of_its_own_and_patterns_that_work() {
        let mut names = HashSet::new();
        for case in all() {
            assert!(
                !case.name.is_empty() && names.insert(case.name),
                "{:?}",
                case.name
            );
            for pattern in case.says.iter().chain(case.expects_trouble) {
                Regex::new(pattern).unwrap();
            }
        }
    }

    #[test]
    fn a_row_needs_what_its_machine_and_its_end_are_made_of() {
        let needing = |piece: Piece| {
            let rows = all()
                .into_iter()
                .filter(|row| row.pieces().contains(&piece));
            rows.map(|row| row.name).collect::<Vec<_>>()
        };
        let all_have = |piece, start: &str| {
            let rows = needing(piece);
            assert!(!rows.is_empty(), "{piece:?}");
            for name in rows {
                assert!(name.starts_with(start), "{piece:?}: {name}");
            }
        };
        all_have(Piece::Makedumpfile, "dom0: makedumpfile");
        all_have(Piece::XenUtils, "PV guest");
        all_have(Piece::Linux(LinuxBuild::Second), "another kernel");
        all_have(Piece::Xen(XenBuild::Sid), "Xen of sid");
        let (with_grub, with_uefi) = (needing(Piece::Grub), needing(Piece::Ovmf));
        assert!(with_grub.len() < with_uefi.len());
        assert!(with_grub.iter().all(|name| with_uefi.contains(name)));
    }
}
