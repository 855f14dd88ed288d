//! The core of the tests on another kernel: some rows of the other tables once more.

use crate::case::Case;
use crate::linux_build::LinuxBuild;
use crate::machine::Machine;

/// Loads and boots by both system calls, crashes, and what a next kernel finds: bare and in a dom0.
const CORE: [&str; 8] = [
    "bare metal: kexec_file_load boots a kernel",
    "bare metal: kexec_load boots a kernel",
    "bare metal: kexec -s -p, and the crash kernel reads the dump",
    "bare metal: the probe finds exactly the map that the module says",
    "dom0: kexec_file_load boots a kernel, 40 MB",
    "dom0: kexec_load boots a kernel, 40 MB",
    "dom0: a panic, kexec_file_load: the crash kernel reads the machine's dump",
    "dom0: the probe finds exactly the map that the module says",
];

/// Those of `rows` that belong to it, on `linux`.
pub fn on(linux: LinuxBuild, rows: &[Case]) -> Vec<Case> {
    let core = rows.iter().filter(|row| CORE.contains(&row.name));
    let moved = core.map(|row| Case {
        name: format!("{}: {}", linux.what(), row.name).leak(),
        machine: Machine {
            linux,
            ..row.machine
        },
        ..*row
    });
    moved.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Needs;
    use crate::cases;

    #[test]
    fn all_of_it_is_there_and_needs_nothing_of_another_kernel() {
        let core = cases::core(LinuxBuild::Sid);
        assert_eq!(core.len(), CORE.len());
        for row in core {
            assert!(
                row.module && row.needs == Needs::Nothing && !row.machine.disk,
                "{}",
                row.name
            );
        }
    }
}
