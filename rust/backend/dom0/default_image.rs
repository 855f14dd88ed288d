//! A default image in dom0: its data stays in dom0's pages until the hand-over pulls it out ([`InPages`]).
//!
//! Xen gets the hand-over with its parameters, of which it keeps a copy ([`XenLoad`]).

use kernel::prelude::*;

use super::boot_params;
use super::e820_ext::E820Ext;
use super::for_xen::{give, ForXen};
use super::memory::{Machine, Mapped};
use super::xen_load::XenLoad;
use crate::abi::handover::Params;
use crate::backend::error::LoadError;
use crate::backend::handover::safe_block;
use crate::backend::image::{Image, Parts};
use crate::backend::in_pages::InPages;
use crate::backend::requested_segments::{file_entry, RequestedSegments};
use crate::pure::addr::{Maddr, PAGE_SIZE};
use crate::pure::identity::Table;
use crate::pure::segment::{Segment, Segments};
use crate::sys::hypercall::ImageType;
use crate::sys::kimage::Kimage;
use crate::sys::log::Shown;
use crate::sys::machine;
use crate::sys::p2m::XenPv;
use crate::sys::pages::Block;
use crate::sys::sha256::Sha256;

/// The parts of an image whose data is in pages of dom0's.
pub(super) struct InDom0 {
    /// What is in the last segment, if it is one of ours.
    e820_ext: Option<E820Ext<Block>>,
    pages: InPages,
    xen_load: XenLoad,
}

impl InDom0 {
    /// Lays out an image: checks what the caller wants, finds pages for all of it, and builds the
    /// map and the copy list.
    #[inline(never)] // Its stack frame is large enough by itself.
    pub(super) fn prepare(kimage: &mut Kimage<'_>) -> Result<KBox<Image<Self>>, LoadError> {
        let machine = Machine::query()?;
        let mapped = machine.mapped();
        let CheckedRequest {
            segments,
            e820_ext,
            rsi,
        } = CheckedRequest::read(kimage, &machine, &mapped)?;
        warn_of_xen(&segments);

        let (pages, input) = InPages::lay_out(&segments, &machine, &mapped.place(), &mapped, rsi)?;
        let xen_load = XenLoad::new(&pages.handover, &pages.tables.block, &XenPv)?;
        let parts = Self {
            e820_ext,
            pages,
            xen_load,
        };
        Image::new(segments, &input, parts)
    }

    /// Hands what Xen needs of the image to Xen, in place of what it has. Neither allocates nor
    /// sleeps, and may be repeated.
    pub(super) fn give_to_xen(&self) -> Result {
        (self.xen_load).load(&self.pages.handover, &self.pages.tables.block)
    }
}

impl Parts for InDom0 {
    const KIND: &'static str = InPages::KIND;

    /// Copies the data to the pages that keep it.
    fn take(
        &mut self,
        kimage: &Kimage<'_>,
        segments: &Segments,
        index: usize,
        digest: &mut Sha256,
    ) -> Result<(), LoadError> {
        match (self.e820_ext.as_ref()).filter(|_| index >= kimage.nr_segments()) {
            Some(ext) => (self.pages.image).fill(segments, index, digest, |offset, page| {
                ext.read(offset, page);
                Ok(())
            }),
            None => self.pages.take(kimage, segments, index, digest),
        }
    }

    fn write_handover(&mut self, params: &Params) -> Result<(), LoadError> {
        self.pages.write_handover(params)
    }

    fn handover(&self) -> Maddr {
        self.pages.handover()
    }

    fn tables(&self) -> Result<&[Table], LoadError> {
        self.pages.tables()
    }

    fn first_source(&self) -> Option<Maddr> {
        self.pages.first_source()
    }
}

impl ForXen for InDom0 {
    const TYPE: ImageType = ImageType::Default;

    fn hand_in(image: &mut Image<Self>, _: &Kimage<'_>) -> Result<(), LoadError> {
        let kib = image.parts.pages.handover.bytes().len() >> 10;
        give("the hand-over", format_args!("{kib} KiB"), || {
            image.parts.give_to_xen()
        })
    }
}

/// Says so if the image is to be where Xen is. That is its caller's choice, and works as long as all
/// processors of the machine take part: one that is offline sleeps in Xen's code, on Xen's data.
fn warn_of_xen(segments: &Segments) {
    let Some(xen) = machine::xen_image() else {
        return;
    };
    let over_xen = |(_, segment): &(usize, &Segment)| segment.dst().overlaps(xen);
    if let Some((index, segment)) = segments.iter().enumerate().find(over_xen) {
        pr_warn!(
            "segment {index} ({}) lies over Xen ({}): a processor that is offline may wake up in it\n",
            Shown(segment.dst()),
            Shown(xen)
        );
    }
}

/// What the caller of the system call wants, made true of the machine.
struct CheckedRequest {
    segments: KBox<Segments>,
    e820_ext: Option<E820Ext<Block>>,
    /// The address of the boot parameters, where they are known.
    rsi: u64,
}

impl CheckedRequest {
    fn read(
        kimage: &mut Kimage<'_>,
        machine: &Machine,
        mapped: &Mapped<'_>,
    ) -> Result<Self, LoadError> {
        let mut requested = RequestedSegments::of(kimage);
        if !kimage.is_file() {
            return Ok(Self {
                segments: requested.check(kimage.entry(), machine.ram())?,
                e820_ext: None,
                rsi: 0,
            });
        }
        let regs = file_entry(kimage)?;
        let mut segments = requested.check(regs.rip, machine.ram())?;
        let mut e820_ext = E820Ext::new(machine.map().len(), |nr_bytes| {
            let nr_pages = nr_bytes.div_ceil(PAGE_SIZE as usize);
            let block = safe_block(
                nr_pages,
                &segments,
                &mapped.place(),
                "the machine's memory map",
            )?;
            let range = block.range();
            Ok((block, range))
        })?;
        if let Some(ext) = &e820_ext {
            requested.add(ext.segment())?;
            segments = requested.check(regs.rip, machine.ram())?;
        }
        boot_params::fix_up(kimage, regs.rsi, machine.map(), e820_ext.as_mut())?;
        Ok(Self {
            segments,
            e820_ext,
            rsi: regs.rsi,
        })
    }
}
