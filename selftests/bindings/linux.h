/* What build.rs has bindgen translate: the kernel's user interface (package linux-libc-dev). */
#include <linux/kexec.h>
#include <asm/bootparam.h>
