/* SPDX-License-Identifier: GPL-2.0 */
/* Xen's public interface to kexec, as libxen-dev ships it (Linux has no copy of this header). */
#include <stdint.h>
#include <xen/xen.h>
#include <xen/kexec.h>
