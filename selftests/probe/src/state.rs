//! What the processor holds at the first instruction of the probe.

use core::mem::{offset_of, size_of};

/// Registers as the entry code (`blob/entry.s`) writes them down, in this order.
#[allow(missing_docs, reason = "their names are the manual's")]
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub rax: u64,
    pub rbx: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub rbp: u64,
    pub rsp: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub rflags: u64,
    pub cr0: u64,
    pub cr2: u64,
    pub cr3: u64,
    pub cr4: u64,
    pub cr8: u64,
    pub dr7: u64,
    /// Selectors have 16 bits; the rest of the words is zero.
    pub cs: u64,
    pub ds: u64,
    pub es: u64,
    pub fs: u64,
    pub gs: u64,
    pub ss: u64,
    pub tr: u64,
    pub ldtr: u64,
    /// The limit is in the upper 16 bits, for `sgdt` stores it right before the base.
    pub gdt_limit: u64,
    pub gdt_base: u64,
    /// Likewise.
    pub idt_limit: u64,
    pub idt_base: u64,
    /// Model-specific register C000_0080h.
    pub efer: u64,
    /// Model-specific register 277h: eight memory types.
    pub pat: u64,
    /// Model-specific register C000_0100h.
    pub fs_base: u64,
    /// Model-specific register C000_0101h.
    pub gs_base: u64,
}

/// The places that the entry code knows by number.
const _: () = {
    assert!(offset_of!(State, rsp) == 7 * 8);
    assert!(offset_of!(State, r15) == 15 * 8);
    assert!(offset_of!(State, cr0) == 17 * 8);
    assert!(offset_of!(State, dr7) == 22 * 8);
    assert!(offset_of!(State, ldtr) == 30 * 8);
    assert!(offset_of!(State, gdt_base) == 32 * 8);
    assert!(offset_of!(State, idt_base) == 34 * 8);
    assert!(offset_of!(State, gs_base) == 38 * 8);
    assert!(size_of::<State>() == 39 * 8);
};

/// Bits of a limit that are none of its.
const BELOW_LIMIT: u32 = 48;

impl State {
    /// The offset of the last byte of the global descriptor table.
    pub const fn gdt_limit(&self) -> u64 {
        self.gdt_limit >> BELOW_LIMIT
    }

    /// The offset of the last byte of the interrupt descriptor table.
    pub const fn idt_limit(&self) -> u64 {
        self.idt_limit >> BELOW_LIMIT
    }
}
