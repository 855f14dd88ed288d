/* What build.rs has bindgen translate: Xen's public interface (package libxen-dev). */
#define __XEN_TOOLS__ 1 /* the system control operations are for tools only */
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/kexec.h>
#include <xen/memory.h>
#include <xen/sysctl.h>
#include <xen/version.h>
#include <xen/sys/privcmd.h>
