//! The end of a hand-over that failed: it never goes on.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use rkexec::abi::handover::{Epitaph, EPITAPH_MAGIC};
use rkexec_bare::cpu;
use rkexec_bare::serial::{Serial, COM1};
use rkexec_handover::fault::Fault;
use rkexec_handover::report;

use super::console::{Console, Screen};
use super::layout;

/// Where to report. Until the parameters are verified nothing of theirs may be used, and silence
/// helps nobody: COM1, where nearly every machine with a serial console has it.
static PORT: AtomicU32 = AtomicU32::new(COM1 as u32);
/// Halt instead of resetting. Likewise not before the parameters are verified: a machine that
/// resets comes back.
static HALT: AtomicBool = AtomicBool::new(false);
/// Whether the text screen may be written to: only the tables of the module map it for sure.
static SCREEN: AtomicBool = AtomicBool::new(false);
/// Whether a failure is being reported.
static STOPPING: AtomicBool = AtomicBool::new(false);

/// Takes over what verified parameters say.
pub fn configure(port: Option<u16>, halt: bool) {
    PORT.store(u32::from(port.unwrap_or(0)), Relaxed);
    HALT.store(halt, Relaxed);
}

/// The all-memory map is loaded.
pub fn screen_is_mapped() {
    SCREEN.store(true, Relaxed);
}

/// Reports `fault`, in memory first, and gives up.
pub fn stop(fault: &Fault) -> ! {
    let halt = HALT.load(Relaxed);
    // An exception while reporting one must not report again.
    if !STOPPING.swap(true, Relaxed) {
        write_epitaph(fault);
        let port = u16::try_from(PORT.load(Relaxed))
            .ok()
            .filter(|&port| port != 0);
        say(Console::Serial(Serial::new(port)), fault, halt);
        if SCREEN.load(Relaxed) {
            // SAFETY: Mapped, as `screen_is_mapped` was told; if not, the page fault ends up here.
            say(Console::Screen(unsafe { Screen::new() }), fault, halt);
        }
    }
    if halt {
        cpu::halt()
    } else {
        cpu::reset()
    }
}

fn say(mut console: Console, fault: &Fault, halt: bool) {
    report::failed(&mut console, fault, layout::base());
    report::giving_up(&mut console, halt);
}

/// Leaves behind what happened.
fn write_epitaph(fault: &Fault) {
    let mut epitaph = Epitaph {
        magic: EPITAPH_MAGIC,
        failure: fault.failure() as u64,
        vector: 0,
        error_code: 0,
        rip: 0,
        cr2: 0,
    };
    if let Fault::Exception(exception) = fault {
        epitaph.vector = exception.vector;
        epitaph.error_code = exception.error_code;
        epitaph.rip = exception.rip;
        epitaph.cr2 = exception.cr2;
    }
    // SAFETY: Ours alone. Volatile, for its reader is no part of this program.
    unsafe { layout::epitaph().write_volatile(epitaph) };
}
