//! The Xen below this dom0: what it offers, and which of its kexec interfaces is used.
//!
//! What was found can be read in `/sys/kernel/debug/rkexec/xen`:
//!
//! ```text
//! version: 4.20.4-pre
//! interfaces: V1 V2
//! used: V2
//! ```

use core::fmt;

use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::seq_print;
use kernel::sync::SetOnce;

use crate::pure::xen_abi::{Abi, Offer, Refusal, Version, Wish};
use crate::sys::debugfs::Show;
use crate::sys::hypercall;
use crate::sys::log::Shown;
use crate::sys::xen_version::{self, ExtraVersion};

static FOUND: SetOnce<Found> = SetOnce::new();

/// What was found when the module was loaded.
pub(crate) struct Found {
    pub(super) version: Version,
    extra: ExtraVersion,
    offer: Offer,
    pub(super) used: Abi,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "version: {}{}", self.version, self.extra)?;
        f.write_str("interfaces:")?;
        for abi in [Abi::V1, Abi::V2] {
            if self.offer.has(abi) {
                write!(f, " {abi}")?;
            }
        }
        writeln!(f, "\nused: {}", self.used)
    }
}

/// Finds out what Xen offers and chooses by the user's wish. Called once, by the module's init.
pub(super) fn find(wish: Wish) -> Result<&'static Found, Refusal> {
    let version = xen_version::get();
    let offer = Offer::read(hypercall::ask(), version)?;
    let used = offer.choose(wish)?;
    let extra = ExtraVersion::ask();
    if version.may_crash_at_exec(extra.text()) {
        pr_warn!(
            "Xen {}{} may crash instead of starting an image, if a processor is offline or the firmware lists one that is not there (mended in Xen 4.21.2)\n",
            Shown(version),
            Shown(&extra)
        );
    }
    FOUND.populate(Found {
        version,
        extra,
        offer,
        used,
    });
    // It is there now: only one thread ever comes here, and waits for nobody.
    FOUND.as_ref().ok_or(Refusal::NoKexec(version))
}

/// The interface that is used.
pub(super) fn used() -> Abi {
    FOUND.as_ref().map_or(Abi::V2, |found| found.used)
}

impl Show for Found {
    fn show(&self, file: &SeqFile) -> Result {
        seq_print!(file, "{}", Shown(self));
        Ok(())
    }
}
