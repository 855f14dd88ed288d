//! The tests on kernels that look for mistakes while they run: rows of the other tables once more, and such as only
//! these kernels can run.

use rkexec_protocol::choice::Call;
use rkexec_protocol::scenario::FailNth;
use rkexec_protocol::Scenario;

use super::rows::{BOOTS, HANDED_OVER, NATIVE, NATIVE_BOOTS, NATIVE_BOOTS_BY_LOAD};
use crate::case::Case;
use crate::end::End;
use crate::linux_build::LinuxBuild;
use crate::machine::{Machine, DOM0};

/// A machine is slower by so much there.
const SLOWER: u64 = 4;

/// On the bare machine, by both kernels: loads, crashes, turns, the module's coming and going.
const BARE: [&str; 9] = [
    "bare metal: kexec_file_load boots a kernel",
    "bare metal: kexec_load boots a kernel",
    "bare metal: kexec -s -p, and the crash kernel reads the dump",
    "bare metal: kexec -c -p, and the crash kernel reads the dump",
    "bare metal: the module goes, and its image is entered",
    "bare metal: the module goes, the kernel unloads its image and loads another",
    "bare metal: the kernel's own code and the module by turns, and at once; its image boots",
    "bare metal: an image that the kernel has loaded boots with the module there",
    "bare metal: the probe finds exactly the map that the module says",
];

/// In a dom0.
const IN_DOM0: [&str; 11] = [
    "dom0: kexec_file_load boots a kernel, 40 MB",
    "dom0: kexec_load boots a kernel, 40 MB",
    "dom0: a panic, kexec_file_load: the crash kernel reads the machine's dump",
    "dom0: Xen's debug key, kexec_load: the crash kernel reads the machine's dump",
    "dom0: loaded, replaced, unloaded, gone with the module, loaded again and booted",
    "dom0: bad input is refused, and the image loaded before it boots",
    "dom0: Xen's slot and its status, also when others use it; ours boots in the end",
    "dom0: loads, unloads, the module and reboot(2), all at once",
    "dom0: loads that stand still, and images that are freed late",
    "dom0: Xen's image is unloaded when it is to start it, and the machine restarts",
    "dom0: the probe finds exactly the map that the module says",
];

/// What is said of a load that fails because it is made to: the kernel shows a stack for some allocations of its own.
const FAILS: &[&str] = &["rkexec: image not loaded: ", "Call Trace"];
/// And of an unload.
const UNLOAD_FAILS: &[&str] = &[
    "rkexec: image not loaded: ",
    "rkexec: Xen does not unload the image",
    "Call Trace",
];
/// And a crash behind that.
const CRASHES: &[&str] = &[
    "rkexec: image not loaded: ",
    "rkexec: Xen does not unload the image",
    "Kernel panic - not syncing: sysrq triggered crash",
    "Call Trace",
    r"\(XEN\) Hardware Dom0 crashed: ",
];

pub fn all(rows: &[Case]) -> Vec<Case> {
    let kernels = [
        (LinuxBuild::DebugKasan, &BARE[..]),
        (LinuxBuild::DebugDom0, &BARE[..]),
        (LinuxBuild::DebugDom0, &IN_DOM0[..]),
    ];
    let mut moved: Vec<_> = kernels
        .into_iter()
        .flat_map(|(linux, names)| {
            let rows = rows.iter().filter(|row| names.contains(&row.name));
            rows.map(move |row| on(linux, *row))
        })
        .collect();
    moved.extend([LinuxBuild::DebugKasan, LinuxBuild::DebugDom0].map(|linux| on(linux, MISTAKES)));
    moved.extend(failures());
    moved.extend(hypercalls());
    moved
}

/// The row on that kernel.
fn on(linux: LinuxBuild, row: Case) -> Case {
    Case {
        name: format!("{}: {}", linux.what(), row.name).leak(),
        machine: Machine {
            linux,
            ..row.machine
        },
        seconds: row.seconds * SLOWER,
        ..row
    }
}

/// A row of mistakes that these kernels do report: else nothing that the others do not report means anything.
const MISTAKES: Case = Case {
    name: "mistakes on purpose are reported (a test of the tests)",
    machine: NATIVE,
    scenario: Scenario::Mistakes,
    module: false,
    end: End::FirstKernel,
    says: REPORTED,
    expects_trouble: REPORTED,
    seconds: 30,
    ..BOOTS
};
const REPORTED: &[&str] = &[
    r"WARNING: drivers/misc/lkdtm/bugs\.c",
    r"UBSAN: array-index-out-of-bounds in .*lkdtm",
    r"BUG: sleeping function called from invalid context",
    "WARNING: possible circular locking dependency detected",
    r"BUG: KASAN: slab-use-after-free in lkdtm|BUG kmalloc-",
    // The slab allocator's, as each such report of its own ends.
    r"BUG lkdtm-heap-double_free|BUG: KASAN: double-free|WARNING: mm/slub\.c",
];

/// Every failure once: by both calls, default and crash, on the bare machine and in a dom0.
fn failures() -> Vec<Case> {
    let mut rows = Vec::new();
    for call in [Call::File, Call::Load] {
        for crash in [false, true] {
            let kind = if crash { "a crash image" } else { "an image" };
            let fails = |on_what, row: Case| Case {
                name: format!("{on_what}, {}, {kind}: every failure once", call.name()).leak(),
                scenario: Scenario::FailNth(FailNth::NEW.call(call).crash(crash)),
                expects_trouble: if crash { CRASHES } else { FAILS },
                seconds: 60,
                ..row
            };
            let dom0 = Case {
                machine: DOM0.xen_options("crashkernel=256M"),
                says: HANDED_OVER,
                ..BOOTS
            };
            let bare = match call {
                Call::File => NATIVE_BOOTS,
                // The line that makes the load fail is the module's.
                Call::Load => Case {
                    never: &["^rkexec: entering"],
                    ..NATIVE_BOOTS_BY_LOAD
                },
            };
            let bare = Case {
                machine: NATIVE.kernel("crashkernel=256M"),
                ..bare
            };
            rows.push(on(LinuxBuild::DebugDom0, fails("dom0", dom0)));
            rows.push(on(LinuxBuild::DebugKasan, fails("bare metal", bare)));
            rows.push(on(LinuxBuild::DebugDom0, fails("bare metal", bare)));
        }
    }
    rows
}

/// Xen's answers made up, by both calls, default and crash.
fn hypercalls() -> Vec<Case> {
    let kinds = [
        (Call::File, false),
        (Call::Load, false),
        (Call::File, true),
        (Call::Load, true),
    ];
    let rows = kinds.map(|(call, crash)| {
        let kind = if crash { "a crash image" } else { "an image" };
        let fails = FailNth::NEW.call(call).crash(crash).hypercalls(true);
        let row = Case {
            name: format!("dom0, {}, {kind}: each hypercall fails once", call.name()).leak(),
            machine: DOM0.xen_options("crashkernel=256M"),
            scenario: Scenario::FailNth(fails),
            expects_trouble: if crash { CRASHES } else { UNLOAD_FAILS },
            ..BOOTS
        };
        on(LinuxBuild::DebugDom0, row)
    });
    rows.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases;

    #[test]
    fn all_rows_are_there_under_names_of_their_own() {
        let rows = cases::debug();
        assert_eq!(rows.len(), 2 * BARE.len() + IN_DOM0.len() + 2 + 12 + 4);
        let names: std::collections::HashSet<_> = rows.iter().map(|row| row.name).collect();
        // Those on the bare machine run on both kernels.
        assert_eq!(names.len(), rows.len());
        assert!(rows.iter().all(|row| row.machine.linux.is_debug()));
    }
}
