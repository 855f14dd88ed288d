//! What a next kernel may rely on, checked: registers, descriptor tables, memory.

use core::cell::UnsafeCell;

use super::stage::{self, CHUNK, RSI};
use super::{memory, qemu, tables};
use crate::println;

/// What `boot.s` writes down, in this order.
#[repr(C)]
pub struct State {
    /// RAX RBX RCX RDX RDI RBP R8 ... R15.
    general: [u64; 14],
    rsi: u64,
    rsp: u64,
    /// The word that RSP points to.
    top: u64,
    rflags: u64,
    cr0: u64,
    cr3: u64,
    cr4: u64,
    cr8: u64,
    dr7: u64,
    /// CS DS ES SS FS GS LDT.
    selectors: [u64; 7],
    gs_base: u64,
    gdtr: [u16; 8],
    idtr: [u16; 8],
}

/// Room for the state.
#[repr(transparent)]
pub struct Room(UnsafeCell<State>);

// SAFETY: There is one processor, and `boot.s` writes before `check` reads.
unsafe impl Sync for Room {}

/// The state at entry.
pub static STATE: Room = Room(UnsafeCell::new(State {
    general: [!0; 14],
    rsi: 0,
    rsp: 0,
    top: !0,
    rflags: !0,
    cr0: 0,
    cr3: 0,
    cr4: 0,
    cr8: !0,
    dr7: !0,
    selectors: [!0; 7],
    gs_base: !0,
    gdtr: [0; 8],
    idtr: [!0; 8],
}));

/// Checks everything and ends QEMU.
pub extern "C" fn check() -> ! {
    println!("bench: the next kernel runs");
    // SAFETY: Written before this was called.
    let state = unsafe { &*STATE.0.get() };
    let mut good = true;
    let mut must = |holds: bool, what: &str, found: u64| {
        if !holds {
            println!("bench: FAILED: {what}: found {found:#x}");
            good = false;
        }
    };

    state
        .general
        .iter()
        .for_each(|&value| must(value == 0, "a general register is 0", value));
    must(
        state.rsi == RSI,
        "RSI is what the parameters say",
        state.rsi,
    );
    must(
        state.top == 0,
        "the return address on the stack is 0",
        state.top,
    );
    must(
        state.rsp % 16 == 8,
        "the stack is as after a call",
        state.rsp,
    );
    must(
        state.rflags & 0x600 == 0,
        "interrupts are off, strings go upwards",
        state.rflags,
    );
    must(
        state.cr0 & 0x8000_003f == 0x8000_0033,
        "CR0 is PG NE ET MP PE",
        state.cr0,
    );
    must(
        state.cr3 == stage::TABLES + 0x3000,
        "CR3 is the module's root table",
        state.cr3,
    );
    must(state.cr4 == 0x20, "CR4 is as Xen left it: PAE", state.cr4);
    must(state.cr8 == 0, "CR8 is 0", state.cr8);
    must(state.dr7 & 0xff == 0, "no breakpoint is armed", state.dr7);
    let expected = [0x10, 0x18, 0x18, 0x18, 0x18, 0x18, 0];
    for (selector, expected) in state.selectors.into_iter().zip(expected) {
        must(
            selector == expected,
            "CS is 0x10, the others 0x18, LDT 0",
            selector,
        );
    }
    must(state.gs_base == 0, "the base of GS is 0", state.gs_base);
    must(
        state.idtr[0] == 0,
        "there is no IDT",
        u64::from(state.idtr[0]),
    );
    must(
        gdt(state) == Some([0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff]),
        "the GDT is flat",
        0,
    );
    must(
        tables::have_first_mib(state.cr3),
        "0-1 MiB is mapped: memory, and devices uncached",
        0,
    );
    read_first_mib();
    println!("bench: 0-1 MiB can be read");
    for what in stage::differences() {
        must(false, what, 0);
    }

    println!(
        "bench: {} bytes of the stack were never used",
        unused_stack()
    );
    println!("bench: {}", if good { "PASSED" } else { "FAILED" });
    qemu::exit(if good { qemu::PASSED } else { qemu::FAILED })
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

/// The descriptors of selectors 0x10 and 0x18, if the table is in the hand-over.
fn gdt(state: &State) -> Option<[u64; 2]> {
    let [limit, words @ ..] = state.gdtr;
    let base = (0..4).fold(0, |base, word| {
        base | (u64::from(words[word]) << (16 * word))
    });
    if limit < 0x1f || !(CHUNK..CHUNK + 0x1_0000).contains(&base) {
        return None;
    }
    let descriptor = |selector| {
        // SAFETY: Inside the hand-over.
        let bytes = unsafe { memory(base + selector, 8) };
        bytes
            .iter()
            .rev()
            .fold(0, |value, &byte| (value << 8) | u64::from(byte))
    };
    Some([descriptor(0x10), descriptor(0x18)])
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

const _: () = assert!(size_of::<State>() == 280);
