//! The probe as a freestanding program: entered by a kexec, ended by a reset.
//!
//! Everything that needs assembly or `unsafe` is here, the logic is in the library. [`entry`] writes
//! down the state, [`window`] reads physical memory. `layout.ld` is the memory layout.
//!
//! It is built for the ordinary Linux target, as there is no other in the build root. So the
//! compiler uses SSE, which the entry code enables, and the red zone, which nobody overwrites: an
//! exception resets the machine.
#![no_std]
#![no_main]

mod entry;
mod window;

use rkexec_bare::cpu;
use rkexec_bare::serial::{Serial, COM1};
use rkexec_probe::memory::Phys;
use rkexec_probe::report::report;
use rkexec_probe::walk::Tables;

use window::Window;

/// The tables of a map of 1 TiB without pages of 1 GiB, and some.
const TABLES_MAX: usize = 2048;

/// Called by the entry code with its own stack, and SSE enabled.
extern "C" fn start() -> ! {
    let state = entry::state();
    let mut room = [Phys(0); TABLES_MAX];
    let mut serial = Serial::set_up(COM1);
    let mut memory = Window::open(state.cr4);
    report(state, &mut memory, Tables::new(&mut room), &mut serial);
    cpu::reset()
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
