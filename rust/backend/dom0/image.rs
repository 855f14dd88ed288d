//! An image of either kind: what is attached to the kernel's record of it.

use core::fmt;

use kernel::prelude::*;

use super::crash::CrashImage;
use super::default::DefaultImage;
use super::slot;
use crate::backend::error::LoadError;
use crate::backend::inspect::Tables;
use crate::sys::hypercall::{self, ImageType};
use crate::sys::kimage::{ImageId, Kimage};

/// An image, from its layout on.
pub(super) enum Image {
    /// For the next `reboot(KEXEC)`.
    Default(KBox<DefaultImage>),
    /// For a crash.
    Crash(KBox<CrashImage>),
}

impl Image {
    /// Lays out the image: all that can fail before its data is touched.
    pub(super) fn prepare(kimage: &mut Kimage<'_>) -> Result<Self, LoadError> {
        match ImageType::of(kimage) {
            ImageType::Default => DefaultImage::prepare(kimage).map(Self::Default),
            ImageType::Crash => CrashImage::prepare(kimage).map(Self::Crash),
        }
    }

    /// Takes the data of segment `index`. With the last one the image is complete, and goes to Xen.
    pub(super) fn load_segment(
        &mut self,
        kimage: &Kimage<'_>,
        index: usize,
    ) -> Result<(), LoadError> {
        match self {
            Self::Default(image) => {
                image.load_segment(kimage, index)?;
                if image.is_complete() {
                    slot::fill(ImageType::Default, kimage.id(), || image.hand_in())?;
                }
            }
            Self::Crash(image) => {
                image.load_segment(kimage, index)?;
                if image.is_complete() {
                    slot::fill(ImageType::Crash, kimage.id(), || image.hand_in(kimage))?;
                }
            }
        }
        Ok(())
    }

    /// Has Xen start the image `id`, which is this one. Returns only if that is not possible, with
    /// the reason. Neither allocates nor sleeps.
    pub(super) fn exec(&self, id: ImageId) -> Error {
        match self {
            // Somebody else may have used Xen's slot since (a program that calls Xen by itself), so
            // Xen is told once more; it costs nothing.
            Self::Default(image) => slot::refill(id, || image.give_to_xen())
                .err()
                .unwrap_or_else(|| hypercall::exec(ImageType::Default)),
            Self::Crash(_) => hypercall::exec(ImageType::Crash),
        }
    }

    /// Shows the tables that the next kernel will find.
    pub(super) fn show_tables(
        &self,
        show: &mut dyn FnMut(&Tables<'_>) -> fmt::Result,
    ) -> fmt::Result {
        match self {
            Self::Default(image) => image.show_tables(show),
            Self::Crash(image) => image.show_tables(show),
        }
    }
}

impl ImageType {
    /// That of an image of the kernel's.
    pub(super) fn of(kimage: &Kimage<'_>) -> Self {
        match kimage.is_crash() {
            true => Self::Crash,
            false => Self::Default,
        }
    }
}
