/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What rkexec needs of the kernel's headers and the `kernel` crate does not cover. bindgen turns it
 * into rust/kernel.rs of the folder that Kbuild builds in; which items are taken stands in kernel.bindgen.
 */
#include <linux/cc_platform.h>
#include <linux/crash_reserve.h>
#include <linux/efi.h>
#include <linux/elf.h>
#include <linux/ftrace.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/kexec.h>
#include <linux/livepatch.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/reboot.h>
#include <linux/security.h>
#include <linux/vmalloc.h>
#include <linux/vmcore_info.h>
#include <asm/e820/api.h>
#include <asm/pgtable.h>
#include <asm/reboot.h>
#include <asm/sections.h>
#include <asm/segment.h>
#include <asm/tsc.h>
/* Not self-contained, so not in the order of the alphabet. */
#include <xen/interface/xen.h>
#include <xen/interface/memory.h>
#include <xen/privcmd.h>
#include <asm/xen/swiotlb-xen.h>

/*
 * From headers private to the kernel (kernel/kexec_internal.h, arch/x86/xen/xen-ops.h), which the
 * headers package does not carry. These symbols are reached by livepatch relocations.
 */
extern atomic_t __kexec_lock;
void kimage_free(struct kimage *image);
/* Static in security/lockdown/lockdown.c. */
extern enum lockdown_reason kernel_locked_down;
/* arch/x86/include/asm/efi.h and set_memory.h cannot be included from a module. */
extern unsigned long efi_config_table;
int set_memory_rox(unsigned long addr, int numpages);
int set_memory_nx(unsigned long addr, int numpages);
int set_memory_rw(unsigned long addr, int numpages);
/* kernel/livepatch/transition.h */
void klp_reverse_transition(void);
/*
 * A function that is replaced must have a prototype here, if none of the headers above has it: the
 * replacement is checked against that (rust/sys/livepatch.rs). kernel/kexec_internal.h, and a static
 * one of kernel/kexec_file.c.
 */
int kimage_load_segment(struct kimage *image, int idx);
int kexec_calculate_store_digests(struct kimage *image);
/* Static in drivers/xen/privcmd.c. */
long privcmd_ioctl(struct file *file, unsigned int cmd, unsigned long data);

/* System calls, as the kernel's entry calls them: include/linux/syscalls.h has other names for them. */
long __x64_sys_kexec_file_load(const struct pt_regs *regs);
long __x64_sys_kexec_load(const struct pt_regs *regs);
long __x64_sys_reboot(const struct pt_regs *regs);

/* A macro that bindgen does not evaluate. */
enum { RKEXEC_IOCTL_PRIVCMD_HYPERCALL = IOCTL_PRIVCMD_HYPERCALL };

#include "../helpers.h"
