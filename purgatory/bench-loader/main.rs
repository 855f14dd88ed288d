//! The bench: a small kernel that plays module, Xen and next kernel around the hand-over, in QEMU.
//!
//! QEMU's multiboot loader starts it with the hand-over as its module and the name of a
//! [`scenario`] as its command line. It lays out an image ([`stage`]), fills in the parameters,
//! spoils what the scenario says, and enters the hand-over in the state in which Xen does
//! (`boot.s`). If all goes well the hand-over enters [`next_kernel`], which says everything that a
//! next kernel may rely on, checks what the image has become, and leaves QEMU with an exit code.
//!
//! Unlike the hand-over this may panic: that is a failed test. It is linked for a fixed address.
#![no_std]
#![no_main]

mod next_kernel;
mod qemu;
mod scenario;
mod stage;
mod tables;

use core::ffi::CStr;
use core::panic::PanicInfo;
use core::{ptr, slice};

use rkexec_probe::translate::Root;

use next_kernel::Mapped;
use scenario::Scenario;

core::arch::global_asm!(
    include_str!("boot.s"),
    main = sym main,
);

/// The parts of multiboot's information that matter here (Multiboot 0.6.96, 3.3).
#[repr(C)]
struct Info {
    flags: u32,
    mem: [u32; 2],
    boot_device: u32,
    cmdline: u32,
    mods_count: u32,
    mods_addr: u32,
}

/// One entry of multiboot's table of modules.
#[repr(C)]
struct Module {
    start: u32,
    end: u32,
    string: u32,
    reserved: u32,
}

/// Called by `boot.s` with the first GiB mapped one to one.
extern "C" fn main(info: &Info) -> ! {
    assert!(
        info.flags & 0x0c == 0x0c && info.mods_count == 1,
        "give the hand-over with -initrd"
    );
    // SAFETY: Multiboot's promise, and nothing has overwritten it yet.
    let module = unsafe { &*(info.mods_addr as *const Module) };
    let bytes = module.end.wrapping_sub(module.start) as usize;
    // SAFETY: As above.
    let blob = unsafe { slice::from_raw_parts(module.start as *const u8, bytes) };
    // QEMU puts the name of the kernel in front of the command line.
    let cmdline = c_string(info.cmdline);
    let name = cmdline.rsplit(' ').next().unwrap_or("");
    let scenario = Scenario::try_from(name).unwrap_or_else(|_| panic!("no scenario {name:?}"));

    println!("bench: {name}");
    let stage = stage::build(blob, scenario);
    let root = tables::of_xen(&stage);
    let first_mib = (0..256).map(|page| Root::new(root, 0).translate(&mut Mapped, page << 12));
    assert!(first_mib.flatten().next().is_none(), "0-1 MiB is mapped");
    println!("bench: 0-1 MiB is not mapped");
    extern "C" {
        fn bench_enter(root: u64, entry: u64, watch: u64) -> !;
    }
    println!(
        "bench: entering the hand-over at {:#x}, {} bytes",
        stage.entry,
        blob.len()
    );
    // SAFETY: The tables map this program and the hand-over.
    unsafe { bench_enter(root, stage.entry, stage::WATCHED) }
}

fn c_string(at: u32) -> &'static str {
    // SAFETY: Mapped, and long enough for any string that QEMU is given here.
    let bytes = unsafe { memory(at.into(), 1024) };
    CStr::from_bytes_until_nul(bytes)
        .ok()
        .and_then(|text| text.to_str().ok())
        .unwrap_or("")
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
