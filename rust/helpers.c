// SPDX-License-Identifier: GPL-2.0
/*
 * What only C headers can give: inline functions, macros and module info. Nothing here decides
 * anything. The Rust side of each function is in rust/sys/.
 */
#include <linux/acpi.h>
#include <linux/efi.h>
#include <linux/error-injection.h>
#include <linux/gfp.h>
#include <linux/kexec.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

#include <asm/cpuid/api.h>
#include <asm/setup.h>
#include <asm/smp.h>
#include <asm/special_insns.h>
#include <asm/xen/hypercall.h>
#include <asm/xen/page.h>
#include <xen/interface/version.h>
#include <xen/xen.h>

#include "helpers.h"

/* The kernel hands the module to the livepatch core, and resolves its livepatch relocations. */
MODULE_INFO(livepatch, "Y");

/* Whoever asks sees it for the module that is loaded, too; an upgrade leaves that in. */
MODULE_VERSION(RKEXEC_VERSION);

/*
 * Parameters that the macro of the `kernel` crate cannot make: those of hardware, which a kernel that is
 * locked down refuses, and those of types that it does not have (bool, before Linux 7.3; strings).
 */
static unsigned int serial_port = 0x3f8;
module_param_hw_named(serial, serial_port, uint, ioport, 0444);
MODULE_PARM_DESC(serial, "I/O port of the 16550 that the hand-over reports on, 0 for none (default 0x3f8)");

/* Another name than the parameter's: <asm/irqflags.h> has a function halt(). */
static bool halts;
module_param_named(halt, halts, bool, 0444);
MODULE_PARM_DESC(halt, "halt instead of resetting the machine if the hand-over fails");

/* Not debug: other headers may have that. */
static bool tells_times;
module_param_named(debug, tells_times, bool, 0444);
MODULE_PARM_DESC(debug, "have the hand-over tell on the serial port how long its parts take");

static char *xen_abi = "auto";
module_param(xen_abi, charp, 0444);
MODULE_PARM_DESC(xen_abi, "Xen's kexec interface: auto, v2 or v1 (default auto)");

static bool takes_privcmd = true;
module_param_named(privcmd, takes_privcmd, bool, 0444);
MODULE_PARM_DESC(privcmd, "in a dom0, serve the kexec hypercalls of programs (default on)");

unsigned int rkexec_serial_port(void)
{
	return serial_port;
}

bool rkexec_halts(void)
{
	return halts;
}

bool rkexec_tells_times(void)
{
	return tells_times;
}

const char *rkexec_xen_abi(void)
{
	return xen_abi;
}

bool rkexec_takes_privcmd(void)
{
	return takes_privcmd;
}

bool rkexec_xen_domain(void)
{
	return xen_domain();
}

bool rkexec_xen_pv_domain(void)
{
	return xen_pv_domain();
}

bool rkexec_xen_initial_domain(void)
{
	return xen_initial_domain();
}

long rkexec_kexec_op(unsigned int cmd, void *arg)
{
	return xen_single_call(__HYPERVISOR_kexec_op, cmd, (unsigned long)arg, 0, 0, 0);
}

long rkexec_memory_op(unsigned int cmd, void *arg)
{
	return HYPERVISOR_memory_op(cmd, arg);
}

long rkexec_sysctl(void *arg)
{
	return xen_single_call(__HYPERVISOR_sysctl, (unsigned long)arg, 0, 0, 0, 0);
}

/*
 * A kernel that is built for tests can be told what Xen's answer is to be (CONFIG_FAIL_FUNCTION, which no
 * distribution's has).
 */
#ifdef CONFIG_FAIL_FUNCTION
ALLOW_ERROR_INJECTION(rkexec_kexec_op, ERRNO);
ALLOW_ERROR_INJECTION(rkexec_memory_op, ERRNO);
ALLOW_ERROR_INJECTION(rkexec_sysctl, ERRNO);
#endif

unsigned int rkexec_xen_version(void)
{
	return HYPERVISOR_xen_version(XENVER_version, NULL);
}

void rkexec_xen_extraversion(char text[XEN_EXTRAVERSION_LEN])
{
	HYPERVISOR_xen_version(XENVER_extraversion, text);
}

u64 rkexec_p2m_entry(u64 pfn)
{
	return pfn < xen_p2m_size ? READ_ONCE(xen_p2m_addr[pfn]) : INVALID_P2M_ENTRY;
}

u64 rkexec_m2p_entry(u64 mfn)
{
	unsigned long pfn;

	/* The table has holes where the machine has: a plain read there would fault. */
	if (mfn >= machine_to_phys_nr ||
	    xen_safe_read_ulong(&machine_to_phys_mapping[mfn], &pfn) < 0)
		return INVALID_P2M_ENTRY;
	return pfn;
}

struct page *rkexec_alloc_pages(unsigned int order)
{
	/* An image may be large: fail rather than let the OOM killer make room for it. */
	return alloc_pages(GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN, order);
}

void *rkexec_vzalloc(size_t len)
{
	/* As above; before 7.1 it does not take that flag, and warns. */
	gfp_t mayfail = LINUX_VERSION_CODE < KERNEL_VERSION(7, 1, 0) ? 0 : __GFP_RETRY_MAYFAIL;

	return __vmalloc(len, GFP_KERNEL | __GFP_ZERO | mayfail | __GFP_NOWARN);
}

void *rkexec_page_address(const struct page *page)
{
	return page_address(page);
}

u64 rkexec_page_to_pfn(const struct page *page)
{
	return page_to_pfn(page);
}

u64 rkexec_address_to_pfn(const void *address)
{
	return virt_addr_valid(address) ? PHYS_PFN(__pa(address)) : U64_MAX;
}

void rkexec_keep_pages(struct kimage *image, struct page *page, unsigned int order)
{
	unsigned int i;

	/* As kimage_alloc_pages() leaves them, and kimage_free_pages() wants them. */
	page->mapping = NULL;
	set_page_private(page, order);
	for (i = 0; i < 1U << order; i++)
		SetPageReserved(page + i);
	list_add(&page->lru, &image->control_pages);
}

u64 rkexec_direct_map(void)
{
	return (u64)__va(0);
}

void rkexec_copy_page(void *to, const void *from)
{
	copy_page(to, from);
}

void rkexec_cond_resched(void)
{
	cond_resched();
}

bool rkexec_is_being_killed(void)
{
	return fatal_signal_pending(current);
}

void rkexec_name_of_task(char name[TASK_COMM_LEN])
{
	strscpy_pad(name, current->comm, TASK_COMM_LEN);
}

void rkexec_send_stop(void)
{
	/* Not stop_other_cpus(): in a PV domain that waits for what does not come back. */
	smp_send_stop();
}

unsigned int rkexec_online_cpus(void)
{
	return num_online_cpus();
}

void rkexec_local_irq_disable(void)
{
	local_irq_disable();
}

bool rkexec_cpuid_gib_pages(void)
{
	return native_cpuid_edx(0x80000001) & BIT(26);
}

bool rkexec_five_levels(void)
{
	return native_read_cr4() & X86_CR4_LA57;
}

bool rkexec_tdx_forbids_kexec(void)
{
	/* Since 7.2 the kernel has the processor clear TDX's memory before it leaves (tdx_sys_disable()). */
	return LINUX_VERSION_CODE < KERNEL_VERSION(7, 2, 0) && boot_cpu_has_bug(X86_BUG_TDX_PW_MCE);
}

void *rkexec_ram_address(u64 pfn)
{
	return page_is_ram(pfn) ? __va(PFN_PHYS(pfn)) : NULL;
}

bool rkexec_efi_boot(void)
{
	return efi_enabled(EFI_BOOT);
}

bool rkexec_efi_64bit(void)
{
	return efi_enabled(EFI_64BIT);
}

u64 rkexec_efi_system_table(void)
{
	return boot_params.efi_info.efi_systab | (u64)boot_params.efi_info.efi_systab_hi << 32;
}

bool rkexec_acpi_is_used(void)
{
	return !acpi_disabled;
}

u64 rkexec_acpi_root_pointer(void)
{
	if (boot_params.acpi_rsdp_addr)
		return boot_params.acpi_rsdp_addr;
	if (efi.acpi20 != EFI_INVALID_TABLE_ADDR)
		return efi.acpi20;
	return efi.acpi != EFI_INVALID_TABLE_ADDR ? efi.acpi : 0;
}

bool rkexec_acpi_shuns_xsdt(void)
{
	return acpi_gbl_do_not_use_xsdt;
}

bool rkexec_acpi_read(u64 from, void *to, size_t len)
{
	void *mapped = acpi_os_map_memory(from, len);
	long err;

	if (!mapped)
		return false;
	/* Xen may have refused to map it, which nobody tells (__xen_set_pte()). */
	err = copy_from_kernel_nofault(to, mapped, len);
	acpi_os_unmap_memory(mapped, len);
	return !err;
}
