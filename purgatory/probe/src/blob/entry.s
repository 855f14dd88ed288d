# The first instructions of the probe, in Intel syntax: they write everything down before they change
# it. State is State of src/state.rs, whose fields are words in this order.
#
# Entered in 64-bit mode, at the first byte, with the probe mapped one to one and writable. Nothing
# else is relied upon: no stack, no descriptor table.

    .macro  note register                   # the next word of the state
    mov     [rip + {state} + noted], \register
    .set    noted, noted + 8
    .endm

    .section .text.entry, "ax"
    .globl  probe_entry
probe_entry:
    .set    noted, 0
    .irp    register, rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15
    note    \register
    .endr
    lea     rsp, [rip + probe_stack_top]    # a stack, for the flags; this leaves them alone
    pushfq                                  # RFLAGS as they were
    cli                                     # a caller that left interrupts on has no handlers here
    cld                                     # the ABI of Rust code wants DF clear
    pop     rax
    note    rax
    .irp    register, cr0, cr2, cr3, cr4, cr8, dr7
    mov     rax, \register
    note    rax
    .endr
    .irp    register, cs, ds, es, fs, gs, ss
    mov     eax, \register                  # to a 32-bit register the rest becomes zero
    note    rax
    .endr
    str     eax                             # tr
    note    rax
    sldt    eax                             # ldtr
    note    rax
    .irp    instruction, sgdt, sidt
    \instruction [rip + {state} + noted + 6] # limit, into the upper 16 bits of a word, and base
    shr     qword ptr [rip + {state} + noted], 48 # limit
    .set    noted, noted + 16
    .endr
    .irp    register, 0xc0000080, 0x277, 0xc0000100, 0xc0000101 # EFER, PAT, bases of FS and GS
    mov     ecx, \register
    rdmsr                                   # in two halves
    shl     rdx, 32                         # the upper one
    or      rax, rdx                        # both
    note    rax
    .endr
    .if     noted != {state_bytes}
    .error  "the state has other words"
    .endif

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

    .section .rodata.entry, "a"
no_idt:                                     # operand of lidt: a table without an entry
    .word   0                               # limit
    .quad   0                               # base
