# The way into the hand-over and out of it, in Intel syntax.
#
# Entered at handover_entry by Xen, or by Linux's relocate_kernel, in 64-bit mode: interrupts off, paging on
# with this blob mapped one to one, writable and executable. Nothing else is known: not the general
# registers, not RSP; GDT and IDT may be unmapped, so no segment may be loaded and no exception
# survived before the blob has its own.

    .section .head, "aw"
    .globl  handover_header
handover_header:                            # Header of rust/abi/handover.rs
    .quad   {magic}                         # magic
    .long   {version}                       # version
    .long   handover_end - handover_header  # size: the linker script aligns the end to a page
    .long   handover_entry - handover_header # entry_offset
    .long   {params} - handover_header      # params_offset
    .long   {epitaph} - handover_header     # epitaph_offset
    .long   0                               # _pad

    .section .text.entry, "ax"
    .globl  handover_entry
handover_entry:
    cli                                     # a caller that left interrupts on has no handlers here
    cld                                     # the ABI of Rust code wants DF clear
    xor     eax, eax                        # 0
    mov     dr7, rax                        # no breakpoint that dom0 left may fire from here on
    lea     rsp, [rip + handover_stack_top] # the caller's stack is not ours to use
    rdtsc                                   # the time: EDX:EAX
    shl     rdx, 32                         # its upper half
    or      rdx, rax                        # and its lower
    mov     r8, rdx                         # kept for start
    lea     rax, [rip + nmi_stack_top]      # the stack for NMIs,
    mov     [rip + tss + 36], rax           # the first of those that the TSS has (IST1)
    lea     rax, [rip + tss]                # where the TSS is, in the four pieces of its descriptor:
    mov     [rip + tss_descriptor + 2], ax  # bits 15:0
    shr     rax, 16
    mov     [rip + tss_descriptor + 4], al  # bits 23:16
    mov     [rip + tss_descriptor + 7], ah  # bits 31:24
    shr     rax, 16
    mov     [rip + tss_descriptor + 8], eax # bits 63:32
    lea     rax, [rip + gdt]                # where the table is, now that we know where we are
    mov     [rip + gdtr + 2], rax           # complete the operand of lgdt
    lgdt    [rip + gdtr]                    # leave the caller's table, which is not mapped
    push    {boot_cs}                       # far return: code segment
    lea     rax, [rip + 1f]                 # ... and where to go on
    push    rax                             # ... in it
    retfq                                   # CS now comes from our own table
1:  mov     eax, {boot_ds}                  # flat data
    mov     ds, eax                         # as the boot protocol of Linux wants it
    mov     es, eax                         # likewise
    mov     ss, eax                         # likewise
    mov     fs, eax                         # also makes the base 0, where Xen leaves dom0's
    mov     gs, eax                         # likewise
    xor     eax, eax                        # 0
    lldt    ax                              # no local table
    mov     eax, {tss}                      # the task state segment
    ltr     ax                              # is ours
    mov     rax, cr0                        # CR0:
    and     rax, ~0xc                       # clear EM and TS, or SSE raises an exception
    or      rax, 2                          # set MP, as SSE wants it
    mov     cr0, rax                        # write it back
    mov     rdi, cr4                        # first argument of start: CR4 as it was
    mov     rax, rdi                        # CR4:
    or      rax, 0x600                      # set OSFXSR and OSXMMEXCPT: SSE
    mov     cr4, rax                        # write it back
    mov     rsi, r8                         # second argument: the time
    push    0                               # return address: nowhere; also aligns the stack
    jmp     {start}                         # does not return

# Leaves for the next kernel. In: RDI = CR4, RSI = what it gets in RSI, RDX = where it begins.
    .globl  handover_leave
handover_leave:
    lea     rsp, [rip + handover_stack_top] # nobody comes back to what is on the stack
    push    0                               # the next kernel's return address: nowhere
    push    rdx                             # where the ret below goes
    lidt    [rip + no_idt]                  # from now on an exception shuts the machine down
    xor     eax, eax                        # 0
    mov     cr8, rax                        # task priority 0: every interrupt class is let in
    mov     cr4, rdi                        # as it was at entry: SSE off
    xor     ebx, ebx                        # clear every register but RSI and RSP
    xor     ecx, ecx
    xor     edx, edx
    xor     edi, edi
    xor     ebp, ebp
    xor     r8d, r8d
    xor     r9d, r9d
    xor     r10d, r10d
    xor     r11d, r11d
    xor     r12d, r12d
    xor     r13d, r13d
    xor     r14d, r14d
    xor     r15d, r15d
    ret                                     # enter it; the zero is on top of the stack

# One stub for each vector, {stub_bytes} bytes apart. The return address that its call pushes says
# which one it was (src/exception.rs). Nothing here returns, so nothing is saved.
    .balign {stub_bytes}
    .globl  handover_stubs
handover_stubs:
    .rept   {nr_vectors}
    call    exception_common                # pushes an address in this stub
    .balign {stub_bytes}, 0xcc              # int3 up to the next one
    .endr
exception_common:
    mov     rdi, rsp                        # first argument of raised: what is on the stack
    and     rsp, -16                        # the stack may be at any multiple of 8
    cld                                     # DF is whatever it was
    call    {raised}                        # does not return

# An NMI: counted, and that is all. On its own stack, and no register changes (the flags come back).
    .globl  handover_nmi
handover_nmi:
    inc     qword ptr [rip + handover_nmis] # one more
    iretq                                   # back to where it came from

    .section .data.gdt, "aw"
    .balign 8
gdt:                                        # selectors 0x10 and 0x18, as Linux has them at boot
    .quad   0                               # null
    .quad   0                               # 0x08: not used
    .quad   0x00af9b000000ffff              # {boot_cs}: code, 64-bit, flat, accessed
    .quad   0x00cf93000000ffff              # {boot_ds}: data, flat, writable, accessed
tss_descriptor:                             # {tss}: available 64-bit TSS; its base is filled in
    .quad   0x0000890000000000 + tss_end - tss - 1 # limit, type, present
    .quad   0                               # upper half of the base
gdtr:                                       # operand of lgdt
    .word   . - gdt - 1                     # limit
    .quad   0                               # base: filled in at run time
    .balign 8
    .globl  handover_nmis
handover_nmis:                              # how many NMIs have come
    .quad   0
tss:                                        # task state segment (Intel SDM vol. 3, 8.7)
    .zero   102                             # stacks, of which IST1 is filled in
    .word   tss_end - tss                   # no map of I/O ports
tss_end:
    .balign 16
    .zero   64                              # what the processor pushes is 40 bytes
nmi_stack_top:
no_idt:                                     # operand of lidt: a table without an entry
    .word   0                               # limit
    .quad   0                               # base
