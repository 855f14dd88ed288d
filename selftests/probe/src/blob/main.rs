//! The probe as a freestanding program: entered by a kexec, ended by a reset.
//!
//! Everything that needs assembly or `unsafe` is here, the logic is in the library. `entry.s` writes
//! down the state, [`window`] reads physical memory, [`serial`] writes to the console, [`reset`]
//! ends it, [`cpu`] is the ports, [`runtime`] what the compiler expects of a C library. `layout.ld`
//! is the memory layout.
//!
//! It is built for the ordinary Linux target, as there is no other in the build root. So the
//! compiler uses SSE, which the entry code enables, and the red zone, which nobody overwrites: an
//! exception resets the machine.
#![no_std]
#![no_main]

mod cpu;
mod reset;
#[path = "../../../../purgatory/src/blob/runtime.rs"]
mod runtime;
mod serial;
mod window;

use core::cell::UnsafeCell;

use rkexec_probe::memory::Phys;
use rkexec_probe::report::report;
use rkexec_probe::state::State;
use rkexec_probe::walk::Tables;

use serial::Serial;
use window::Window;

core::arch::global_asm!(
    include_str!("entry.s"),
    state = sym STATE,
    start = sym start,
);

/// Where `entry.s` writes the state.
#[repr(transparent)]
struct Shared(UnsafeCell<[u64; size_of::<State>() / 8]>);

// SAFETY: One processor runs the probe, and the entry code writes before any Rust code reads.
unsafe impl Sync for Shared {}

static STATE: Shared = Shared(UnsafeCell::new([0; size_of::<State>() / 8]));

/// The tables of a map of 1 TiB without pages of 1 GiB, and some.
const TABLES_MAX: usize = 2048;

/// Called by the entry code with its own stack, and SSE enabled.
extern "C" fn start() -> ! {
    // SAFETY: Words, as many as a `State` has, and written for the last time.
    let state = unsafe { &*STATE.0.get().cast::<State>() };
    let mut room = [Phys(0); TABLES_MAX];
    let mut serial = Serial::new();
    let mut memory = Window::open(state.cr4);
    report(state, &mut memory, Tables::new(&mut room), &mut serial);
    serial.flush();
    reset::reset()
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    extern "C" {
        /// Defined nowhere: the link succeeds only if nothing can come here.
        fn a_panic_path_is_left_in_the_probe() -> !;
    }
    // SAFETY: Never called, see above.
    unsafe { a_panic_path_is_left_in_the_probe() }
}
