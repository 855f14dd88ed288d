/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What Linux's ident_map.c expects of the kernel, for a process: four levels of page tables whose
 * physical addresses are the addresses of the process.
 *
 * Bits and names are those of arch/x86/include/asm/pgtable_types.h; the sizes are the processor's
 * (Intel SDM vol. 3, 4.5). With four levels a PGD is at the same time the P4D: the kernel "folds"
 * the latter.
 */
#ifndef PAGE_TABLE_H
#define PAGE_TABLE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct { unsigned long value; } pgd_t;
typedef struct { unsigned long value; } p4d_t;
typedef struct { unsigned long value; } pud_t;
typedef struct { unsigned long value; } pmd_t;
typedef struct { unsigned long value; } pte_t;

#define ENTRIES		512UL
#define PTRS_PER_PGD	ENTRIES
#define PTRS_PER_P4D	1
#define PTRS_PER_PUD	ENTRIES
#define PTRS_PER_PMD	ENTRIES

/* Bytes that an entry stands for. */
#define PMD_SIZE	(1UL << 21)
#define PUD_SIZE	(1UL << 30)
#define PGDIR_SIZE	(1UL << 39)
#define PMD_MASK	(~(PMD_SIZE - 1))
#define PUD_MASK	(~(PUD_SIZE - 1))

#define _PAGE_PRESENT		0x001UL
#define _PAGE_RW		0x002UL
#define _PAGE_ACCESSED		0x020UL
#define _PAGE_DIRTY		0x040UL
#define _PAGE_PSE		0x080UL
#define _PAGE_GLOBAL		0x100UL
#define _PAGE_NOPTISHADOW	(1UL << 58)
#define _KERNPG_TABLE \
	(_PAGE_PRESENT | _PAGE_RW | _PAGE_ACCESSED | _PAGE_DIRTY)
#define __PAGE_KERNEL_LARGE_EXEC	(_KERNPG_TABLE | _PAGE_PSE | _PAGE_GLOBAL)

static const unsigned long __default_kernel_pte_mask = ~0UL;

/* Where an entry points to: the address without the bits around it. */
#define ADDRESS_BITS	0x000ffffffffff000UL
#define target(entry)	((void *)((entry)->value & ADDRESS_BITS))
#define __pa(pointer)	((unsigned long)(pointer))

static inline bool pgtable_l5_enabled(void) { return false; }

#define __pgd(bits)	((pgd_t) { bits })
#define __p4d(bits)	((p4d_t) { bits })
#define __pud(bits)	((pud_t) { bits })
#define __pmd(bits)	((pmd_t) { bits })

/* The kernel writes an entry by one store. */
#define set_entry(entry, new)	(*(volatile unsigned long *)&(entry)->value = (new).value)
#define set_pgd	set_entry
#define set_p4d	set_entry
#define set_pud	set_entry
#define set_pmd	set_entry

#define pgd_present(entry)	((void)(entry), true)	/* folded */
#define p4d_present(entry)	(((entry).value & _PAGE_PRESENT) != 0)
#define pud_present(entry)	(((entry).value & _PAGE_PRESENT) != 0)
#define pmd_present(entry)	(((entry).value & (_PAGE_PRESENT | _PAGE_PSE)) != 0)
#define pud_leaf(entry)		(((entry).value & _PAGE_PSE) != 0)
#define pmd_leaf(entry)		(((entry).value & _PAGE_PSE) != 0)

#define pgd_index(address)	((address) / PGDIR_SIZE % ENTRIES)
#define p4d_index(address)	((void)(address), 0)	/* folded */
#define pud_index(address)	((address) / PUD_SIZE % ENTRIES)
#define pmd_index(address)	((address) / PMD_SIZE % ENTRIES)

#define p4d_offset(pgd, address)	((p4d_t *)(pgd))	/* folded */
#define pud_offset(p4d, address)	((pud_t *)target(p4d) + pud_index(address))
#define pmd_offset(pud, address)	((pmd_t *)target(pud) + pmd_index(address))
#define pte_offset_kernel(pmd, index)	((pte_t *)target(pmd) + (index))

/* The end of the entry that `address` is in, or `end` if that comes first. */
static inline unsigned long entry_end(unsigned long address, unsigned long end, unsigned long size)
{
	unsigned long next = address / size * size + size;

	return next < end ? next : end;
}

#define pgd_addr_end(address, end)	entry_end(address, end, PGDIR_SIZE)
#define p4d_addr_end(address, end)	entry_end(address, end, PGDIR_SIZE)
#define pud_addr_end(address, end)	entry_end(address, end, PUD_SIZE)

#endif
