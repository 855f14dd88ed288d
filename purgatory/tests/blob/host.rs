//! The hand-over's SHA-256 on this host's processor: the machine code that is shipped.

use std::fs;

use sha2::{Digest as _, Sha256};

use crate::artifacts;
use crate::blob::{host_has_sha_ni, sha_ni_rounds, Blob};

fn blob() -> Blob {
    let made = artifacts::get();
    Blob::map(
        &fs::read(&made.flat).unwrap(),
        &fs::read(&made.elf).unwrap(),
    )
}

/// Checks it on all lengths around a block and a page, and on some megabytes that are not aligned.
fn hashes_right(blob: &Blob) {
    let data: Vec<u8> = (0..(3 << 20) + 5_u32).map(|i| (i % 251) as u8).collect();
    let lengths = (0..260).chain(4030..4170);
    let pieces = lengths.map(|len| &data[..len]).chain([&data[3..]]);
    for piece in pieces {
        let expected: [u8; 32] = Sha256::digest(piece).into();
        assert_eq!(blob.sha256(piece), expected, "{} bytes", piece.len());
    }
}

#[test]
fn it_hashes_with_sha_ni_where_the_processor_has_it() {
    let blob = blob();
    assert_eq!(blob.used_sha_ni(), None, "before it has looked");
    hashes_right(&blob);
    assert_eq!(blob.used_sha_ni(), Some(host_has_sha_ni()));
}

#[test]
fn it_hashes_right_without_sha_ni() {
    let mut blob = blob();
    blob.forget_sha_ni();
    hashes_right(&blob);
    assert_eq!(blob.used_sha_ni(), Some(false));
}

#[test]
fn it_has_all_rounds_of_sha_ni() {
    let flat = fs::read(&artifacts::get().flat).unwrap();
    // Each does two of the 64 rounds of a block.
    assert!(sha_ni_rounds(&flat) >= 32, "{}", sha_ni_rounds(&flat));
}
