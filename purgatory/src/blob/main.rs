//! The hand-over as a freestanding program: entered by Xen or by the last code of Linux, left into the next
//! kernel.
//!
//! Everything that needs assembly or `unsafe` is here, the logic is in the library. `entry.s` is
//! the way in and out, `layout.ld` the memory layout, [`identity`] memory, [`console`] the serial port
//! and the screen, [`stop`] the end of a hand-over that failed, [`interrupts`] what the processor
//! raises, [`leave`] the way into the next kernel. What other such programs need, too, is in
//! `rkexec-bare`.
//!
//! It is built for the ordinary Linux target, as there is no other in the build root. Two things
//! follow. The compiler uses SSE: the entry code enables it before it calls Rust. And it uses the
//! red zone, the 128 bytes below the stack pointer that an exception overwrites: no exception
//! handler here ever returns, so whoever owned these bytes does not miss them. What does return, that of an
//! NMI, has a stack of its own.
#![no_std]
#![no_main]

mod console;
mod hash;
mod identity;
mod interrupts;
mod layout;
mod leave;
mod stop;

use rkexec_bare::cpu;
use rkexec_bare::serial::Serial;
use rkexec_handover::fault::Fault;
use rkexec_handover::list::List;
use rkexec_handover::times::Stamps;
use rkexec_handover::{image, params, report};

use console::Console;
use identity::Identity;

core::arch::global_asm!(
    include_str!("entry.s"),
    magic = const rkexec::abi::handover::MAGIC,
    version = const rkexec::abi::handover::VERSION,
    boot_cs = const leave::BOOT_CS,
    boot_ds = const leave::BOOT_DS,
    tss = const leave::TSS,
    nr_vectors = const rkexec_handover::exception::NR_VECTORS,
    stub_bytes = const rkexec_handover::exception::STUB_BYTES,
    params = sym layout::PARAMS,
    epitaph = sym layout::EPITAPH,
    start = sym start,
    raised = sym interrupts::raised,
);

/// Called by the entry code with its own stack, GDT, TSS and segments, SSE enabled, the value that CR4 had
/// before that, and the time.
extern "C" fn start(entry_cr4: u64, entered: u64) -> ! {
    interrupts::install();
    match hand_over(entry_cr4, entered) {
        Ok(never) => match never {},
        Err(fault) => stop::stop(&fault),
    }
}

/// All of it, in the order that `rkexec::abi::handover` promises.
fn hand_over(entry_cr4: u64, entered: u64) -> Result<core::convert::Infallible, Fault> {
    params::check_header(
        layout::header(),
        layout::chunk().len_bytes(),
        layout::params_offset(),
    )?;
    #[cfg(feature = "unproven-index")]
    core::hint::black_box(core::hint::black_box([0; 4])[entry_cr4 as usize]);

    let given = layout::params();
    let checked = params::check(given, layout::digested_params(), layout::chunk())?;
    stop::configure(checked.port, checked.halt);
    let mut serial = Console::Serial(Serial::new(checked.port));

    let mut stamps = Stamps {
        entered,
        ..Stamps::default()
    };

    // SAFETY: Who enters the hand-over maps the page tables one to one, and nothing writes to them.
    let tables = unsafe { identity::bytes(checked.tables) };
    if !hash::matches(tables, &given.tables_digest) {
        return Err(Fault::Tables);
    }
    report::tables_verified(&mut serial);
    // SAFETY: The tables are the module's own: they map all memory one to one, hand-over and all.
    let mut memory = unsafe { Identity::load(checked.root) };
    stop::screen_is_mapped();
    stamps.tables = cpu::time_stamp();

    let list = List::new(given, [layout::chunk(), checked.tables], checked.backup)?;
    list.verify(&memory, &given.list_digest)?;
    if let Some(backup) = checked.backup {
        backup.save(&mut memory);
        report::low_memory_saved(&mut serial);
    }
    if image::place(&list, &mut memory)? > 0 {
        report::image_copied(&mut serial);
    }
    stamps.copied = cpu::time_stamp();
    let bytes = image::verify(&list, &memory, &given.image_digest)?;
    stamps.verified = cpu::time_stamp();
    report::image_verified(&mut serial, bytes);

    let nmis = interrupts::nmis();
    if nmis > 0 {
        report::nmis(&mut serial, nmis);
    }
    if checked.times {
        stamps.leaving = cpu::time_stamp();
        stamps.tell(&mut serial, given.tsc_khz);
    }
    report::entering(&mut serial, checked.entry);
    // SAFETY: The image is in place, verified there, and its entry point is what the caller of kexec asked for.
    unsafe { leave::leave(entry_cr4, checked) }
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    extern "C" {
        /// Defined nowhere: the link succeeds only if nothing can come here.
        fn a_panic_path_is_left_in_the_hand_over() -> !;
    }
    // SAFETY: Never called, see above.
    unsafe { a_panic_path_is_left_in_the_hand_over() }
}
