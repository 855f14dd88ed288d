//! The probe (`selftests/probe/`) as the next kernel. What it will find is compared with what is
//! written down here before, by the runner: the machine's memory, and with the module the map that
//! it says it has built.

use std::fs;

use anyhow::{ensure, Context, Result};

use super::{Next, Stage1};
use crate::memory::Map;
use crate::module;
use crate::sys::kexec::{self, Segment};
use crate::xen::{self, Xen};

/// The probe's file, which is as long as the memory that it takes.
const PROBE: &str = "/boot/probe";
/// A place for it: a multiple of 2 MiB that is usable memory on every machine of the tests.
const PLACE: u64 = 32 << 20;
/// What the module says about the page tables of the loaded image.
const MODULES_MAP: &str = "/sys/kernel/debug/rkexec/identity_map";

/// Runs it.
pub fn run(stage: &mut Stage1<'_>) -> Result<Next> {
    let with_module = stage.params.get::<String>("module")?.is_some();
    if with_module {
        stage.report.test("modprobe rkexec", |_| module::load());
    }
    let machine = if xen::is_dom0() {
        Xen::open()?.machine_map()?
    } else {
        Map::of_firmware()?
    };
    for entry in machine.entries() {
        stage.report.note(&format!("memory: {entry}"));
    }
    stage.report.test("kexec_load loads the probe", |_| load());
    if with_module {
        let name = "the module tells what it has mapped";
        stage.report.test(name, |report| {
            let map = fs::read_to_string(MODULES_MAP).context(MODULES_MAP)?;
            for line in map.lines() {
                report.note(&format!("map: {line}"));
            }
            Ok(())
        });
    }
    Ok(Next::Exec)
}

fn load() -> Result<()> {
    let probe = fs::read(PROBE).context(PROBE)?;
    let bytes = u64::try_from(probe.len())?;
    let segment = Segment::new(&probe, PLACE, bytes);
    kexec::load(PLACE, &[segment], kexec::ARCH_X86_64).context("kexec_load")?;
    ensure!(kexec::loaded()?, "/sys/kernel/kexec_loaded says 0");
    Ok(())
}
