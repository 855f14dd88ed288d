//! What the processor holds at the first instruction of the probe.

/// Defines [`State`]: a word for each register, in this order.
macro_rules! state {
    ($($register:ident)*) => {
        /// Registers as the entry code (`blob/entry.s`) writes them down, in this order. Their names
        /// are the manual's; selectors and limits have 16 bits, and the rest of the words is zero.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct State {
            $(pub $register: u64,)*
        }

        impl State {
            /// Calls `visit` for each of them. A table of the names would be one of addresses.
            pub fn each(&self, mut visit: impl FnMut(&str, u64)) {
                $(visit(stringify!($register), self.$register);)*
            }
        }
    };
}

state! {
    rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15
    rflags cr0 cr2 cr3 cr4 cr8 dr7
    cs ds es fs gs ss tr ldtr
    gdt_limit gdt_base idt_limit idt_base
    efer pat fs_base gs_base
}
