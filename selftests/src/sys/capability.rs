//! What a thread may do: capabilities(7).

use std::io;

/// `_LINUX_CAPABILITY_VERSION_3` and `CAP_SYS_BOOT` of `linux/capability.h`.
const VERSION: u32 = 0x2008_0522;
const SYS_BOOT: u32 = 22;

/// `struct __user_cap_header_struct`.
#[repr(C)]
struct Header {
    version: u32,
    thread: i32,
}

/// `struct __user_cap_data_struct`, of which there are two: 64 capabilities.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Takes from this thread what reboot(2) and kexec_load(2) want.
pub fn drop_boot() -> io::Result<()> {
    let mut header = Header {
        version: VERSION,
        thread: 0,
    };
    let mut data = [Data::default(); 2];
    // SAFETY: The structures are those of the call in this version.
    let got = unsafe { libc::syscall(libc::SYS_capget, &mut header, data.as_mut_ptr()) };
    if got < 0 {
        return Err(io::Error::last_os_error());
    }
    data[0].effective &= !(1 << SYS_BOOT);
    // SAFETY: As above.
    let set = unsafe { libc::syscall(libc::SYS_capset, &header, data.as_ptr()) };
    if set < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
