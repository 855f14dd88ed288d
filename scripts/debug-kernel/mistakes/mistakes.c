// SPDX-License-Identifier: GPL-2.0
/*
 * Mistakes of locking, which a debug kernel has to report when this is loaded (selftests/src/scenario/mistakes.rs):
 * the kernel's own modules for that (lkdtm) have others.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>

static DEFINE_SPINLOCK(spinning);
static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);

static int __init mistakes_init(void)
{
	spin_lock(&spinning);
	might_sleep();
	spin_unlock(&spinning);

	/* Nobody waits: it is the order that is wrong. */
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);
	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
	return 0;
}
module_init(mistakes_init);

static void __exit mistakes_exit(void)
{
}
module_exit(mistakes_exit);

MODULE_DESCRIPTION("Mistakes of locking on purpose");
MODULE_LICENSE("GPL");
