//! The next kernel: the probe, which says what it was entered with. Behind that, what has become of
//! memory, in digests: the tests know what they should be.

use rkexec::abi::handover::LOW_BYTES;
use rkexec_bare::serial::{Serial, COM1};
use rkexec_handover::digest::Hasher;
use rkexec_probe::memory::{Memory, Phys};
use rkexec_probe::report::report;
use rkexec_probe::walk::Tables;

use super::places::{BASE, CHUNK, END, LOW_COPY};
use super::{copy, memory, qemu};
use crate::println;

#[path = "../probe/src/blob/entry.rs"]
mod entry;

/// Physical memory through the tables in use: those that the probe judges, or the bench's own.
pub struct Mapped;

impl Memory for Mapped {
    fn word(&mut self, at: Phys) -> u64 {
        // SAFETY: Either it is mapped one to one, or this test has failed; any bytes are a word.
        unsafe { (at.0 as *const u64).read_volatile() }
    }
}

/// So many bytes have one digest.
const PIECE: usize = 1 << 20;

/// Says everything, and ends QEMU.
extern "C" fn start() -> ! {
    let state = entry::state();
    let mut room = [Phys(0); 16];
    let mut serial = Serial::new(Some(COM1));
    report(state, &mut Mapped, Tables::new(&mut room), &mut serial);
    // A next kernel may push something before it has a stack of its own.
    // SAFETY: Where the next word would go, and nobody comes back to the hand-over.
    unsafe { memory(state.rsp - 8, 8) }.fill(0x5a);

    read_first_mib();
    println!("bench: 0-1 MiB can be read");
    println!(
        "bench: {} bytes of the stack were never used",
        unused_stack()
    );
    copy(LOW_COPY, 0, LOW_BYTES);
    for at in (BASE..END).step_by(PIECE) {
        let mut hasher = Hasher::new();
        // SAFETY: Prepared memory, and nobody writes to it any more.
        hasher.update(unsafe { memory(at, PIECE as u64) });
        let [a, b, c, d, ..] = hasher.finish();
        println!(
            "bench: memory {at:#x} {:08x}",
            u32::from_be_bytes([a, b, c, d])
        );
    }
    println!("bench: done");
    qemu::exit(qemu::DONE)
}

/// Reads from each page of 0-1 MiB. Where one is missing, the machine resets.
fn read_first_mib() {
    for page in 0..256u64 {
        // Assembly, for to the language there is nothing at address 0.
        // SAFETY: It is mapped, or this test has failed; to read from these devices does nothing.
        unsafe {
            core::arch::asm!(
                "mov {value}, [{at}]",
                at = in(reg) page * 4096,
                value = out(reg) _,
                options(nostack, readonly, preserves_flags),
            );
        }
    }
}

/// The bytes of the stack that were never used: the most zeros in a row in the last page, which is
/// stack but for a few bytes of data at its beginning.
fn unused_stack() -> u64 {
    // SAFETY: The header is where the hand-over is.
    let size = u64::from(unsafe { *((CHUNK + 12) as *const u32) });
    // SAFETY: The last page of the hand-over.
    let bytes = unsafe { memory(CHUNK + size - 4096, 4096) };
    let runs = bytes.split(|&byte| byte != 0);
    runs.map(|zeros| zeros.len() as u64).max().unwrap_or(0)
}
