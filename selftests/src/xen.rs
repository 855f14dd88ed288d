//! What a dom0 asks Xen: the machine's memory, its free pages, and the state of kexec. What has to
//! do with crashes is in [`crash`], and which versions of its interfaces Xen has in [`interfaces`].

mod crash;
mod interfaces;

use std::io;
use std::path::Path;

use anyhow::{bail, Context, Result};

use crate::files;
use crate::memory::{Entry, Map};
use crate::sys::bindings::{linux, xen};
use crate::sys::locked::{Locked, Plain};
use crate::sys::privcmd::Privcmd;

/// Whether this kernel runs on Xen, as any kind of domain.
pub fn present() -> bool {
    let kind = std::fs::read_to_string("/sys/hypervisor/type");
    kind.is_ok_and(|kind| kind.trim() == "xen")
}

/// Whether this kernel is a dom0.
pub fn is_dom0() -> bool {
    let caps = Path::new("/proc/xen/capabilities");
    present() && std::fs::read_to_string(caps).is_ok_and(|caps| caps.contains("control_d"))
}

/// The machine's memory map, from whoever has it.
pub fn machine_map() -> Result<Map> {
    match is_dom0() {
        true => Xen::open()?.machine_map(),
        false => Map::of_firmware(),
    }
}

/// Xen's version, as it writes it in its banner.
pub fn version() -> Result<String> {
    let part = |name| files::read(&format!("/sys/hypervisor/version/{name}"));
    let (major, minor, extra) = (part("major")?, part("minor")?, part("extra")?);
    Ok(format!("{major}.{minor}{extra}"))
}

/// Whether `version` is one of the release `release`: 4.20, 4.20.4-pre and 4.20-unstable are of 4.20.
pub fn is_of_release(version: &str, release: &str) -> bool {
    let rest = version.strip_prefix(release);
    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// A dom0's way to Xen.
pub struct Xen(Privcmd);

/// Machine addresses, up to the first byte behind them.
pub type Range = std::ops::Range<u64>;

/// Xen's E820MAX.
const MAP_ENTRIES: usize = 1024;

impl Xen {
    pub fn open() -> Result<Self> {
        Ok(Self(Privcmd::open()?))
    }

    /// The machine's memory map (`XENMEM_machine_memory_map`).
    pub fn machine_map(&self) -> Result<Map> {
        let lines = Locked::<linux::boot_e820_entry>::zeroed(MAP_ENTRIES)?;
        let request = xen::xen_memory_map {
            nr_entries: MAP_ENTRIES as u32,
            buffer: xen::__guest_handle_void {
                p: lines.as_ptr().cast(),
            },
        };
        let op = xen::XENMEM_machine_memory_map;
        // SAFETY: The buffer is locked, and as long as the request says.
        let answer = unsafe { self.ask(xen::__HYPERVISOR_memory_op, op, request) };
        let (_, answer) = answer.context("XENMEM_machine_memory_map")?;
        let lines = lines.as_ref().get(..answer.nr_entries as usize);
        let lines = lines.context("more lines than asked for")?;
        let entry = |line: &linux::boot_e820_entry| Entry {
            start: line.addr,
            end: line.addr + line.size,
            kind: line.type_,
        };
        Ok(Map::new(lines.iter().map(entry).collect()))
    }

    /// Pages in Xen's heap that nobody has (`XEN_SYSCTL_physinfo`).
    pub fn free_pages(&self) -> Result<u64> {
        // From this version on, Xen 4.17's, there is one number more before those of pages.
        const LONGER: u32 = 0x15;
        let answer = self.physinfo()?;
        // SAFETY: The answer to this operation is in this field of the union; all of its fields are
        // integers.
        let info = unsafe { answer.u.physinfo };
        // What is the total now was the free pages in the shorter structure.
        Ok(match answer.interface_version {
            ..LONGER => info.total_pages,
            _ => info.free_pages,
        })
    }

    fn physinfo(&self) -> Result<xen::xen_sysctl> {
        let request = xen::xen_sysctl {
            cmd: xen::XEN_SYSCTL_physinfo,
            ..Default::default()
        };
        // SAFETY: The operation takes nothing but the request, and changes nothing else.
        unsafe { self.sysctl(request) }.context("XEN_SYSCTL_physinfo")
    }

    /// An operation for system control, in the version of this interface that Xen speaks.
    ///
    /// # Safety
    ///
    /// What it does must be all right for the machine, and what it takes for addresses must be such
    /// as [`Privcmd::call`] wants.
    unsafe fn sysctl(&self, request: xen::xen_sysctl) -> Result<xen::xen_sysctl> {
        const OLDEST: u32 = 0x13;
        let newest = xen::XEN_SYSCTL_INTERFACE_VERSION;
        for version in (OLDEST..=newest + 2).rev() {
            let request = Locked::holding(xen::xen_sysctl {
                interface_version: version,
                ..request
            })?;
            // SAFETY: The buffer is locked and is what all operations take; the rest is the
            // caller's word.
            let result = unsafe {
                self.0
                    .call(xen::__HYPERVISOR_sysctl, [request.address(), 0, 0, 0, 0])
            };
            match result {
                Ok(_) => return Ok(request.as_ref()[0]),
                Err(error) if error.raw_os_error() == Some(libc::EACCES) => {}
                Err(error) => return Err(error.into()),
            }
        }
        bail!("Xen knows none of the interface versions {OLDEST:#x} to {newest:#x}+2")
    }

    /// Writes a line on the serial port by Xen's own hand, past this kernel's log.
    pub fn say(&self, line: &str) -> Result<()> {
        let text = format!("{line}\n");
        let mut buffer = Locked::<u8>::zeroed(text.len())?;
        buffer.as_mut().copy_from_slice(text.as_bytes());
        let op = xen::CONSOLEIO_write;
        let arguments = [op.into(), text.len() as u64, buffer.address(), 0, 0];
        // SAFETY: The buffer is locked, and as long as the second argument says.
        unsafe { self.0.call(xen::__HYPERVISOR_console_io, arguments) }.context("console_io")?;
        Ok(())
    }

    /// What Xen says to `KEXEC_CMD_kexec_status` about a default image.
    pub fn kexec_status(&self) -> Result<bool> {
        self.status(xen::KEXEC_TYPE_DEFAULT)
    }

    fn status(&self, kind: u32) -> Result<bool> {
        let request = xen::xen_kexec_status { type_: kind as u8 };
        // SAFETY: The operation changes nothing.
        let answer = unsafe { self.kexec_op(xen::KEXEC_CMD_kexec_status, request) };
        Ok(answer.context("KEXEC_CMD_kexec_status")?.0 != 0)
    }

    /// Loads an image past the kernel (`KEXEC_CMD_kexec_load`): one page with `code`, which Xen
    /// copies and puts to the machine address `at`, where the image is entered.
    pub fn kexec_load_page(&self, at: u64, code: &[u8]) -> Result<()> {
        const PAGE: usize = 4096;
        let mut page = Locked::<u8>::zeroed(PAGE)?;
        let place = page.as_mut().get_mut(..code.len());
        place.context("too much code")?.copy_from_slice(code);
        let mut segment = xen::xen_kexec_segment {
            buf_size: PAGE as u64,
            dest_maddr: at,
            dest_size: PAGE as u64,
            ..Default::default()
        };
        segment.buf.h.p = page.as_ptr().cast();
        let segment = Locked::holding(segment)?;
        let mut request = xen::xen_kexec_load {
            type_: xen::KEXEC_TYPE_DEFAULT as u8,
            arch: object::elf::EM_X86_64,
            nr_segments: 1,
            entry_maddr: at,
            ..Default::default()
        };
        request.segments.h.p = segment.as_ptr();
        // SAFETY: All buffers are locked and as long as the request says. What is loaded is not
        // started by this.
        let answer = unsafe { self.kexec_op(xen::KEXEC_CMD_kexec_load, request) };
        answer.map(drop).context("KEXEC_CMD_kexec_load")
    }

    /// Makes Xen drop the default image that it has, past the kernel (`KEXEC_CMD_kexec_unload`).
    pub fn kexec_unload(&self) -> io::Result<()> {
        let request = xen::xen_kexec_unload {
            type_: xen::KEXEC_TYPE_DEFAULT as u8,
        };
        // SAFETY: Without an image nothing can happen that the kernel has not to reckon with anyway.
        unsafe { self.kexec_op(xen::KEXEC_CMD_kexec_unload, request) }.map(drop)
    }

    /// Where Xen itself is (`KEXEC_RANGE_MA_XEN`).
    pub fn own_range(&self) -> Result<Range> {
        let range = self.range(xen::KEXEC_RANGE_MA_XEN, 0);
        range.context("KEXEC_CMD_kexec_get_range")
    }

    /// The range of this kind with this number.
    fn range(&self, kind: u32, number: i32) -> io::Result<Range> {
        let request = xen::xen_kexec_range {
            range: kind as i32,
            nr: number,
            ..Default::default()
        };
        // SAFETY: The operation changes nothing.
        let (_, range) = unsafe { self.kexec_op(xen::KEXEC_CMD_kexec_get_range, request) }?;
        Ok(range.start..range.start + range.size)
    }

    /// The table of what each machine frame is called by the guest that has it.
    pub fn machine_to_physical(&self) -> Result<Vec<u64>> {
        // One extent describes 1 GiB of the machine: it is 2 MiB of the table.
        const EXTENT_FRAMES: usize = 512;
        const EXTENTS_MAX: usize = 1024;
        let extents = Locked::<u64>::zeroed(EXTENTS_MAX)?;
        let request = xen::xen_machphys_mfn_list {
            max_extents: EXTENTS_MAX as u32,
            extent_start: xen::__guest_handle_xen_pfn_t {
                p: extents.as_ptr(),
            },
            nr_extents: 0,
        };
        let op = xen::XENMEM_machphys_mfn_list;
        // SAFETY: The buffer is locked, and as long as the request says.
        let answer = unsafe { self.ask(xen::__HYPERVISOR_memory_op, op, request) };
        let (_, answer) = answer.context("XENMEM_machphys_mfn_list")?;
        let extents = extents.as_ref().get(..answer.nr_extents as usize);
        let extents = extents.context("more extents than asked for")?;
        let frames: Vec<u64> = extents
            .iter()
            .flat_map(|first| (0..EXTENT_FRAMES as u64).map(move |number| first + number))
            .collect();
        self.0.read_frames(xen::domid_xen, &frames)
    }

    /// The module does for programs what they ask Xen's kexec for. Here it is Xen that is asked.
    ///
    /// # Safety
    ///
    /// As for [`Self::ask`].
    unsafe fn kexec_op<T: Plain>(&self, op: u32, request: T) -> io::Result<(u64, T)> {
        let request = Locked::holding(request).map_err(io::Error::other)?;
        let arguments = [op.into(), request.address(), 0, 0, 0];
        let call = xen::__HYPERVISOR_kexec_op;
        // SAFETY: The request is in a locked buffer; the rest is the caller's word.
        let result = unsafe { self.0.call_in_list(call, arguments) }?;
        Ok((result, request.as_ref()[0]))
    }

    /// Makes a hypercall with an operation that takes this request; what Xen returns, and what has
    /// become of the request.
    ///
    /// # Safety
    ///
    /// As for [`Privcmd::call`]; and the request must be the one that the operation takes.
    unsafe fn ask<T: Plain>(&self, call: u32, op: u32, request: T) -> io::Result<(u64, T)> {
        let request = Locked::holding(request).map_err(io::Error::other)?;
        let arguments = [op.into(), request.address(), 0, 0, 0];
        // SAFETY: The request is in a locked buffer; the rest is the caller's word.
        let result = unsafe { self.0.call(call, arguments) }?;
        Ok((result, request.as_ref()[0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_of_the_release_that_it_begins_with() {
        for version in ["4.20", "4.20.4-pre", "4.20-unstable"] {
            assert!(is_of_release(version, "4.20"), "{version}");
            assert!(!is_of_release(version, "4.2"), "{version}");
            assert!(!is_of_release(version, "4.21"), "{version}");
        }
    }
}
