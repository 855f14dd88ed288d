//! The bench: a small kernel that plays Xen and the next kernel around the hand-over, in QEMU.
//!
//! QEMU's multiboot loader starts it with a module: the memory of a machine in which rkexec has
//! loaded an image, made by `tests/blob/stage.rs`. It takes that to its place ([`places`]) and enters
//! the hand-over in the state in which Xen does (`boot.s`). If all goes well the hand-over enters
//! [`next_kernel`], which says everything that a next kernel may rely on, and leaves QEMU with an
//! exit code.
//!
//! Unlike the hand-over this may panic: that is a failed test. It is linked for a fixed address.
#![no_std]
#![no_main]

mod next_kernel;
mod places;
mod qemu;

use core::arch::asm;
use core::panic::PanicInfo;
use core::ptr;

use rkexec::abi::handover::{Header, LOW_BYTES};
use rkexec_probe::translate::Root;

use next_kernel::Mapped;
use places::{BASE, CHUNK, LOW_COPY, WATCHED, XEN_TABLES};

core::arch::global_asm!(include_str!("boot.s"), main = sym main);

/// The parts of multiboot's information that matter here (Multiboot 0.6.96, 3.3).
#[repr(C)]
struct Info {
    flags: u32,
    unused: [u32; 4],
    mods_count: u32,
    mods_addr: u32,
}

/// Called by `boot.s` with the first GiB mapped one to one.
extern "C" fn main(info: &Info) -> ! {
    let has_module = info.flags & 0x08 != 0 && info.mods_count == 1;
    assert!(has_module, "give the memory with -initrd");
    // SAFETY: Multiboot's promise: the table of modules begins with the first one's start and end.
    let [start, end] = unsafe { *(info.mods_addr as *const [u32; 2]) }.map(u64::from);
    assert!(end <= BASE, "the module is in its own way");
    copy(BASE, start, end - start);
    copy(0, LOW_COPY, LOW_BYTES);

    let first_mib =
        (0..256).map(|page| Root::new(XEN_TABLES, 0).translate(&mut Mapped, page << 12));
    assert!(first_mib.flatten().next().is_none(), "0-1 MiB is mapped");
    println!("bench: 0-1 MiB is not mapped");
    extern "C" {
        fn bench_enter(root: u64, entry: u64, watch: u64) -> !;
    }
    // SAFETY: The header is at the beginning, any bytes are one.
    let header = unsafe { &*(CHUNK as *const Header) };
    let entry = CHUNK + u64::from(header.entry_offset);
    println!("bench: entering the hand-over at {entry:#x}");
    // SAFETY: The tables map this program and the hand-over.
    unsafe { bench_enter(XEN_TABLES, entry, WATCHED) }
}

/// Copies, also from and to address 0.
fn copy(dst: u64, src: u64, len: u64) {
    // SAFETY: The places are free memory, the module is mapped.
    unsafe {
        asm!(
            "rep movsb",
            inout("rcx") len => _,
            inout("rsi") src => _,
            inout("rdi") dst => _,
            options(nostack, preserves_flags),
        );
    }
}

/// Machine memory as bytes: this program knows nothing but physical addresses.
///
/// # Safety
///
/// The bytes are mapped and no object of the program.
unsafe fn memory(at: u64, len: u64) -> &'static mut [u8] {
    // SAFETY: As the caller promises.
    unsafe { &mut *ptr::slice_from_raw_parts_mut(at as *mut u8, len as usize) }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    println!("bench: {info}");
    qemu::exit(qemu::FAILED)
}
