/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen's public headers, as libxen-dev ships them, as far as Linux has no copy of its own. Not those of
 * kexec: rust/abi/xen_kexec.rs has what many Xens know of it, and the headers what one does.
 */
#include <stdint.h>
/* Of the toolstack's interface only the processor's features are asked for. */
#define __XEN_TOOLS__ 1
#include <xen/xen.h>
#include <xen/sysctl.h>
