//! The hand-over in a machine, entered as Xen enters it and left into a kernel that checks it.
//!
//! `purgatory/bench-loader` is that Xen and that kernel, [`stage`] the memory that it begins with.

use std::mem;

use rkexec::abi::handover::{Failure, EPITAPH_MAGIC};
use rkexec_bare::text::Sink;
use rkexec_handover::exception::{Exception, PAGE_FAULT};
use rkexec_handover::fault::Fault;
use rkexec_handover::list::ListFault;
use rkexec_handover::params::ParamsFault;
use rkexec_handover::report;

use crate::places::CHUNK;
use crate::qemu::Machine;
use crate::scenario::Scenario;
use crate::{next_kernel, stage};

/// The exit code of QEMU when the next kernel came to its end.
const DONE: i32 = 33;
/// The exit code of QEMU when the machine resets (`-no-reboot`).
const RESET: i32 = 0;
/// SHA-NI, and without.
const CPUS: [&str; 3] = ["max", "max,sha-ni=off", "qemu64"];

/// What the hand-over said: the lines that are its own.
fn lines(serial: &str) -> Vec<&str> {
    serial
        .lines()
        .filter(|line| line.starts_with("rkexec: "))
        .collect()
}

/// Runs the scenario to its end, in which QEMU's exit code is this; returns what was said, and what
/// is to be said of memory in the end.
fn ends(scenario: Scenario, cpu: &str, kind: &str, code: i32) -> (String, Vec<String>) {
    let mut memory = stage::prepare(scenario);
    let mut machine = Machine::start(scenario.into(), cpu, kind);
    let ended = machine.wait();
    let serial = mem::take(&mut machine.said);
    assert_eq!(ended, code, "{kind}: {serial}");
    (serial, mem::take(&mut memory.after))
}

fn passes(scenario: Scenario, cpu: &str, expected: &[&str]) {
    let (serial, after) = ends(scenario, cpu, "pc", DONE);
    next_kernel::check(&serial);
    for line in after {
        assert!(serial.contains(&line), "not {line}: {serial}");
    }
    assert!(serial.ends_with("bench: done\n"), "{serial}");
    assert_eq!(lines(&serial), expected, "{serial}");
    let unused = serial
        .lines()
        .find_map(|line| line.strip_suffix(" bytes of the stack were never used"))
        .and_then(|line| line.strip_prefix("bench: ")?.parse().ok());
    assert!(unused >= Some(1024), "the stack is nearly full: {serial}");
}

const PROGRESS: [&str; 4] = [
    "rkexec: page tables verified",
    "rkexec: image copied",
    "rkexec: image verified (3 MiB)",
    "rkexec: entering 0x1ad0200",
];

#[test]
#[ignore = "needs QEMU"]
fn a_good_image_is_entered_with_and_without_sha_ni() {
    for cpu in CPUS {
        passes(Scenario::Good, cpu, &PROGRESS);
    }
}

/// Starts the scenario, and has `meddle` see the machine when all is copied and not yet verified.
fn meddled(meddle: impl FnOnce(&mut Machine)) -> (i32, String) {
    let _memory = stage::prepare(Scenario::Slow);
    let mut machine = Machine::start(Scenario::Slow.into(), "max", "pc");
    machine.wait_for(PROGRESS[1]);
    assert!(!machine.said.contains("image verified"));
    meddle(&mut machine);
    let ended = machine.wait();
    (ended, mem::take(&mut machine.said))
}

/// As by a device that nobody has stopped: neither the list nor the sources show it.
#[test]
#[ignore = "needs QEMU"]
fn what_is_written_to_a_destination_after_the_copy_is_found() {
    let (ended, serial) = meddled(|machine| {
        let at = stage::ENTRY_PAGE + 0x800;
        machine.ram.flip_bit(at, 3).unwrap();
    });
    assert_eq!(ended, RESET, "{serial}");
    let [why, _] = failed(Fault::Image);
    let expected = [
        PROGRESS[0],
        PROGRESS[1],
        &*why,
        "rkexec: resetting the machine",
    ];
    assert_eq!(lines(&serial), expected);
}

#[test]
#[ignore = "needs QEMU"]
fn nmis_are_counted_and_do_no_harm() {
    let (ended, serial) = meddled(|machine| {
        for _ in 0..3 {
            machine.monitor("nmi");
        }
    });
    assert_eq!(ended, DONE, "{serial}");
    next_kernel::check(&serial);
    let said = lines(&serial);
    let [tables, copied, verified, nmis, entering] = said[..] else {
        panic!("{serial}")
    };
    assert_eq!(
        [tables, copied, entering],
        [PROGRESS[0], PROGRESS[1], PROGRESS[3]]
    );
    let mib = 3 + 2 * stage::slow_runs(Scenario::Slow);
    assert_eq!(verified, format!("rkexec: image verified ({mib} MiB)"));
    let count = nmis.strip_prefix("rkexec: NMIs that were ignored: ");
    // Two that come at once are one to a processor.
    let count: u64 = count.and_then(|count| count.parse().ok()).expect(nmis);
    assert!((1..=3).contains(&count), "{count}");
}

#[test]
#[ignore = "needs QEMU"]
fn it_tells_how_long_its_parts_take_if_it_is_to() {
    let (serial, _) = ends(Scenario::Times, "max", "pc", DONE);
    let said = lines(&serial);
    let [tables, copied, verified, times, entering] = said[..] else {
        panic!("{serial}")
    };
    assert_eq!([tables, copied, verified, entering], PROGRESS);
    let times = times.strip_prefix("rkexec: times in us: ").expect(times);
    let (names, micros): (Vec<_>, Vec<u64>) = (times.split(", "))
        .map(|part| part.split_once(' ').expect(part))
        .map(|(name, micros)| (name, micros.parse::<u64>().expect(micros)))
        .unzip();
    assert_eq!(names, ["tables", "copied", "verified", "total"]);
    let (total, parts) = micros.split_last().unwrap();
    // 3 MiB take a while, and a machine that lives a minute no more than that.
    assert!(
        parts.iter().sum::<u64>() <= *total && *total < 60_000_000,
        "{times}"
    );
    assert!(parts.iter().all(|&part| part > 0), "{times}");
}

/// What the image puts at both ends of low memory is not what is in the backup.
#[test]
#[ignore = "needs QEMU"]
fn low_memory_is_saved_before_it_is_overwritten() {
    let [tables, rest @ ..] = PROGRESS;
    let mut steps = vec![tables, "rkexec: low memory saved"];
    steps.extend(rest);
    passes(Scenario::Backup, "max", &steps);
}

/// What Xen's older interface (V1) cannot be asked for.
#[test]
#[ignore = "needs QEMU"]
fn the_first_mib_is_mapped_for_a_next_kernel_though_nobody_had_mapped_it() {
    let (serial, _) = ends(Scenario::Good, "max", "pc", DONE);
    let steps = [
        "bench: 0-1 MiB is not mapped",
        PROGRESS[0],
        "probe: entered",
        "bench: 0-1 MiB can be read",
        "bench: done",
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

/// The line that tells of `fault`, but for the address of an exception: that is up to the compiler.
/// That the words are the right ones is tested elsewhere.
fn failed(fault: Fault) -> [String; 2] {
    struct Text(String);
    impl Sink for Text {
        fn put(&mut self, byte: u8) {
            self.0.push(byte.into());
        }
    }
    let mut text = Text(String::new());
    report::failed(&mut text, &fault, 0);
    let line = text.0.trim_end();
    let (head, tail) = match fault {
        Fault::Exception(_) => line.split_once("0x0 (hand-over + 0x0)").expect("both"),
        _ => (line, ""),
    };
    [head.to_owned(), tail.to_owned()]
}

/// The scenario ends in a reset, after `progress` and because of `fault`.
fn fails(scenario: Scenario, cpu: &str, progress: &[&str], fault: impl Into<Fault>) {
    let (serial, _) = ends(scenario, cpu, "pc", RESET);
    let said = lines(&serial);
    let (before, [why, last]) = said.split_at(said.len() - 2) else {
        panic!("{serial}")
    };
    assert_eq!(before, progress, "{serial}");
    let [head, tail] = failed(fault.into());
    assert!(why.starts_with(&head) && why.ends_with(&tail), "{why}");
    assert!(!tail.is_empty() || *why == head, "{why}");
    assert_eq!(*last, "rkexec: resetting the machine");
}

const TABLES_VERIFIED: &[&str] = &[PROGRESS[0]];
const IMAGE_COPIED: &[&str] = &[PROGRESS[0], PROGRESS[1]];

#[test]
#[ignore = "needs QEMU"]
fn a_backup_over_something_that_is_needed_is_refused() {
    let (scenario, fault) = (Scenario::BackupOverTables, ParamsFault::Malformed);
    fails(scenario, "max", &[], fault);
    let (scenario, fault) = (Scenario::BackupOverImage, ListFault::Backup);
    fails(scenario, "max", TABLES_VERIFIED, fault);
}

#[test]
#[ignore = "needs QEMU"]
fn a_wrong_header_is_found() {
    fails(Scenario::Header, "max", &[], ParamsFault::Header);
}

#[test]
#[ignore = "needs QEMU"]
fn changed_parameters_are_found() {
    for cpu in CPUS {
        fails(Scenario::Params, cpu, &[], ParamsFault::Digest);
    }
    fails(Scenario::UnknownFlag, "max", &[], ParamsFault::Malformed);
}

#[test]
#[ignore = "needs QEMU"]
fn a_changed_page_table_is_found_before_it_is_loaded() {
    fails(Scenario::Tables, "max", &[], Fault::Tables);
}

#[test]
#[ignore = "needs QEMU"]
fn a_changed_list_is_found() {
    fails(Scenario::List, "max", TABLES_VERIFIED, ListFault::Digest);
}

#[test]
#[ignore = "needs QEMU"]
fn a_list_that_nobody_should_have_made_is_refused() {
    for (scenario, fault) in [
        (Scenario::ListCycle, ListFault::Length),
        (Scenario::ListCount, ListFault::Count),
        (Scenario::ListWrap, ListFault::Space),
        (Scenario::ListOverHandOver, ListFault::Protected),
    ] {
        fails(scenario, "max", TABLES_VERIFIED, fault);
    }
}

#[test]
#[ignore = "needs QEMU"]
fn a_changed_source_is_found() {
    for cpu in CPUS {
        fails(Scenario::Image, cpu, IMAGE_COPIED, Fault::Image);
    }
}

#[test]
#[ignore = "needs QEMU"]
fn an_exception_is_reported_before_and_after_cr3_is_loaded() {
    let fault = Fault::Exception(Exception {
        vector: PAGE_FAULT,
        error_code: 0,
        rip: 0,
        cr2: 0x3f_0000_0000,
    });
    fails(Scenario::TablesUnmapped, "max", &[], fault);
    fails(Scenario::SourceUnmapped, "max", TABLES_VERIFIED, fault);
}

#[test]
#[ignore = "needs QEMU"]
fn every_kind_of_machine_is_reset_in_one_way_or_another() {
    // Of the three ways q35 has all, isapc no port 0xcf9, and microvm nothing but the processor.
    for kind in ["q35", "isapc", "microvm"] {
        let (serial, _) = ends(Scenario::Image, "max", kind, RESET);
        let last = serial.lines().last();
        assert_eq!(last, Some("rkexec: resetting the machine"), "{kind}");
    }
}

/// The numbers in the monitor's answer to `xp`.
fn words(machine: &mut Machine, count: usize, format: &str, at: u64) -> Vec<u64> {
    let answer = machine.monitor(&format!("xp /{count}{format} {at:#x}"));
    let words = answer.lines().filter_map(|line| line.split_once(": 0x"));
    let words = words.flat_map(|(_, words)| words.split(" 0x"));
    words
        .map(|digits| u64::from_str_radix(digits.trim(), 16).unwrap())
        .collect()
}

/// Halts in `scenario`; returns the rows of the screen that are not blank, and the epitaph.
fn halts(scenario: Scenario) -> (Vec<String>, Vec<u64>) {
    let _memory = stage::prepare(scenario);
    let mut machine = Machine::start(scenario.into(), "max", "pc");
    machine.wait_for("rkexec: the machine is halted\n");
    // The line is out before the screen is written and the processor halts.
    while !machine.monitor("info registers").contains("HLT=1") {}
    let registers = machine.monitor("info registers");
    let (_, flags) = registers.split_once("RFL=").unwrap();
    let flags = u32::from_str_radix(&flags[..8], 16).unwrap();
    assert_eq!(flags & 0x200, 0, "interrupts are off");

    let cells = words(&mut machine, 4 * 80, "hx", 0xb8000);
    let rows = cells.chunks(80).map(|row| {
        let text: String = row.iter().map(|&cell| char::from(cell as u8)).collect();
        text.trim_end().to_owned()
    });
    let rows = rows.filter(|row| !row.is_empty()).collect();
    let offset = words(&mut machine, 1, "wx", CHUNK + 24)[0];
    let epitaph = words(&mut machine, 6, "gx", CHUNK + offset);
    (rows, epitaph)
}

#[test]
#[ignore = "needs QEMU"]
fn a_machine_that_is_to_halt_halts_and_shows_why() {
    let (rows, epitaph) = halts(Scenario::ImageHalt);
    let expected = [
        "rkexec: hand-over failed: the image does not have its SHA-256 digest (it changed",
        " after the load, or where it was copied to)",
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
