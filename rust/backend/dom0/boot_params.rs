//! The boot parameters that `kexec_file_load` has made for the next kernel, made true of the machine.

use kernel::prelude::*;

use super::e820_ext::E820Ext;
use crate::backend::error::LoadError;
use crate::pure::addr::Addr;
use crate::pure::boot_params;
use crate::pure::memmap::MapEntry;
use crate::sys::kimage::Kimage;
use crate::sys::lockdown;

/// Writes the memory map to the parameters that will be at the machine address `at`, and what does not
/// fit there to `ext`. The next kernel is locked down as this one is.
pub(super) fn fix_up<P>(
    kimage: &mut Kimage<'_>,
    at: u64,
    map: &[MapEntry],
    ext: Option<&mut E820Ext<P>>,
) -> Result<(), LoadError> {
    const WHAT: &str = "looking for the boot parameters";
    let params = (kimage.file_data_at(at)).ok_or(LoadError::Kernel(WHAT, ENOEXEC))?;
    if let Some(level) = lockdown::level() {
        let at = Addr::new(at).ok_or(LoadError::Kernel(WHAT, ERANGE))?;
        boot_params::lock_down(params, at, level)?;
        pr_info!(
            "the next kernel will be locked down as this one is ({})\n",
            level.word().trim_end()
        );
    }
    Ok(boot_params::fix_up(params, map, ext.map(E820Ext::room))?)
}
