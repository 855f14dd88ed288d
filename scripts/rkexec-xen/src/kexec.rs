//! The kernel's side: `kexec_load(2)`, what it says of images, and how one is started.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use anyhow::{bail, ensure, Context, Result};
use rkexec::addr::Maddr;

use crate::image::Image;

/// `KEXEC_SEGMENT_MAX` (`linux/kexec.h`).
pub const MOST_SEGMENTS: usize = 16;
/// `KEXEC_ARCH_X86_64`.
const ARCH_X86_64: libc::c_ulong = 62 << 16;

/// A part of an image: bytes, and zeros behind them.
pub struct Segment {
    /// The machine's address, the beginning of a page.
    pub at: Maddr,
    pub bytes: Vec<u8>,
    /// Whole pages.
    pub memory_bytes: u64,
}

/// `struct kexec_segment` (`linux/kexec.h`).
#[repr(C)]
struct Raw {
    buf: *const u8,
    bufsz: usize,
    mem: u64,
    memsz: usize,
}

/// Whether a dom0 has rkexec: without it an image can be loaded, but never started.
pub fn check() -> Result<()> {
    let enabled = fs::read_to_string("/sys/kernel/livepatch/rkexec/enabled").unwrap_or_default();
    ensure!(
        enabled.trim() == "1",
        "rkexec is not there, and without it no image can be started from a dom0: modprobe rkexec"
    );
    Ok(())
}

/// Loads the image in the place of any that is loaded. If that fails, the other stays.
///
/// # Errors
///
/// The kernel refuses it.
pub fn load(image: &Image) -> Result<()> {
    let raw = |segment: &Segment| Raw {
        buf: segment.bytes.as_ptr(),
        bufsz: segment.bytes.len(),
        mem: segment.at.raw(),
        memsz: segment.memory_bytes as usize,
    };
    let segments: Vec<Raw> = image.segments.iter().map(raw).collect();
    // SAFETY: The kernel only reads: the array, which is so long, and the bytes that it points to, which live as long as
    // `image`.
    let result = unsafe {
        libc::syscall(
            libc::SYS_kexec_load,
            image.entry as libc::c_ulong,
            segments.len(),
            segments.as_ptr(),
            ARCH_X86_64,
        )
    };
    if result == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    let why = match error.raw_os_error() {
        Some(libc::EPERM) if locked_down() => {
            "the kernel is locked down, and lets nobody load what it cannot verify: only signed Linux kernels, by kexec_file_load(2)"
        }
        Some(libc::EPERM) => "not allowed (are you root? kernel.kexec_load_disabled, kernel.kexec_load_limit_reboot)",
        Some(libc::EBUSY) => "somebody else is loading an image just now, or rkexec is still being put in",
        Some(libc::ENOMEM) => "there is not enough memory to hold the image (in a dom0: dom0_mem=)",
        Some(libc::ENOSYS) => "this kernel was built without kexec_load(2)",
        _ => "dmesg may say more",
    };
    Err(error).context(format!("the kernel does not load the image: {why}"))
}

fn locked_down() -> bool {
    let modes = fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
    !modes.is_empty() && !modes.contains("[none]")
}

/// Shuts the system down, and starts the image.
///
/// # Errors
///
/// systemd does not run, or refuses.
pub fn start() -> Result<()> {
    ensure!(
        Path::new("/run/systemd/system").exists(),
        "loaded, but not started: systemd does not run here. Shut down what runs, and then: kexec -e"
    );
    let status = Command::new("systemctl").arg("kexec").status();
    let status = status.context("loaded, but not started: systemctl")?;
    if !status.success() {
        bail!("loaded, but not started: systemctl kexec has failed");
    }
    Ok(())
}
