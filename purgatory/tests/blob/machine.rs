//! The hand-over in a machine, entered as Xen enters it and left into a kernel that checks it.
//!
//! `purgatory/bench-loader` is that Xen and that kernel; the scenarios are defined there.

use rkexec::abi::handover::{Failure, EPITAPH_MAGIC};

use crate::next_kernel;
use crate::qemu::Machine;
use crate::scenario::Scenario;

/// The exit code of QEMU when the next kernel is content.
const PASSED: i32 = 33;
/// The exit code of QEMU when the machine resets (`-no-reboot`).
const RESET: i32 = 0;
/// Where the bench puts the hand-over (`CHUNK` in `stage.rs`).
pub const CHUNK: u64 = 0x0180_3000;
/// SHA-NI, and without.
const CPUS: [&str; 3] = ["max", "max,sha-ni=off", "qemu64"];

/// What the hand-over said: the lines that are its own.
fn lines(serial: &str) -> Vec<&str> {
    serial
        .lines()
        .filter(|line| line.starts_with("rkexec: "))
        .collect()
}

/// Runs the scenario to its end, in which QEMU's exit code is this; returns what was said.
fn ends(scenario: Scenario, cpu: &str, kind: &str, code: i32) -> String {
    let mut machine = Machine::start(scenario.into(), cpu, kind);
    let ended = machine.wait();
    let serial = machine.serial();
    assert_eq!(ended, code, "{kind}: {serial}");
    serial
}

fn passes(scenario: Scenario, cpu: &str, expected: &[&str]) {
    let serial = ends(scenario, cpu, "pc", PASSED);
    next_kernel::check(&serial);
    assert!(serial.ends_with("bench: PASSED\n"), "{serial}");
    assert_eq!(lines(&serial), expected, "{serial}");
    let unused = serial
        .lines()
        .find_map(|line| line.strip_suffix(" bytes of the stack were never used"))
        .and_then(|line| line.strip_prefix("bench: ")?.parse().ok());
    assert!(unused >= Some(1024), "the stack is nearly full: {serial}");
}

const PROGRESS: [&str; 3] = [
    "rkexec: page tables verified",
    "rkexec: image verified (3 MiB)",
    "rkexec: entering 0x3000200",
];

#[test]
#[ignore = "needs QEMU"]
fn a_good_image_is_entered_with_and_without_sha_ni() {
    for cpu in CPUS {
        passes(Scenario::Good, cpu, &PROGRESS);
    }
}

/// What the image puts at both ends of low memory is not what is in the backup.
#[test]
#[ignore = "needs QEMU"]
fn low_memory_is_saved_before_it_is_overwritten() {
    let steps = [
        PROGRESS[0],
        PROGRESS[1],
        "rkexec: low memory saved",
        PROGRESS[2],
    ];
    passes(Scenario::Backup, "max", &steps);
}

#[test]
#[ignore = "needs QEMU"]
fn a_backup_over_something_that_is_needed_is_refused() {
    let why = "its parameters are not valid (a fault in rkexec)";
    fails(Scenario::BackupOverTables, "max", &[], why);
    let why = "the copy list is broken: it or an entry overlaps the backup of low memory \
               (a list page changed after the load, or a fault in rkexec)";
    fails(Scenario::BackupOverImage, "max", TABLES_VERIFIED, why);
}

/// What Xen's older interface (V1) cannot be asked for.
#[test]
#[ignore = "needs QEMU"]
fn the_first_mib_is_mapped_for_a_next_kernel_though_nobody_had_mapped_it() {
    let serial = ends(Scenario::Good, "max", "pc", PASSED);
    let steps = [
        "bench: 0-1 MiB is not mapped",
        PROGRESS[0],
        "probe: entered",
        "bench: 0-1 MiB can be read",
        "bench: PASSED",
    ];
    let said = serial.lines().filter(|line| steps.contains(line));
    assert_eq!(said.collect::<Vec<_>>(), steps, "{serial}");
}

#[test]
#[ignore = "needs QEMU"]
fn no_serial_port_is_no_obstacle() {
    passes(Scenario::NoPort, "max", &[]);
    passes(Scenario::AbsentPort, "max", &[]);
}

/// The scenario ends in a reset, after `progress` and for the reason `why`.
fn fails(scenario: Scenario, cpu: &str, progress: &[&str], why: &str) {
    let serial = ends(scenario, cpu, "pc", RESET);
    let failed = format!("rkexec: hand-over failed: {why}");
    let last = [failed.as_str(), "rkexec: resetting the machine"];
    let said = lines(&serial);
    assert_eq!(said.len(), progress.len() + last.len(), "{serial}");
    assert_eq!(said[..progress.len()], *progress);
    // The address of an exception depends on the compiler.
    match why.split_once("...") {
        None => assert_eq!(said[progress.len()..], last),
        Some((head, tail)) => {
            let line = said[progress.len()]
                .strip_prefix("rkexec: hand-over failed: ")
                .unwrap();
            assert!(line.starts_with(head) && line.ends_with(tail), "{line}");
        }
    }
}

const TABLES_VERIFIED: &[&str] = &[PROGRESS[0]];

#[test]
#[ignore = "needs QEMU"]
fn a_wrong_header_is_found() {
    fails(
        Scenario::Header,
        "max",
        &[],
        "its header is not that of this version (a fault in rkexec)",
    );
}

#[test]
#[ignore = "needs QEMU"]
fn changed_parameters_are_found() {
    let why = "its parameters do not have their SHA-256 digest (they changed after the load)";
    for cpu in CPUS {
        fails(Scenario::Params, cpu, &[], why);
    }
    fails(
        Scenario::UnknownFlag,
        "max",
        &[],
        "its parameters are not valid (a fault in rkexec)",
    );
}

#[test]
#[ignore = "needs QEMU"]
fn a_changed_page_table_is_found_before_it_is_loaded() {
    let why = "the page tables do not have their SHA-256 digest \
               (a table page changed after the load)";
    fails(Scenario::Tables, "max", &[], why);
}

#[test]
#[ignore = "needs QEMU"]
fn a_changed_list_is_found() {
    let why = "the copy list does not have its SHA-256 digest \
               (a list page changed after the load)";
    fails(Scenario::List, "max", TABLES_VERIFIED, why);
}

#[test]
#[ignore = "needs QEMU"]
fn a_list_that_nobody_should_have_made_is_refused() {
    for (scenario, what) in [
        (Scenario::ListCycle, "it has not as many pages as it should"),
        (Scenario::ListCount, "a page has too many entries"),
        (
            Scenario::ListWrap,
            "an entry reaches past the end of the address space",
        ),
        (
            Scenario::ListOverHandOver,
            "an entry would overwrite the hand-over or the page tables",
        ),
    ] {
        let why = format!(
            "the copy list is broken: {what} (a list page changed after the load, \
             or a fault in rkexec)"
        );
        fails(scenario, "max", TABLES_VERIFIED, &why);
    }
}

const IMAGE_CHANGED: &str = "the image does not have its SHA-256 digest \
                             (a source page changed after the load)";

#[test]
#[ignore = "needs QEMU"]
fn a_changed_source_is_found() {
    for cpu in CPUS {
        fails(Scenario::Image, cpu, TABLES_VERIFIED, IMAGE_CHANGED);
    }
}

#[test]
#[ignore = "needs QEMU"]
fn an_exception_is_reported_before_and_after_cr3_is_loaded() {
    let why = "the processor raised exception 14 (page fault) at 0x... error code 0x0, \
               address 0x3f00000000";
    fails(Scenario::TablesUnmapped, "max", &[], why);
    fails(Scenario::SourceUnmapped, "max", TABLES_VERIFIED, why);
}

#[test]
#[ignore = "needs QEMU"]
fn every_kind_of_machine_is_reset_in_one_way_or_another() {
    // Of the three ways q35 has all, isapc no port 0xcf9, and microvm nothing but the processor.
    for kind in ["q35", "isapc", "microvm"] {
        let serial = ends(Scenario::Image, "max", kind, RESET);
        assert!(
            serial.ends_with("rkexec: resetting the machine\n"),
            "{kind}"
        );
    }
}

/// The numbers in the monitor's answer to `xp`.
fn words(machine: &mut Machine, count: usize, format: &str, at: u64) -> Vec<u64> {
    let answer = machine.monitor(&format!("xp /{count}{format} {at:#x}"));
    let numbers = answer
        .lines()
        .filter_map(|line| line.split_once(':'))
        .flat_map(|(_, words)| {
            words
                .split_whitespace()
                .map(|word| word.strip_prefix("0x").expect("a number"))
        });
    numbers
        .map(|digits| u64::from_str_radix(digits, 16).unwrap())
        .collect()
}

/// Halts in `scenario`; returns the rows of the screen that are not blank, and the epitaph.
fn halts(scenario: Scenario) -> (Vec<String>, Vec<u64>) {
    let mut machine = Machine::start(scenario.into(), "max", "pc");
    machine.wait_for("rkexec: the machine is halted\n");
    // The line is out before the screen is written and the processor halts.
    while !machine.monitor("info registers").contains("HLT=1") {}
    let registers = machine.monitor("info registers");
    let flags = registers
        .split("RFL=")
        .nth(1)
        .and_then(|rest| rest.get(..8))
        .unwrap();
    assert_eq!(
        u32::from_str_radix(flags, 16).unwrap() & 0x200,
        0,
        "interrupts are off"
    );

    let cells = words(&mut machine, 4 * 80, "hx", 0xb8000);
    let rows = cells
        .chunks(80)
        .map(|row| {
            row.iter()
                .map(|&cell| char::from(cell as u8))
                .collect::<String>()
        })
        .map(|row| row.trim_end().to_owned())
        .filter(|row| !row.is_empty())
        .collect();
    let offset = words(&mut machine, 1, "wx", CHUNK + 24)[0];
    let epitaph = words(&mut machine, 6, "gx", CHUNK + offset);
    (rows, epitaph)
}

#[test]
#[ignore = "needs QEMU"]
fn a_machine_that_is_to_halt_halts_and_shows_why() {
    let (rows, epitaph) = halts(Scenario::ImageHalt);
    let expected = [
        "rkexec: hand-over failed: the image does not have its SHA-256 digest (a source p",
        "age changed after the load)",
        "rkexec: the machine is halted",
    ];
    assert_eq!(rows[..3], expected);
    assert_eq!(epitaph, [EPITAPH_MAGIC, Failure::Image as u64, 0, 0, 0, 0]);
}

#[test]
#[ignore = "needs QEMU"]
fn the_epitaph_keeps_what_the_processor_said() {
    let (rows, epitaph) = halts(Scenario::SourceUnmappedHalt);
    assert!(rows[0].starts_with("rkexec: hand-over failed: the processor raised exception 14"));
    let [magic, failure, vector, error_code, rip, cr2] = epitaph[..] else {
        panic!("six words")
    };
    assert_eq!((magic, failure), (EPITAPH_MAGIC, Failure::Exception as u64));
    assert_eq!((vector, error_code, cr2), (14, 0, 0x3f_0000_0000));
    assert!(
        (CHUNK..CHUNK + 0x6000).contains(&rip),
        "{rip:#x} is in the hand-over"
    );
}
