// SPDX-License-Identifier: GPL-2.0
/*
 * Linux's builder of identity maps, behind a function that src/linux.rs can call.
 *
 * It is called as init_pgtable() in arch/x86/kernel/machine_kexec_64.c calls it: one root, then a
 * call for each range, with the same flags. Tables come from an array instead of the kernel's
 * allocator; they are cleared when they are taken, as there.
 */
#include <string.h>

#include "page_table.h"

#include <asm/init.h>

#include "ident_map.c"

struct range {
	uint64_t start;
	uint64_t end;
};

struct table {
	uint64_t entries[ENTRIES];
};

/* The tables that are left. */
struct pool {
	struct table *next;
	struct table *end;
};

static void *take_table(void *context)
{
	struct pool *pool = context;

	if (pool->next == pool->end)
		return NULL;
	return memset(pool->next++, 0, sizeof(struct table));
}

/*
 * Maps the ranges, in bytes, with tables of 4096 aligned bytes. The first table is the root.
 * Returns how many were taken, or 0 if they are too few.
 */
size_t linux_identity_map(struct table *tables, size_t nr_tables, const struct range *ranges,
			  size_t nr_ranges, bool gib_pages)
{
	struct pool pool = { tables, tables + nr_tables };
	struct x86_mapping_info info = {
		.alloc_pgt_page = take_table,
		.context = &pool,
		.page_flag = __PAGE_KERNEL_LARGE_EXEC,
		.kernpg_flag = _KERNPG_TABLE,
		.direct_gbpages = gib_pages,
	};
	pgd_t *root = take_table(&pool);

	if (!root)
		return 0;
	for (size_t i = 0; i < nr_ranges; i++)
		if (kernel_ident_mapping_init(&info, root, ranges[i].start, ranges[i].end))
			return 0;
	return pool.next - tables;
}
