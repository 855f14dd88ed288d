# From 64-bit mode into a multiboot kernel, in Intel syntax.
#
# Entered at its first byte, in 64-bit mode, by the hand-over, or by Linux's relocate_kernel: interrupts off, paging
# on with all memory mapped one to one. It may be at any page below 4 GiB. It is data of the program that it is
# linked into: a section that is neither run nor written to.
#
# Left as the multiboot specification has it (1: 3.2; 2: 3.3): 32-bit protected mode, flat segments, paging off,
# interrupts off, EAX and EBX set. No GDT, IDT or stack may be expected, so those here are good enough.

    .section .rodata.rkexec_multiboot_switch, "a"
    .code64
    .balign 16
    .globl  rkexec_multiboot_switch
rkexec_multiboot_switch:
    cli                                     # nobody has handlers any more
    cld                                     # what all compilers expect
    lea     rsp, [rip + .Lstack_top]        # a stack of two words
    lea     rax, [rip + .Lgdt]              # where the table is, now that we know where we are
    mov     [rip + .Lgdtr + 2], rax         # completes the operand of lgdt
    lgdt    [rip + .Lgdtr]                  # a table with 32-bit segments
    mov     edi, [rip + .Lwords]            # EAX to be: the magic
    mov     ebx, [rip + .Lwords + 4]        # EBX: the boot information
    mov     esi, [rip + .Lwords + 8]        # the kernel's entry
    movzx   ecx, word ptr [rip + .Lwords + 12] # KiB of base memory
    test    ecx, ecx                        # none:
    jz      .Lbios_data_is_there            # the BIOS has its own words
    mov     word ptr [0x413], cx            # BIOS data area: base memory
    movzx   ecx, word ptr [rip + .Lwords + 14] # the segment of the EBDA
    mov     word ptr [0x40e], cx            # BIOS data area: the EBDA
    mov     rdx, rsi                        # keep the entry
    mov     eax, edi                        # and the magic
    shl     ecx, 4                          # where the EBDA is
    mov     edi, ecx                        # the copy goes there:
    mov     rsi, [rip + .Lwords + 16]       # ACPI's root pointer,
    mov     ecx, 36                         # as long as it is since ACPI 2.0
    rep movsb                               # copied
    mov     esi, edx                        # the entry again
    mov     edi, eax                        # and the magic
.Lbios_data_is_there:
    push    0x08                            # far return: the 32-bit code segment
    lea     rax, [rip + .Lcompatibility]    # ... and where to go on
    push    rax                             # ... in it
    retfq                                   # compatibility mode
    .code32
.Lcompatibility:
    mov     eax, 0x10                       # flat data
    mov     ds, eax                         # everywhere
    mov     es, eax                         # likewise
    mov     ss, eax                         # likewise
    mov     fs, eax                         # likewise
    mov     gs, eax                         # likewise
    mov     eax, cr4                        # CR4:
    and     eax, 0x1020                     # keep PAE and LA57, which cannot go yet; PCIDE must go first
    mov     cr4, eax                        # write it back
    mov     eax, 0x11                       # CR0: protected mode and no paging, caches on, FPU as after a reset
    mov     cr0, eax                        # the end of long mode
    mov     ecx, 0xc0000080                 # EFER
    xor     eax, eax                        # as after a reset: no long mode, no NX, no SYSCALL
    xor     edx, edx                        # upper half
    wrmsr                                   # write it
    mov     cr4, eax                        # as after a reset, too
    mov     eax, edi                        # the magic
    jmp     esi                             # the kernel
    .code64

    .balign 8
.Lgdt:
    .quad   0                               # null
    .quad   0x00cf9b000000ffff              # 0x08: code, 32-bit, flat
    .quad   0x00cf93000000ffff              # 0x10: data, flat, writable
.Lgdtr:
    .word   .Lgdtr - .Lgdt - 1              # limit
    .quad   0                               # base: filled in at run time
    .balign 8
    .skip   16                              # the stack,
.Lstack_top:                                # which grows downwards
.Lwords:
    .skip   {words}                         # Switch::words
    .globl  rkexec_multiboot_switch_end
rkexec_multiboot_switch_end:
    .text
