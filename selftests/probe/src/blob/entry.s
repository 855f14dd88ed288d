# The first instructions of the probe, in Intel syntax: they write everything down before they change
# it. State is State of src/state.rs, whose fields are words in this order.
#
# Entered in 64-bit mode, at the first byte, with the probe mapped one to one and writable. Nothing
# else is relied upon: no stack, no descriptor table.

    .section .text.entry, "ax"
    .globl  probe_entry
probe_entry:
    mov     [rip + {state}], rax            # general registers
    mov     [rip + {state} + 1*8], rbx
    mov     [rip + {state} + 2*8], rcx
    mov     [rip + {state} + 3*8], rdx
    mov     [rip + {state} + 4*8], rsi
    mov     [rip + {state} + 5*8], rdi
    mov     [rip + {state} + 6*8], rbp
    mov     [rip + {state} + 7*8], rsp
    mov     [rip + {state} + 8*8], r8
    mov     [rip + {state} + 9*8], r9
    mov     [rip + {state} + 10*8], r10
    mov     [rip + {state} + 11*8], r11
    mov     [rip + {state} + 12*8], r12
    mov     [rip + {state} + 13*8], r13
    mov     [rip + {state} + 14*8], r14
    mov     [rip + {state} + 15*8], r15
    lea     rsp, [rip + probe_stack_top]    # a stack, for the flags; this leaves them alone
    pushfq                                  # RFLAGS as they were
    cli                                     # a caller that left interrupts on has no handlers here
    cld                                     # the ABI of Rust code wants DF clear
    pop     rax
    mov     [rip + {state} + 16*8], rax     # rflags
    mov     rax, cr0
    mov     [rip + {state} + 17*8], rax     # cr0
    mov     rax, cr2
    mov     [rip + {state} + 18*8], rax     # cr2
    mov     rax, cr3
    mov     [rip + {state} + 19*8], rax     # cr3
    mov     rax, cr4
    mov     [rip + {state} + 20*8], rax     # cr4
    mov     rax, cr8
    mov     [rip + {state} + 21*8], rax     # cr8
    mov     rax, dr7
    mov     [rip + {state} + 22*8], rax     # dr7
    mov     eax, cs                         # to a 32-bit register the rest becomes zero
    mov     [rip + {state} + 23*8], rax     # cs
    mov     eax, ds
    mov     [rip + {state} + 24*8], rax     # ds
    mov     eax, es
    mov     [rip + {state} + 25*8], rax     # es
    mov     eax, fs
    mov     [rip + {state} + 26*8], rax     # fs
    mov     eax, gs
    mov     [rip + {state} + 27*8], rax     # gs
    mov     eax, ss
    mov     [rip + {state} + 28*8], rax     # ss
    str     eax
    mov     [rip + {state} + 29*8], rax     # tr
    sldt    eax
    mov     [rip + {state} + 30*8], rax     # ldtr
    sgdt    [rip + {state} + 31*8 + 6]      # gdt_limit, upper 16 bits, and gdt_base
    sidt    [rip + {state} + 33*8 + 6]      # idt_limit, likewise, and idt_base
    mov     ecx, 0xc0000080                 # EFER
    call    read_msr
    mov     [rip + {state} + 35*8], rax     # efer
    mov     ecx, 0x277                      # PAT
    call    read_msr
    mov     [rip + {state} + 36*8], rax     # pat
    mov     ecx, 0xc0000100                 # FS base
    call    read_msr
    mov     [rip + {state} + 37*8], rax     # fs_base
    mov     ecx, 0xc0000101                 # GS base
    call    read_msr
    mov     [rip + {state} + 38*8], rax     # gs_base

    # From here on the state is the probe's own: what Rust code needs.
    lidt    [rip + no_idt]                  # an exception shuts the processor down: a reset
    mov     rax, cr0                        # CR0:
    and     rax, ~0xc                       # clear EM and TS, or SSE raises an exception
    or      rax, 2                          # set MP, as SSE wants it
    mov     cr0, rax
    mov     rax, cr4                        # CR4:
    or      rax, 0x600                      # set OSFXSR and OSXMMEXCPT: SSE
    mov     cr4, rax
    call    {start}                         # does not return; the call aligns the stack

# Reads the model-specific register ECX into RAX. Changes RDX.
read_msr:
    rdmsr                                   # in two halves
    shl     rdx, 32                         # the upper one
    or      rax, rdx                        # both
    ret

    .section .rodata.entry, "a"
no_idt:                                     # operand of lidt: a table without an entry
    .word   0                               # limit
    .quad   0                               # base
