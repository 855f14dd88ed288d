//! Which versions of its interfaces a Xen has.

use anyhow::Result;

use super::Xen;
use crate::sys::bindings::xen;

impl Xen {
    /// The kexec interfaces that Xen has, by name: those whose command to unload refuses a type of image
    /// that does not exist. Nothing changes by that. (The headers of newer versions do not have the
    /// command of V1.)
    pub fn kexec_interfaces(&self) -> Vec<&'static str> {
        const UNLOAD_V1: u32 = 2;
        const NO_TYPE: u64 = 0x77;
        const COMMANDS: [(&str, u32); 2] = [("V1", UNLOAD_V1), ("V2", xen::KEXEC_CMD_kexec_unload)];
        let mut request = [0; 64];
        request[0] = NO_TYPE;
        let has = |command| {
            // SAFETY: The request is longer than those of both operations; there is no such image
            // that could be unloaded.
            let answer = unsafe { self.kexec_op(command, request) };
            answer.is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL))
        };
        let found = COMMANDS.into_iter().filter(|(_, command)| has(*command));
        found.map(|(name, _)| name).collect()
    }

    pub fn sysctl_version(&self) -> Result<u32> {
        Ok(self.physinfo()?.interface_version)
    }
}
