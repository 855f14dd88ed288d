//! What the processor raised, from what it left on the stack.
//!
//! The entry stubs (`blob/entry.s`) are 32 calls, [`STUB_BYTES`] apart, so that the word on top of
//! the stack, a return address, tells which of them ran. An error code lies between it and RIP for
//! some vectors only. Both are told apart here and not in assembly.

/// How many vectors the processor itself raises (Intel SDM vol. 3, 7.2).
pub const NR_VECTORS: usize = 32;
/// Bytes from one entry stub to the next.
pub const STUB_BYTES: u64 = 8;
/// The length of the call that each stub begins with.
const CALL_BYTES: u64 = 5;
/// The vector of the interrupt that cannot be switched off, the only one that does not end the hand-over.
pub const NMI: u64 = 2;
/// The vector of the page fault, the only one for which CR2 means anything.
pub const PAGE_FAULT: u64 = 14;

/// An exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Its vector.
    pub vector: u64,
    /// Its error code, or 0.
    pub error_code: u64,
    /// Where it happened.
    pub rip: u64,
    /// CR2.
    pub cr2: u64,
}

impl Exception {
    /// Decodes the three topmost words of the stack, for stubs that begin at `stubs`.
    pub const fn decode(stack: &[u64; 3], stubs: u64, cr2: u64) -> Self {
        let [ret, second, third] = *stack;
        // Wrong only if the stack is, and then no answer is right.
        let vector = ret.wrapping_sub(stubs).wrapping_sub(CALL_BYTES) / STUB_BYTES % 32;
        let (error_code, rip) = if has_error_code(vector) {
            (second, third)
        } else {
            (0, second)
        };
        Self {
            vector,
            error_code,
            rip,
            cr2,
        }
    }

    /// What people call it.
    pub const fn name(&self) -> &'static str {
        match self.vector {
            6 => "invalid opcode",
            8 => "double fault",
            13 => "general protection",
            PAGE_FAULT => "page fault",
            18 => "machine check",
            _ => "see the processor's manual",
        }
    }
}

/// Whether the processor pushes an error code: #DF, #TS, #NP, #SS, #GP, #PF, #AC, #CP, #VC, #SX.
const fn has_error_code(vector: u64) -> bool {
    matches!(vector, 8 | 10..=14 | 17 | 21 | 29 | 30)
}

/// One gate of the interrupt descriptor table (Intel SDM vol. 3, 7.14.1).
pub type Gate = [u64; 2];

/// An interrupt gate to `handler` in the code segment `selector`: on the stack `ist` of the task state
/// segment, 1 to 7, or for 0 on the stack in use.
pub const fn interrupt_gate(handler: u64, selector: u16, ist: u8) -> Gate {
    /// Present, privilege level 0, 64-bit interrupt gate.
    const PRESENT_INTERRUPT: u64 = 0x8e00 << 32;
    let low = handler & 0xffff;
    let middle = (handler & 0xffff_0000) << 32;
    [
        low | ((selector as u64) << 16) | ((ist as u64 & 7) << 32) | PRESENT_INTERRUPT | middle,
        handler >> 32,
    ]
}
