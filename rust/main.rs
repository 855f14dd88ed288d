// SPDX-License-Identifier: GPL-2.0

//! rkexec: the backend of kexec on x86-64, for machines whose memory the kernel does not see as it
//! is.
//!
//! The module is a livepatch. Its replacements for kernel functions are in `backend/`, what they
//! know about memory in `pure/`, and what they ask of the kernel and of Xen in `sys/`. `abi/` is
//! what they share with the hand-over, which `purgatory/` is about.

#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "also a library of the host"
)]
mod abi;
mod backend;
#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "also a library of the host"
)]
mod pure;
mod sys;

use kernel::prelude::*;

use pure::xen_abi::Wish;

module! {
    type: Rkexec,
    name: "rkexec",
    authors: ["The rkexec authors"],
    description: "kexec for Xen dom0, with a map of all memory",
    license: "GPL",
}

struct Rkexec {
    _files: backend::Files,
}

/// A 16550 has eight ports, and ports have 16 bits.
const LAST_SERIAL_PORT: u32 = 0xfff8;

impl kernel::Module for Rkexec {
    fn init(module: &'static ThisModule) -> Result<Self> {
        if serial_port() > LAST_SERIAL_PORT {
            pr_err!(
                "not loaded: serial={:#x} is not an I/O port (0 to {LAST_SERIAL_PORT:#x})\n",
                serial_port()
            );
            return Err(EINVAL);
        }
        let wish = sys::parameters::xen_abi();
        let Some(xen_abi) = Wish::parse(wish.to_bytes()) else {
            pr_err!("not loaded: xen_abi={wish}: it can be auto, v2 or v1\n");
            return Err(EINVAL);
        };
        Ok(Self {
            _files: backend::start(module, xen_abi)?,
        })
    }
}

/// The port that the hand-over reports on.
fn serial_port() -> u32 {
    sys::parameters::serial_port()
}

/// What else the hand-over is told.
fn handover_flags() -> u32 {
    let flag = |is_set, flag| if is_set { flag } else { 0 };
    flag(sys::parameters::halts(), abi::handover::FLAG_HALT)
        | flag(sys::parameters::tells_times(), abi::handover::FLAG_TIMES)
}
