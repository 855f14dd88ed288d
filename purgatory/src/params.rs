//! From what the module wrote to what the hand-over may rely on.

use rkexec::abi::handover::{
    Header, Params, FLAG_HALT, FLAG_TIMES, MAGIC, MAX_SIZE, PARAMS_DIGESTED, VERSION,
};
use rkexec::addr::{Maddr, Mfn, PAGE_SIZE};
use rkexec::range::MaRange;

use super::backup::Backup;
use super::digest;

/// What is wrong with the header or the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamsFault {
    /// The header is not the one that this hand-over was built with.
    Header,
    /// The parameters do not have their digest: nothing in them can be trusted.
    Digest,
    /// They have it, but make no sense: whoever filled them in is at fault.
    Malformed,
}

/// Parameters that passed their checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The root table: one of `tables`.
    pub root: Mfn,
    /// The page tables.
    pub tables: MaRange,
    /// Where the next kernel is entered.
    pub entry: u64,
    /// RSI then.
    pub rsi: u64,
    /// Where to report.
    pub port: Option<u16>,
    /// Halt on failure instead of resetting.
    pub halt: bool,
    /// Tell how long each part has taken.
    pub times: bool,
    /// Where low memory is to be saved; it overlaps neither `tables` nor the hand-over.
    pub backup: Option<Backup>,
}

/// Checks the header against what the linker laid out: `size` bytes, parameters at `params_offset`.
///
/// # Errors
///
/// [`ParamsFault::Header`].
pub fn check_header(header: &Header, size: u64, params_offset: u64) -> Result<(), ParamsFault> {
    if header.magic == MAGIC
        && header.version == VERSION
        && u64::from(header.size) == size
        && header.size <= MAX_SIZE
        && u64::from(header.params_offset) == params_offset
    {
        Ok(())
    } else {
        Err(ParamsFault::Header)
    }
}

/// Checks `params` against their digest. `digested` are their first bytes as they lie in memory,
/// `chunk` is the hand-over itself.
///
/// # Errors
///
/// [`ParamsFault::Digest`], [`ParamsFault::Malformed`].
pub fn check(
    params: &Params,
    digested: &[u8; PARAMS_DIGESTED],
    chunk: MaRange,
) -> Result<Checked, ParamsFault> {
    if !digest::matches(digested, &params.params_digest) {
        return Err(ParamsFault::Digest);
    }
    read(params, chunk).ok_or(ParamsFault::Malformed)
}

/// The values of `params`, if they are valid.
fn read(params: &Params, chunk: MaRange) -> Option<Checked> {
    if params.flags & !(FLAG_HALT | FLAG_TIMES) != 0 {
        return None;
    }
    let first = Mfn::new(Maddr::new(params.tables)?)?;
    let tables = MaRange::from_len(first.start(), params.nr_tables.checked_mul(PAGE_SIZE)?)?;
    let root = Mfn::new(Maddr::new(params.cr3)?)?;
    // The digest of the tables covers the root only if it is one of them. Page 0 is never a table.
    if !tables.contains(root.start()) || params.tables == 0 {
        return None;
    }
    Some(Checked {
        root,
        tables,
        entry: params.entry,
        rsi: params.rsi,
        port: port(params.serial_port)?,
        halt: params.flags & FLAG_HALT != 0,
        times: params.flags & FLAG_TIMES != 0,
        backup: backup(params.backup, [chunk, tables])?,
    })
}

/// The backup at `raw`, which must spare what is `in_use`; or `Some(None)` for none at all.
fn backup(raw: u64, in_use: [MaRange; 2]) -> Option<Option<Backup>> {
    if raw == 0 {
        return Some(None);
    }
    let backup = Backup::at(raw)?;
    let spares = |range: &MaRange| !range.overlaps(backup.range());
    in_use.iter().all(spares).then_some(Some(backup))
}

/// The port of a 16550, which has eight registers; or `Some(None)` for none at all.
fn port(raw: u32) -> Option<Option<u16>> {
    if raw == 0 {
        return Some(None);
    }
    let port = u16::try_from(raw).ok()?;
    port.checked_add(7).map(|_last| Some(port))
}
