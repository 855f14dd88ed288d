//! Throughput of the hand-over's own SHA-256.
//!
//! The blob compiles the same source with the same optimisation (`sha2` at level 3). Which of its
//! two codes runs is up to the processor; the portable one is forced with
//! `RUSTFLAGS='--cfg sha2_256_backend="soft"' cargo bench -p rkexec-handover`.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use rkexec_handover::digest::Hasher;

fn code() -> &'static str {
    if cfg!(sha2_256_backend = "soft") {
        "portable (forced)"
    } else if is_x86_feature_detected!("sha")
        && is_x86_feature_detected!("ssse3")
        && is_x86_feature_detected!("sse4.1")
    {
        "SHA-NI"
    } else {
        "portable (no SHA-NI here)"
    }
}

fn sha256(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(format!("SHA-256, {}", code()));
    group.sample_size(10);
    for mib in [1, 100] {
        let data: Vec<u8> = (0..mib << 20).map(|i: u32| (i ^ (i >> 9)) as u8).collect();
        group.throughput(Throughput::BytesDecimal(data.len() as u64));
        group.bench_function(format!("{mib} MiB"), |bencher| {
            bencher.iter(|| {
                let mut hasher = Hasher::new();
                // In pages, as the copy list of a fragmented image names them.
                black_box(&data)
                    .chunks(4096)
                    .for_each(|page| hasher.update(page));
                hasher.finish()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, sha256);
criterion_main!(benches);
