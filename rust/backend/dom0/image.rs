//! An image of either type: what is attached to the kernel's record of it, and how Xen gets it.

use core::fmt;

use kernel::prelude::*;

use super::crash_image::InCrashArea;
use super::default_image::InDom0;
use super::for_xen::ForXen;
use super::slot;
use crate::backend::error::LoadError;
use crate::backend::image::Image;
use crate::backend::inspect::Tables;
use crate::sys::hypercall::{self, ImageType};
use crate::sys::kimage::{ImageId, Kimage};

/// An image, from its layout on.
pub(super) enum Dom0Image {
    /// For the next `reboot(KEXEC)`.
    Default(KBox<Image<InDom0>>),
    /// For a crash.
    Crash(KBox<Image<InCrashArea>>),
}

impl Dom0Image {
    /// Lays out the image: all that can fail before its data is touched.
    pub(super) fn prepare(kimage: &mut Kimage<'_>) -> Result<Self, LoadError> {
        match ImageType::of(kimage) {
            ImageType::Default => InDom0::prepare(kimage).map(Self::Default),
            ImageType::Crash => InCrashArea::prepare(kimage).map(Self::Crash),
        }
    }

    /// Takes the data of segment `index`. With the last one the image is complete, and goes to Xen.
    pub(super) fn load_segment(
        &mut self,
        kimage: &Kimage<'_>,
        index: usize,
    ) -> Result<(), LoadError> {
        match self {
            Self::Default(image) => load_segment(image, kimage, index),
            Self::Crash(image) => load_segment(image, kimage, index),
        }
    }

    /// Has Xen start the image `id`, which is this one. Returns only if that is not possible, with
    /// the reason. Neither allocates nor sleeps.
    pub(super) fn exec(&self, id: ImageId) -> Error {
        match self {
            // Somebody else may have used Xen's slot since (a program that calls Xen by itself), so
            // Xen is told once more; it costs nothing.
            Self::Default(image) => slot::refill(id, || image.parts.give_to_xen())
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

fn load_segment<P: ForXen>(
    image: &mut Image<P>,
    kimage: &Kimage<'_>,
    index: usize,
) -> Result<(), LoadError> {
    image.load_segment(kimage, index)?;
    match image.is_complete() {
        true => slot::fill(P::TYPE, kimage.id(), || P::hand_in(image, kimage)),
        false => Ok(()),
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
