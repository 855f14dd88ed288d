//! How fast the hand-over hashes on this host's processor, and how fast the stock kernel's purgatory
//! does, by turns.
//!
//! Both are machine code as it is shipped: the flat file that the module embeds, and the purgatory in
//! the stock vmlinuz, mapped into this process and called. The hand-over is mapped twice; one of the
//! two is told that the processor has no SHA-NI.
#![allow(missing_docs)]

mod blob;
mod code;
mod stock;

use std::hint::black_box;
use std::time::{Duration, Instant};

use blob::Blob;
use sha2::{Digest as _, Sha256};

/// How often each of them has its turn, for each size.
const TURNS: usize = 15;
/// A page table, all of them, and an image.
const SIZES: [(&str, usize); 3] = [
    ("4 KiB", 4 << 10),
    ("64 KiB", 64 << 10),
    ("100 MiB", 100 << 20),
];

type Contestant<'a> = (String, Box<dyn Fn(&[u8]) -> [u8; 32] + 'a>);

fn main() {
    let flat = file(".build/handover/handover.bin");
    let elf = file(".build/handover/handover.elf");
    let (blob, mut portable) = (Blob::map(&flat, &elf), Blob::map(&flat, &elf));
    portable.forget_sha_ni();
    let stock = stock::map(&file(".build/vm/assets/vmlinuz"));
    // It looks at the processor when it first hashes something.
    black_box(blob.sha256(&[]));

    println!(
        "hand-over: {} instructions sha256rnds2; this processor has SHA-NI: {}",
        blob::sha_ni_rounds(&flat),
        blob::host_has_sha_ni()
    );
    let contestants: [Contestant<'_>; 3] = [
        (path("hand-over", &blob), Box::new(|it| blob.sha256(it))),
        (
            path("hand-over, forced", &portable),
            Box::new(|it| portable.sha256(it)),
        ),
        (
            "stock purgatory, C".to_owned(),
            Box::new(|it| stock.sha256(it)),
        ),
    ];
    for (name, bytes) in SIZES {
        println!("\n{name}, medians of {TURNS} turns (worst - best), MB/s:");
        contest(&contestants, bytes);
    }
    assert_eq!(portable.used_sha_ni(), Some(false));
}

/// A name with the code that was used: what the hand-over itself has remembered.
fn path(name: &str, blob: &Blob) -> String {
    let path = match blob.used_sha_ni() {
        Some(true) => "SHA-NI",
        Some(false) => "portable code",
        None => "nothing hashed yet",
    };
    format!("{name}: {path}")
}

fn contest(contestants: &[Contestant<'_>; 3], bytes: usize) {
    let data: Vec<u8> = (0..bytes as u32).map(|i| (i ^ (i >> 9)) as u8).collect();
    // Short ones often enough that the clock does not matter.
    let repeats = ((4 << 20) / bytes).max(1);
    let expected: [u8; 32] = Sha256::digest(&data).into();
    let mut speeds = [const { Vec::new() }; 3];
    for _ in 0..TURNS {
        for ((name, hash), speeds) in contestants.iter().zip(&mut speeds) {
            let started = Instant::now();
            for _ in 0..repeats {
                assert_eq!(hash(black_box(&data)), expected, "{name}");
            }
            speeds.push(megabytes(bytes * repeats, started.elapsed()));
        }
    }
    let medians = speeds.map(|mut speeds| {
        speeds.sort_by(f64::total_cmp);
        [speeds[TURNS / 2], speeds[0], speeds[TURNS - 1]]
    });
    let stock = medians[2][0];
    for ((name, _), [median, worst, best]) in contestants.iter().zip(medians) {
        println!(
            "  {name:<34} {median:>7.0} ({worst:.0} - {best:.0}), {:.2} times the stock purgatory's",
            median / stock
        );
    }
}

fn megabytes(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64()
}

/// A file that `make` has made.
fn file(name: &str) -> Vec<u8> {
    let path = format!("{}/../{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
