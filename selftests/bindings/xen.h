/* What build.rs has bindgen translate: Xen's public interface (package libxen-dev). */
#define __XEN_TOOLS__ 1 /* the system control operations are for tools only */
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/kexec.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/sysctl.h>
#include <xen/version.h>
#include <xen/sys/privcmd.h>
#include <sys/ioctl.h>

/* Expressions that bindgen does not translate as they are. */
static const uint16_t domid_xen = DOMID_XEN;
static const uint16_t domid_io = DOMID_IO;
static const uint64_t ioctl_privcmd_hypercall = IOCTL_PRIVCMD_HYPERCALL;
static const uint64_t ioctl_privcmd_restrict = IOCTL_PRIVCMD_RESTRICT;
static const uint64_t ioctl_privcmd_unimplemented = IOCTL_PRIVCMD_UNIMPLEMENTED;
static const uint64_t ioctl_privcmd_mmapbatch_v2 = IOCTL_PRIVCMD_MMAPBATCH_V2;
