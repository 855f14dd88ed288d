//! Which Xen this kernel runs on.

use core::fmt;

use super::bindings::kernel as c;
use crate::pure::xen_abi::Version;

/// Xen's version, as in `4.20`.
pub(crate) fn get() -> Version {
    // SAFETY: The function asks Xen for a number.
    let version = unsafe { c::rkexec_xen_version() };
    Version::new(version >> 16, version & 0xffff)
}

/// The rest of Xen's version, as `.4-pre` of `4.20.4-pre`.
pub(crate) struct ExtraVersion([u8; 16]);

impl ExtraVersion {
    /// Asks Xen.
    pub(crate) fn ask() -> Self {
        let mut text = [0; 16];
        // SAFETY: Xen writes as many bytes as the buffer has (`xen_extraversion_t`), or none.
        unsafe { c::rkexec_xen_extraversion(text.as_mut_ptr().cast()) };
        Self(text)
    }

    /// It, without what is behind its end.
    pub(crate) fn text(&self) -> &[u8] {
        self.0.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}

impl fmt::Display for ExtraVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(self.text()).unwrap_or_default())
    }
}
