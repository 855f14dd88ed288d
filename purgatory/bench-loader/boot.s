# From multiboot's 32-bit entry to Rust, and from there into the hand-over as Xen enters it. What the
# hand-over enters is the probe's entry.s. In Intel syntax.

    .section .multiboot, "a"
    .balign 4
header:
    .long   0x1badb002                      # magic
    .long   0x00010003                      # modules on pages, memory sizes, addresses below
    .long   -(0x1badb002 + 0x00010003)      # checksum
    .long   header                          # header_addr
    .long   bench_start                     # load_addr
    .long   bench_load_end                  # load_end_addr
    .long   bench_end                       # bss_end_addr
    .long   boot                            # entry_addr

    .section .text.boot, "ax"
    .globl  boot
    .code32
boot:
    mov     esp, offset bench_stack_top     # multiboot gives no stack
    mov     edi, ebx                        # first argument of main: multiboot's information
    mov     ecx, 512                        # entries of the page directory
1:  lea     eax, [ecx - 1]                  # the number of this one
    shl     eax, 21                         # ... times 2 MiB
    or      eax, 0x83                       # present, writable, large
    mov     [boot_directory + ecx*8 - 8], eax # the lower half; the upper is 0
    loop    1b                              # all 512: the first GiB
    lea     eax, [boot_directory + 3]       # the one directory: present, writable
    mov     [boot_pointers], eax            # into the table above
    lea     eax, [boot_pointers + 3]        # that one: likewise
    mov     [boot_root], eax                # into the root
    mov     eax, offset boot_root           # the root
    mov     cr3, eax                        # loaded, not used yet
    mov     eax, 0x620                      # PAE, OSFXSR, OSXMMEXCPT
    mov     cr4, eax                        # set
    mov     ecx, 0xc0000080                 # EFER
    rdmsr                                   # as it is
    or      eax, 0x900                      # LME, and NXE as under Xen
    wrmsr                                   # long mode as soon as paging is on
    mov     eax, 0x80000033                 # PG NE ET MP PE, as under Xen
    mov     cr0, eax                        # long mode, 32-bit code segment
    lgdt    [boot_gdtr]                     # a table with a 64-bit one
    mov     eax, 0xe008                     # far return: Xen's code selector
    push    eax                             # ... as 32 bits
    mov     eax, offset boot64              # ... and where
    push    eax                             # ... as 32 bits
    retf                                    # 64-bit from here
    .code64
boot64:
    xor     eax, eax                        # Xen has null data segments
    .irp    selector, ds, es, ss, fs, gs
    mov     \selector, eax
    .endr
    mov     edi, edi                        # the argument: the upper half was undefined
    call    {main}                          # does not return; the call aligns the stack

# Enters the hand-over. In: RDI = CR3, RSI = entry, RDX = an address to watch.
    .globl  bench_enter
bench_enter:
    mov     cr3, rdi                        # little is mapped from here on, and no 0-1 MiB
    mov     dr0, rdx                        # a watchpoint that someone left behind
    mov     eax, 0x000d0401                 # enabled: writes to one to eight bytes
    mov     dr7, rax                        # armed
    mov     ecx, 0xc0000101                 # GS base
    mov     eax, 0x12345678                 # a kernel's pointer
    mov     edx, 0xffff8880                 # ... upper half
    wrmsr                                   # as Xen leaves dom0's
    mov     eax, 0x20                       # PAE only: no SSE
    mov     cr4, rax                        # as Xen does
    mov     rax, cr0                        # worse than Xen:
    or      rax, 0xc                        # EM and TS set
    and     rax, -3                         # MP clear
    mov     cr0, rax                        # no SSE here, either
    mov     eax, 1                          # some priority
    mov     cr8, rax                        # as Xen leaves it
    mov     eax, 0xe010                     # a local descriptor table
    lldt    ax                              # ... that someone left behind
    lgdt    [rip + xen_table]               # a table that is not mapped
    lidt    [rip + xen_table]               # likewise
    mov     al, 0xff                        # all interrupts of the PIC
    out     0x21, al                        # masked
    out     0xa1, al                        # likewise the second one
    mov     rax, 0x5a5a5a5a5a5a5a5a         # registers that mean nothing
    .irp    register, rbx, rcx, rdx, rdi, r8, r9, r10, r11, r12, r13, r14, r15
    mov     \register, rax
    .endr
    mov     rbp, rsi                        # ... but the one that Xen jumps with
    mov     rsi, rax
    mov     rsp, rax                        # not canonical: unusable
    std                                     # worse than Xen: DF set
    sti                                     # ... and IF, though nothing will come
    jmp     rbp                             # the hand-over

    .section .data.boot, "aw"
boot_gdtr:                                  # operand of lgdt
    .word   0xe01f                          # limit: up to the last descriptor
    .long   boot_gdt                        # base
xen_table:                                  # operand of lgdt and lidt
    .word   0xefff                          # limit
    .quad   0xffff82d000000000              # base: Xen's half of the address space
    .balign 8
boot_gdt:                                   # Xen's selectors are high ones
    .fill   0xe008 / 8, 8, 0                # null, and nothing up to:
    .quad   0x00af9b000000ffff              # 0xe008: code, 64-bit, flat
    .quad   0x0000820000000017              # 0xe010: a local table of three descriptors
    .quad   0                               # ... upper half of its base

    .section .bss.boot, "aw", @nobits
    .balign 4096
boot_root:
    .skip   4096                            # page-map level 4
boot_pointers:
    .skip   4096                            # page-directory pointers
boot_directory:
    .skip   4096                            # page directory
    .skip   65536                           # stack
bench_stack_top:
    .globl  probe_stack_top
    .set    probe_stack_top, bench_stack_top # nobody needs it any more when the probe runs
