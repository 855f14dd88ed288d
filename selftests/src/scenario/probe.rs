//! The probe (`purgatory/probe/`) as the next kernel. What it will find is compared with what is
//! written down here before, by the runner: the machine's memory, and with the module the map that
//! it says it has built.

use std::fs::{self, File};
use std::os::fd::AsFd;

use rkexec_protocol::scenario::Probed;
use rkexec_protocol::Fact;

use super::prelude::*;
use crate::memory::Map;
use crate::{acpi, files};

/// The probe's file, which is as long as the memory that it takes.
pub const PROBE: &str = "/boot/probe";

pub fn run(stage: &mut Stage<'_>, probed: Probed) -> Result<Next> {
    let with_module = stage.told.module;
    if with_module {
        stage.load_module();
    }
    tell_memory(stage.report, &xen::machine_map()?)?;
    match probed.call {
        Call::Load => stage.test("kexec_load loads the probe", |_| load()),
        Call::File => stage.test("kexec_file_load loads the probe", |_| load_file()),
    };
    if with_module {
        let name = "the module tells what it has mapped";
        stage.test(name, |report| {
            let map = fs::read_to_string(module::MAP).context(module::MAP)?;
            tell_map(report, &map.lines().map(str::to_owned).collect::<Vec<_>>());
            Ok(())
        });
    }
    Ok(Next::Exec)
}

/// Notes what is to be mapped: what the map of the machine has, and the tables of its firmware, which it
/// may call reserved.
pub fn tell_memory(report: &mut Report, machine: &Map) -> Result<()> {
    let mut tell = |memory: &str| -> Result<()> {
        report.fact(&Fact::Memory(memory.parse()?));
        Ok(())
    };
    for entry in machine.entries() {
        tell(&entry.to_string())?;
    }
    for line in efi_tables()? {
        tell(&format!("{line} EFI tables"))?;
    }
    for (signature, at, bytes) in acpi::tables()? {
        let last = at.saturating_add(bytes).saturating_sub(1);
        let pages = format!("{:#x}-{:#x}", at & !0xfff, last | 0xfff);
        tell(&format!("{pages} table {signature}"))?;
    }
    Ok(())
}

/// Notes what the module says that it has mapped.
pub fn tell_map(report: &mut Report, lines: &[String]) {
    for line in lines {
        report.fact(&Fact::Map(line.clone()));
    }
}

/// The pages of the EFI system table and of the array of configuration tables, on a machine that
/// was booted by EFI. Neither reaches into a second page on the machines of the tests.
fn efi_tables() -> Result<Vec<String>> {
    let Ok(config) = fs::read_to_string("/sys/firmware/efi/config_table") else {
        return Ok(Vec::new());
    };
    let config = files::hex(config.trim()).context("config_table")?;
    let efi = files::boot_params()?.efi_info;
    let system = (u64::from(efi.efi_systab_hi) << 32) | u64::from(efi.efi_systab);
    let page = |at: u64| format!("{:#x}-{:#x}", at & !0xfff, at | 0xfff);
    Ok(vec![page(system), page(config)])
}

/// Loads it by `kexec_load`.
pub fn load() -> Result<()> {
    let probe = fs::read(PROBE).context(PROBE)?;
    let bytes = u64::try_from(probe.len())?;
    let segment = Segment::new(&probe, PLACE, bytes);
    kexec::load(PLACE, &[segment], kexec::ARCH_X86_64).context("kexec_load")?;
    kexec::expect_loaded(true)
}

/// Loads it by `kexec_file_load`, which wants a kernel for the boot protocol of Linux.
fn load_file() -> Result<()> {
    const FILE: &str = "/probe.bzimage";
    let probe = fs::read(PROBE).context(PROBE)?;
    fs::write(FILE, bz_image(&probe)).context(FILE)?;
    let file = File::open(FILE).context(FILE)?;
    kexec::file_load(file.as_fd(), None, c"", 0).context("kexec_file_load")?;
    kexec::expect_loaded(true)
}

/// A kernel that does nothing but to jump to this program, which begins at a multiple of 2 MiB (boot.rst, "The Real-Mode
/// Kernel Header").
pub(super) fn bz_image(program: &[u8]) -> Vec<u8> {
    /// The boot sector, and one sector more.
    const SETUP: usize = 2 * 512;
    /// Where the 64-bit entry point is behind that, and the program.
    const ENTRY: usize = 0x200;
    const PROGRAM: usize = 2 << 20;
    let mut image = vec![0; SETUP + PROGRAM];
    image.extend(program);
    let init_size = (PROGRAM + program.len()) as u32;
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0x1f1, &[1]); // setup_sects
    put(0x1fe, &[0x55, 0xaa]);
    put(0x200, &[0xeb, 0x6a]); // a jump, which says how long the header is
    put(0x202, b"HdrS");
    put(0x206, &0x020f_u16.to_le_bytes()); // version
    put(0x211, &[1]); // loadflags: LOADED_HIGH
    put(0x230, &(2_u32 << 20).to_le_bytes()); // kernel_alignment
    put(0x234, &[1]); // relocatable_kernel
                      // xloadflags: a 64-bit entry point, anywhere, also with five levels of page tables
    put(0x236, &0b110_0011_u16.to_le_bytes());
    put(0x238, &2047_u32.to_le_bytes()); // cmdline_size
    put(0x258, &(16_u64 << 20).to_le_bytes()); // pref_address
    put(0x260, &init_size.to_le_bytes());
    put(SETUP + ENTRY, &[0xe9]); // jmp, relative to the next instruction
    let distance = (PROGRAM - ENTRY - 5) as u32;
    put(SETUP + ENTRY + 1, &distance.to_le_bytes());
    image
}
