/* SPDX-License-Identifier: GPL-2.0 */
/* The functions of helpers.c: for its own compiler, and for bindgen. */
#ifndef RKEXEC_HELPERS_H
#define RKEXEC_HELPERS_H

#include <linux/types.h>

struct kimage;
struct page;

unsigned int rkexec_serial_port(void);
bool rkexec_halts(void);
bool rkexec_tells_times(void);
const char *rkexec_xen_abi(void);
bool rkexec_takes_privcmd(void);

bool rkexec_xen_domain(void);
bool rkexec_xen_pv_domain(void);
bool rkexec_xen_initial_domain(void);

long rkexec_kexec_op(unsigned int cmd, void *arg);
long rkexec_memory_op(unsigned int cmd, void *arg);
long rkexec_sysctl(void *arg);
unsigned int rkexec_xen_version(void);
void rkexec_xen_extraversion(char *text);

u64 rkexec_p2m_entry(u64 pfn);
u64 rkexec_m2p_entry(u64 mfn);

struct page *rkexec_alloc_pages(unsigned int order);
void *rkexec_vzalloc(size_t len);
void *rkexec_page_address(const struct page *page);
u64 rkexec_page_to_pfn(const struct page *page);
u64 rkexec_address_to_pfn(const void *address);
void rkexec_keep_pages(struct kimage *image, struct page *page, unsigned int order);

u64 rkexec_direct_map(void);
void rkexec_copy_page(void *to, const void *from);
void rkexec_cond_resched(void);
bool rkexec_is_being_killed(void);
void rkexec_name_of_task(char *name);
void rkexec_send_stop(void);
unsigned int rkexec_online_cpus(void);
void rkexec_local_irq_disable(void);
bool rkexec_cpuid_gib_pages(void);
bool rkexec_five_levels(void);
bool rkexec_tdx_forbids_kexec(void);

void *rkexec_ram_address(u64 pfn);
bool rkexec_efi_boot(void);
bool rkexec_efi_64bit(void);
u64 rkexec_efi_system_table(void);

bool rkexec_acpi_is_used(void);
u64 rkexec_acpi_root_pointer(void);
bool rkexec_acpi_shuns_xsdt(void);
bool rkexec_acpi_read(u64 from, void *to, size_t len);

#endif
