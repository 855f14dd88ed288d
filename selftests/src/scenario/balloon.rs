//! A dom0 whose memory is in pieces: it has given pages back to Xen, from wherever they were free,
//! and got others for them, again and again. What dom0 takes for neighbours then is not.

use std::os::fd::OwnedFd;

use nix::fcntl::posix_fallocate;
use nix::sys::memfd::{memfd_create, MFdFlags};

use super::prelude::*;
use crate::balloon;
use crate::ownership::Ownership;

/// How often memory goes and comes back.
const ROUNDS: usize = 3;
/// How much dom0 has with the balloon filled, and with it empty.
const SMALL_KIB: u64 = 560 << 10;
const LARGE_KIB: u64 = 1024 << 10;
/// How much is in use from then on at each step: five times that, beside kernel and initramfs, must
/// fit in the smaller one.
const HELD_MIB: i64 = 24;
/// So many pieces at least: some hundreds are what dom0 is given, by a Xen that is not meant to find
/// faults.
const MANY: usize = 5000;

pub fn run(stage: &mut Stage<'_>) -> Result<Next> {
    stage.load_module();
    let loader = Loader::after(stage.told)?;
    let xen = Xen::open()?;
    let pieces = || -> Result<usize> { Ok(Ownership::read(&xen)?.pieces()) };
    stage.test("dom0's memory goes to pieces", |report| {
        let before = pieces()?;
        let mut held = Vec::new();
        for _ in 0..ROUNDS {
            balloon::resize(SMALL_KIB)?;
            // What is free now is in use the next time, so other pages go then.
            held.push(hold(HELD_MIB)?);
            balloon::resize(LARGE_KIB)?;
            held.push(hold(HELD_MIB)?);
        }
        drop(held);
        let after = pieces()?;
        report.note(&format!("{before} pieces before, {after} now"));
        ensure!(after >= MANY, "{before} pieces, and then {after}");
        Ok(())
    });
    for call in [Call::Load, Call::File] {
        loader.test(stage.report, call.name(), call);
    }
    Ok(Next::Exec)
}

fn hold(mib: i64) -> Result<OwnedFd> {
    let file = memfd_create(c"held", MFdFlags::empty()).context("memfd_create")?;
    posix_fallocate(&file, 0, mib << 20).context("taking memory")?;
    Ok(file)
}
