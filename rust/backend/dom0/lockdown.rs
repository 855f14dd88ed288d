//! The next kernel is locked down as this one is.

use kernel::prelude::*;

use crate::backend::error::LoadError;
use crate::pure::addr::Addr;
use crate::pure::boot_params;
use crate::sys::lockdown;

/// Makes it so by the command line that comes with the boot parameters in `params`, which will be at
/// the machine address `at`. For images of `kexec_file_load`: a kernel that is locked down knows no
/// others.
pub(super) fn hand_on(params: &mut [u8], at: u64) -> Result<(), LoadError> {
    let Some(level) = lockdown::level() else {
        return Ok(());
    };
    let at = Addr::new(at).ok_or(LoadError::Kernel("looking for the boot parameters", ERANGE))?;
    boot_params::lock_down(params, at, level)?;
    pr_info!(
        "the next kernel will be locked down as this one is ({})\n",
        level.word().trim_end()
    );
    Ok(())
}
