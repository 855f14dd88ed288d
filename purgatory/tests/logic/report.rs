//! The words, exactly as users will search for them.

use proptest::prelude::*;
use rkexec_bare::text::Sink;
use rkexec_handover::exception::Exception;
use rkexec_handover::fault::Fault;
use rkexec_handover::list::ListFault;
use rkexec_handover::params::ParamsFault;
use rkexec_handover::report;
use rkexec_handover::times::Stamps;

#[derive(Default)]
struct Text(String);

impl Sink for Text {
    fn put(&mut self, byte: u8) {
        assert!(byte.is_ascii_graphic() || byte == b' ' || byte == b'\n');
        self.0.push(byte.into());
    }
}

fn said(say: impl FnOnce(&mut Text)) -> String {
    let mut text = Text::default();
    say(&mut text);
    text.0
}

fn failed(fault: impl Into<Fault>) -> String {
    let fault = fault.into();
    let line = said(|text| report::failed(text, &fault, 0x7000_0000));
    let line = line
        .strip_prefix("rkexec: hand-over failed: ")
        .expect("every failure says so");
    line.strip_suffix('\n').expect("a whole line").into()
}

#[test]
fn progress() {
    let line = said(report::tables_verified);
    assert_eq!(line, "rkexec: page tables verified\n");
    for (bytes, mib) in [
        (0, 0),
        (1, 1),
        (1 << 20, 1),
        ((1 << 20) + 1, 2),
        (205 << 20, 205),
    ] {
        let line = said(|text| report::image_verified(text, bytes));
        assert_eq!(line, format!("rkexec: image verified ({mib} MiB)\n"));
    }
    let line = said(report::image_copied);
    assert_eq!(line, "rkexec: image copied\n");
    let line = said(|text| report::nmis(text, 3));
    assert_eq!(line, "rkexec: NMIs that were ignored: 3\n");
    let line = said(report::low_memory_saved);
    assert_eq!(line, "rkexec: low memory saved\n");
    let line = said(|text| report::entering(text, 0x100_0200));
    assert_eq!(line, "rkexec: entering 0x1000200\n");
}

#[test]
fn times_are_those_of_the_parts() {
    let stamps = Stamps {
        entered: 1_000_000,
        tables: 1_003_000,
        copied: 1_023_999,
        verified: 1_323_000,
        leaving: 1_324_000,
    };
    let line = said(|text| stamps.tell(text, 1_000));
    let expected =
        "rkexec: times in us: tables 3000, copied 20999, verified 299001, total 324000\n";
    assert_eq!(line, expected);
    let line = said(|text| stamps.tell(text, 3_000_000));
    assert!(
        line.ends_with(" tables 1, copied 6, verified 99, total 108\n"),
        "{line}"
    );
    let line = said(|text| stamps.tell(text, 0));
    assert_eq!(line, expected.replace("us", "ticks"));
    // A counter that goes backwards, or is far too fast, is no reason to stop.
    for (entered, leaving) in [(5, 0), (0, u64::MAX)] {
        let stamps = Stamps {
            entered,
            leaving,
            ..Stamps::default()
        };
        assert!(said(|text| stamps.tell(text, 1)).ends_with('\n'));
    }
}

#[test]
fn a_changed_page_is_named() {
    let faults = [
        ParamsFault::Digest.into(),
        Fault::Tables,
        ListFault::Digest.into(),
        Fault::Image,
    ];
    let expected = "\
its parameters do not have their SHA-256 digest (they changed after the load)
the page tables do not have their SHA-256 digest (a table page changed after the load)
the copy list does not have its SHA-256 digest (a list page changed after the load)
the image does not have its SHA-256 digest (it changed after the load, or where it was copied to)";
    assert_eq!(faults.map(failed).join("\n"), expected);
}

#[test]
fn what_is_nobody_s_doing_but_ours_says_so() {
    for (fault, expected) in [
        (
            ParamsFault::Header,
            "its header is not that of this version",
        ),
        (ParamsFault::Malformed, "its parameters are not valid"),
    ] {
        assert_eq!(failed(fault), format!("{expected} (a fault in rkexec)"));
    }
    let faults = [
        ListFault::Length,
        ListFault::Link,
        ListFault::Count,
        ListFault::Pages,
        ListFault::Space,
        ListFault::Overlap,
        ListFault::Protected,
        ListFault::Backup,
    ];
    let expected = "\
it has not as many pages as it should
it goes on where no page is
a page has too many entries
an entry is not made of whole pages
an entry reaches past the end of the address space
the source of an entry overlaps its destination
an entry would overwrite the hand-over or the page tables
it or an entry overlaps the backup of low memory";
    let cause = " (a list page changed after the load, or a fault in rkexec)";
    let said = faults.map(|fault| {
        let line = failed(fault);
        let what = line.strip_prefix("the copy list is broken: ");
        let what = what.and_then(|line| line.strip_suffix(cause));
        what.expect("what is broken, and why").to_owned()
    });
    assert_eq!(said.join("\n"), expected);
}

fn raised(vector: u64, error_code: u64, rip: u64, cr2: u64) -> String {
    failed(Fault::Exception(Exception {
        vector,
        error_code,
        rip,
        cr2,
    }))
}

#[test]
fn an_exception_says_where() {
    assert_eq!(
        raised(14, 2, 0x7000_1234, 0x1_2345_6789),
        "the processor raised exception 14 (page fault) at 0x70001234 (hand-over + 0x1234), \
         error code 0x2, address 0x123456789"
    );
    assert_eq!(
        raised(6, 0, 0x7000_0110, 0xdead),
        "the processor raised exception 6 (invalid opcode) at 0x70000110 (hand-over + 0x110), \
         error code 0x0"
    );
}

#[test]
fn every_vector_has_a_name() {
    for vector in 0..32 {
        assert!(raised(vector, 0, 0, 0).contains(&format!("exception {vector} (")));
    }
}

#[test]
fn the_end_is_announced() {
    let end = |halt| said(|text| report::giving_up(text, halt));
    assert_eq!(end(true), "rkexec: the machine is halted\n");
    assert_eq!(end(false), "rkexec: resetting the machine\n");
}

proptest! {
    #[test]
    fn numbers_are_written_as_everybody_writes_them(value: u64, shift in 0..64u32) {
        for value in [value, value >> shift, 1u64 << shift, (1u64 << shift) - 1u64] {
            prop_assert_eq!(said(|text| text.hex(value)), format!("{value:#x}"));
            prop_assert_eq!(said(|text| text.decimal(value)), value.to_string());
        }
    }
}

#[test]
fn numbers_at_the_ends() {
    for value in [0, 9, 10, 15, 16, 9_999_999_999_999_999_999, u64::MAX] {
        assert_eq!(said(|text| text.hex(value)), format!("{value:#x}"));
        assert_eq!(said(|text| text.decimal(value)), value.to_string());
    }
}
