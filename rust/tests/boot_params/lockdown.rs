//! A command line that makes the next kernel lock itself down.

use itertools::iproduct;
use proptest::prelude::*;
use rkexec::boot_params::{lock_down, BootParamsError, Lockdown};
use rkexec::errno::Errno;

use super::with_header;
use crate::common::{ma, put, with};

/// Where the boot parameters will be, above 4 GiB.
const AT: u64 = 0x1_2345_6000;

/// What the kernel's loader makes (`bzImage64_load()`): boot parameters, the command line, zeros up to
/// a multiple of 16, zeros where EFI's data would be, a node of `setup_data`, and its data.
fn loaded(prefix: &str, line: &str) -> Vec<u8> {
    let line_bytes = (line.len() + 1 + 30).next_multiple_of(16);
    let seed = 4096 + line_bytes + 112;
    let mut bytes = with_header(vec![0; seed]);
    bytes.extend(0u64.to_le_bytes());
    bytes.extend([0xcc; 40]);
    let line = format!("{prefix}{line}");
    put(&mut bytes, 4096, line.as_bytes());
    point_at(&mut bytes, AT + 4096, AT + seed as u64);
    bytes
}

/// Says where the command line is, how long it may be, and where the first node is.
fn point_at(bytes: &mut [u8], line: u64, node: u64) {
    put(bytes, 0x228, &(line as u32).to_le_bytes());
    put(bytes, 0xc8, &((line >> 32) as u32).to_le_bytes());
    put(bytes, 0x238, &2047u32.to_le_bytes());
    put(bytes, 0x250, &node.to_le_bytes());
}

/// The command line as the next kernel reads it.
fn line(bytes: &[u8]) -> String {
    let line = bytes[4096..].split(|byte| *byte == 0).next();
    String::from_utf8(line.expect("a line").to_vec()).expect("text")
}

#[test]
fn the_word_comes_first_and_the_rest_stays() {
    let integrity = (Lockdown::Integrity, "lockdown=integrity ");
    let confidentiality = (Lockdown::Confidentiality, "lockdown=confidentiality ");
    let prefixes = ["", "elfcorehdr=0x1ffff000 ", "elfcorehdr=0xffffffff00000 "];
    let lines = "|quiet|root=/dev/x \"-- console=ttyS0|-- lockdown=none".split('|');
    for ((lockdown, word), prefix, given) in
        iproduct!([integrity, confidentiality], prefixes, lines)
    {
        let before = loaded(prefix, given);
        let mut bytes = before.clone();
        lock_down(&mut bytes, ma(AT), lockdown).expect("room");
        assert_eq!(line(&bytes), format!("{word}{prefix}{given}"));
        // Nothing else has changed, in front of the line or behind it.
        assert_eq!(bytes[..4096], before[..4096]);
        let end = 4096 + line(&bytes).len();
        assert_eq!(bytes[end..], before[end..]);
    }
}

fn refused(bytes: &[u8], at: u64) -> BootParamsError {
    let mut copy = bytes.to_vec();
    let error = lock_down(&mut copy, ma(at), Lockdown::Integrity).expect_err("no room");
    assert_eq!(copy, bytes, "it was touched");
    error
}

#[test]
fn a_line_that_would_be_too_long_is_refused() {
    let with = |len: usize| loaded("", &"x".repeat(len));
    let mut bytes = with(2047 - 19);
    lock_down(&mut bytes, ma(AT), Lockdown::Integrity).expect("the longest");
    assert_eq!(line(&bytes).len(), 2047);
    let error = refused(&with(2047 - 18), AT);
    assert_eq!(error, BootParamsError::NoRoomForLockdown);
    assert_eq!(error.errno(), Errno::TooBig);
}

#[test]
fn what_is_behind_the_line_is_not_written_over() {
    let good = loaded("", "quiet");
    let end = 4096 + "quiet".len();
    let second_node = good.len() - 48;
    let no_room = |bytes: &[u8]| assert_eq!(refused(bytes, AT), BootParamsError::NoRoomForLockdown);
    // Up to where the new line ends, its zero included: a byte, a node of zeros, the second node.
    for at in end + 1..=end + 19 {
        let node = (AT + at as u64).to_le_bytes();
        no_room(&with(&good, at, &[1]));
        no_room(&with(&good, 0x250, &node));
        no_room(&with(&good, second_node, &node));
    }
    let mut bytes = with(&good, end + 20, &[1]);
    lock_down(&mut bytes, ma(AT), Lockdown::Integrity).expect("room");
    for len in end + 1..end + 20 {
        no_room(&good[..len]);
    }
}

#[test]
fn a_line_that_is_not_behind_the_boot_parameters_is_refused() {
    let good = loaded("", "quiet");
    let no_line = |bytes: &[u8], at| assert_eq!(refused(bytes, at), BootParamsError::NoCommandLine);
    for at in [0, AT - 4096, AT + 4096, AT + 0x10_0000] {
        no_line(&good, at);
    }
    // In them; at none of its addresses; without an end.
    no_line(&with(&good, 0x228, &(AT as u32 + 4095).to_le_bytes()), AT);
    no_line(&with(&with(&good, 0x228, &[0; 4]), 0xc8, &[0; 4]), AT);
    no_line(&good[..4096 + "quiet".len()], AT);
    let error = refused(&[0; 5000], AT);
    assert!(matches!(error, BootParamsError::NoBootFlag { .. }));
}

proptest! {
    #[test]
    fn no_boot_parameters_do_harm(
        behind in prop::collection::vec(prop_oneof![4 => Just(0u8), 1 => any::<u8>()], 0..400),
        at in 0u64..1 << 40,
        line in 4000u64..4600,
        node in 4000u64..4600,
    ) {
        let mut bytes = with_header(vec![0; 4096]);
        bytes.extend(behind);
        point_at(&mut bytes, at + line, at + node);
        let before = bytes.clone();
        if lock_down(&mut bytes, ma(at), Lockdown::Confidentiality).is_err() {
            prop_assert_eq!(bytes, before);
        } else {
            prop_assert_eq!(&bytes[..4096], &before[..4096]);
            prop_assert!(bytes[line as usize..].starts_with(b"lockdown=confidentiality "));
        }
    }
}
