/* What build.rs has bindgen translate: the kernel's user interface (package linux-libc-dev). */
#include <stdint.h>
#include <sys/ioctl.h>
#include <linux/kexec.h>
#include <linux/userfaultfd.h>
#include <asm/bootparam.h>

/* Expressions that bindgen does not translate as they are. */
static const uint64_t ioctl_uffdio_api = UFFDIO_API;
static const uint64_t ioctl_uffdio_register = UFFDIO_REGISTER;
static const uint64_t ioctl_uffdio_copy = UFFDIO_COPY;
static const uint64_t uffd_register_missing = UFFDIO_REGISTER_MODE_MISSING;
static const uint64_t uffd_api = UFFD_API;
