//! Lockdown for the next kernel, where the firmware cannot tell it.
//!
//! A kernel that UEFI has started with Secure Boot locks itself down (`kernel_lockdown(7)`). On bare
//! metal it hands that on by `boot_params.secure_boot`, which counts only with EFI information. After a
//! dom0 there is none, so the next kernel would be an open one, and what a lockdown forbids root could be
//! had by a kexec. It is told by its command line instead, as the running kernel is locked down, whatever
//! for.
//!
//! The word goes to the front. What follows there can end (`--`) or swallow (`"`) what comes behind it,
//! but not what comes before, and a kernel that is locked down is never opened again by a later word.
//!
//! The line is in the same piece as the boot parameters, behind them
//! (`arch/x86/kernel/kexec-bzimage64.c`): then come zeros, up to the first `setup_data` in the piece.
//! In dom0 there are more than 112 of them, which are room for the EFI data that are not there.

use super::super::addr::Maddr;
use super::{get, offset, BootParamsError, View, SETUP_DATA_BYTES, SIZE};

/// How far the kernel is locked down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lockdown {
    /// Nobody changes the kernel.
    Integrity,
    /// Nor does anybody read out what it keeps secret.
    Confidentiality,
}

impl Lockdown {
    /// The word of the command line that says so, and a blank.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Integrity => "lockdown=integrity ",
            Self::Confidentiality => "lockdown=confidentiality ",
        }
    }
}

/// The most nodes of `setup_data` that are looked at.
const MAX_NODES: usize = 64;

/// Writes `lockdown` to the front of the command line of the boot parameters at the beginning of
/// `bytes`, which will be at the address `at`. To be done before [`fix_up`](super::fix_up), which adds
/// a `setup_data` that is somewhere else.
///
/// # Errors
///
/// Then `bytes` has not been touched: these are no boot parameters, the command line is not behind
/// them, or there is no room.
pub fn lock_down(bytes: &mut [u8], at: Maddr, lockdown: Lockdown) -> Result<(), BootParamsError> {
    let word = lockdown.word().as_bytes();
    let no_room = BootParamsError::NoRoomForLockdown;
    let view = View::new(bytes)?;
    let most = u32::from_le_bytes(view.get(offset::CMDLINE_SIZE)) as usize;
    let line_at = inside(bytes, at, view.command_line()).filter(|&line_at| line_at >= SIZE);
    let line_at = line_at.ok_or(BootParamsError::NoCommandLine)?;
    let behind = bytes.get(line_at..).unwrap_or_default();
    let line_len = behind.iter().position(|byte| *byte == 0);
    let line_len = line_len.ok_or(BootParamsError::NoCommandLine)?;
    let new_len = line_len.saturating_add(word.len());
    if new_len > most {
        return Err(no_room);
    }
    // With the zero at its end.
    let new_end = line_at.saturating_add(new_len).saturating_add(1);
    let old_end = line_at.saturating_add(line_len);
    let room = bytes.get(old_end..new_end).ok_or(no_room)?;
    let is_free = room.iter().all(|byte| *byte == 0);
    let taken = nodes(bytes, at).any(|node| (line_at..new_end).contains(&node));
    if !is_free || taken {
        return Err(no_room);
    }
    bytes.copy_within(line_at..old_end, line_at.saturating_add(word.len()));
    for (to, from) in bytes.iter_mut().skip(line_at).zip(word) {
        *to = *from;
    }
    Ok(())
}

/// Where in `bytes`, which will be at `at`, the address is.
fn inside(bytes: &[u8], at: Maddr, address: u64) -> Option<usize> {
    let offset = usize::try_from(address.checked_sub(at.raw())?).ok()?;
    (offset < bytes.len()).then_some(offset)
}

/// Where in `bytes` the nodes of `setup_data` are, up to the first that is somewhere else.
fn nodes(bytes: &[u8], at: Maddr) -> impl Iterator<Item = usize> + '_ {
    let first = u64::from_le_bytes(get(bytes, offset::SETUP_DATA));
    let next = move |node: &usize| {
        let header = bytes.get(*node..)?.first_chunk::<SETUP_DATA_BYTES>()?;
        inside(bytes, at, u64::from_le_bytes(get(header, 0)))
    };
    core::iter::successors(inside(bytes, at, first), next).take(MAX_NODES)
}
