//! A command line that makes the next kernel lock itself down.

use proptest::prelude::*;
use rkexec::boot_params::{lock_down, BootParamsError, Lockdown};
use rkexec::errno::Errno;

use super::with_header;
use crate::common::ma;

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
    bytes[4096..4096 + line.len()].copy_from_slice(line.as_bytes());
    set(&mut bytes, 0x228, AT as u32 + 4096);
    set(&mut bytes, 0xc8, (AT >> 32) as u32);
    set(&mut bytes, 0x238, 2047);
    let node = AT + seed as u64;
    bytes[0x250..0x258].copy_from_slice(&node.to_le_bytes());
    bytes
}

fn set(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// The command line as the next kernel reads it.
fn line(bytes: &[u8]) -> String {
    let line = bytes[4096..].split(|byte| *byte == 0).next();
    String::from_utf8(line.expect("a line").to_vec()).expect("text")
}

#[test]
fn the_word_comes_first_and_the_rest_stays() {
    for (lockdown, word) in [
        (Lockdown::Integrity, "lockdown=integrity "),
        (Lockdown::Confidentiality, "lockdown=confidentiality "),
    ] {
        for prefix in ["", "elfcorehdr=0x1ffff000 ", "elfcorehdr=0xffffffff00000 "] {
            for given in [
                "",
                "quiet",
                "root=/dev/x \"-- console=ttyS0",
                "-- lockdown=none",
            ] {
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
    // Up to where the new line ends, its zero included.
    for at in 1..=19 {
        let mut bytes = good.clone();
        bytes[end + at] = 1;
        assert_eq!(refused(&bytes, AT), BootParamsError::NoRoomForLockdown);
        // A node of zeros.
        let mut bytes = good.clone();
        bytes[0x250..0x258].copy_from_slice(&(AT + (end + at) as u64).to_le_bytes());
        assert_eq!(refused(&bytes, AT), BootParamsError::NoRoomForLockdown);
        // The second node.
        let mut bytes = good.clone();
        let node = bytes.len() - 48;
        bytes[node..node + 8].copy_from_slice(&(AT + (end + at) as u64).to_le_bytes());
        assert_eq!(refused(&bytes, AT), BootParamsError::NoRoomForLockdown);
    }
    let mut bytes = good.clone();
    bytes[end + 20] = 1;
    lock_down(&mut bytes, ma(AT), Lockdown::Integrity).expect("room");
    for len in end + 1..end + 20 {
        assert_eq!(
            refused(&good[..len], AT),
            BootParamsError::NoRoomForLockdown
        );
    }
}

#[test]
fn a_line_that_is_not_behind_the_boot_parameters_is_refused() {
    let good = loaded("", "quiet");
    for at in [0, AT - 4096, AT + 4096, AT + 0x10_0000] {
        assert_eq!(refused(&good, at), BootParamsError::NoCommandLine);
    }
    // In them; at none of its addresses; without an end.
    let mut bytes = good.clone();
    set(&mut bytes, 0x228, AT as u32 + 4095);
    assert_eq!(refused(&bytes, AT), BootParamsError::NoCommandLine);
    set(&mut bytes, 0x228, 0);
    set(&mut bytes, 0xc8, 0);
    assert_eq!(refused(&bytes, AT), BootParamsError::NoCommandLine);
    let end = 4096 + "quiet".len();
    assert_eq!(refused(&good[..end], AT), BootParamsError::NoCommandLine);
    assert!(matches!(
        refused(&[0; 5000], AT),
        BootParamsError::NoBootFlag { .. }
    ));
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
        set(&mut bytes, 0x238, 2047);
        set(&mut bytes, 0x228, (at + line) as u32);
        set(&mut bytes, 0xc8, ((at + line) >> 32) as u32);
        bytes[0x250..0x258].copy_from_slice(&(at + node).to_le_bytes());
        let before = bytes.clone();
        if lock_down(&mut bytes, ma(at), Lockdown::Confidentiality).is_err() {
            prop_assert_eq!(bytes, before);
        } else {
            prop_assert_eq!(&bytes[..4096], &before[..4096]);
            prop_assert!(bytes[line as usize..].starts_with(b"lockdown=confidentiality "));
        }
    }
}
