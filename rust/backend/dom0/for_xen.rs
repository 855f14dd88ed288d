//! How Xen gets an image, whatever its type.

use core::fmt;

use kernel::prelude::*;
use kernel::time::{Instant, Monotonic};

use crate::backend::error::LoadError;
use crate::backend::image::{Image, Parts};
use crate::sys::hypercall::ImageType;
use crate::sys::kimage::Kimage;

/// The parts of an image that Xen gets.
pub(super) trait ForXen: Parts + Sized {
    /// Of which type it is.
    const TYPE: ImageType;

    /// Gives it to Xen for the first time, in place of what Xen has.
    fn hand_in(image: &mut Image<Self>, kimage: &Kimage<'_>) -> Result<(), LoadError>;
}

/// Gives Xen something by `load`, and tells the log how long that took.
pub(super) fn give(
    what: &'static str,
    size: fmt::Arguments<'_>,
    load: impl FnOnce() -> Result,
) -> Result<(), LoadError> {
    let start = Instant::<Monotonic>::now();
    load().map_err(|e| LoadError::Xen(what, e))?;
    let took = start.elapsed();
    pr_info!(
        "Xen has {what}: {size}, load hypercall {} us\n",
        took.as_micros_ceil()
    );
    Ok(())
}
