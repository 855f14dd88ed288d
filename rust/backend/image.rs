//! An image that the hand-over starts, from its layout on: what is the same wherever its data waits.
//!
//! What differs are its [`Parts`]. All that can fail is done before the data comes. Then it comes segment
//! by segment, and the image is complete with the last one.

use core::fmt;

use kernel::prelude::*;

use super::error::LoadError;
use super::inspect::Tables;
use crate::abi::handover::{Digest, Params};
use crate::pure::addr::{Addr, Maddr, Mfn, PAGE_SIZE};
use crate::pure::identity::{Levels, Table};
use crate::pure::segment::Segments;
use crate::sys::cpu;
use crate::sys::kimage::Kimage;
use crate::sys::log::Shown;
use crate::sys::sha256::Sha256;

/// Where an image keeps its data until the hand-over comes to it, and what goes with that.
pub(crate) trait Parts {
    /// What the log says before its number of segments.
    const KIND: &'static str;

    /// Takes the data of segment `index`. All of it goes to `digest`, in whole pages, as the hand-over
    /// will read it.
    fn take(
        &mut self,
        kimage: &Kimage<'_>,
        segments: &Segments,
        index: usize,
        digest: &mut Sha256,
    ) -> Result<(), LoadError>;

    /// Writes the hand-over with its parameters, which are complete.
    fn write_handover(&mut self, params: &Params) -> Result<(), LoadError>;

    /// Where the hand-over will run.
    fn handover(&self) -> Maddr;

    /// The tables of the map of all memory. They follow one another where they will be.
    fn tables(&self) -> Result<&[Table], LoadError>;

    /// The first page that the hand-over copies from, if it copies anything.
    fn first_source(&self) -> Option<Maddr>;
}

/// Pages that the hand-over verifies before it relies on what is in them.
pub(crate) struct Verified {
    /// The first.
    pub(crate) first: Maddr,
    /// How many there are.
    pub(crate) nr_pages: usize,
    /// Over all of them.
    pub(crate) digest: Digest,
}

/// What the hand-over is to work on, but for the data.
pub(crate) struct HandoverInput {
    /// The root of the map of all memory.
    pub(crate) root: Mfn,
    /// How many levels that has.
    pub(crate) levels: Levels,
    /// The tables of that map.
    pub(crate) tables: Verified,
    /// The copy list.
    pub(crate) list: Verified,
    /// The address of the next kernel's boot parameters, where they are known.
    pub(crate) rsi: u64,
    /// Where low memory is to be saved, if it is.
    pub(crate) backup: Option<Maddr>,
}

/// An image.
pub(crate) struct Image<P> {
    segments: KBox<Segments>,
    pub(crate) parts: P,
    params: Params,
    levels: Levels,
    /// Over the data, as far as it has come.
    digest: Sha256,
    /// The segment that is to be loaded next.
    next: usize,
}

impl<P: Parts> Image<P> {
    /// One that is laid out, and whose data is still to come.
    pub(crate) fn new(
        segments: KBox<Segments>,
        input: &HandoverInput,
        parts: P,
    ) -> Result<KBox<Self>, LoadError> {
        let params = Params {
            cr3: input.root.start().raw(),
            tables: input.tables.first.raw(),
            nr_tables: input.tables.nr_pages as u64,
            tables_digest: input.tables.digest,
            list: input.list.first.raw(),
            nr_list_pages: input.list.nr_pages as u64,
            list_digest: input.list.digest,
            image_digest: Default::default(),
            entry: segments.entry().raw(),
            rsi: input.rsi,
            serial_port: crate::serial_port(),
            flags: crate::handover_flags(),
            backup: input.backup.map_or(0, Maddr::raw),
            tsc_khz: cpu::tsc_khz(),
            params_digest: Default::default(),
        };
        let image = Self {
            segments,
            parts,
            params,
            levels: input.levels,
            digest: Sha256::new(),
            next: 0,
        };
        KBox::new(image, GFP_KERNEL).map_err(|_| LoadError::NoMemory("the image"))
    }

    /// Takes the data of segment `index`. What is added to the kernel's segments follows its last one,
    /// and then the image is complete.
    pub(crate) fn load_segment(
        &mut self,
        kimage: &Kimage<'_>,
        index: usize,
    ) -> Result<(), LoadError> {
        if index != self.next || self.is_complete() {
            return Err(LoadError::Kernel("the order of the segments", EINVAL));
        }
        self.take_next(kimage)?;
        while self.next >= kimage.nr_segments() && !self.is_complete() {
            self.take_next(kimage)?;
        }
        if self.is_complete() {
            self.params.image_digest = self.digest.finish();
            self.parts.write_handover(&self.params)?;
            self.announce(kimage);
        }
        Ok(())
    }

    fn take_next(&mut self, kimage: &Kimage<'_>) -> Result<(), LoadError> {
        (self.parts).take(kimage, &self.segments, self.next, &mut self.digest)?;
        self.next = self.next.saturating_add(1);
        Ok(())
    }

    /// Whether all segments have been loaded.
    pub(crate) fn is_complete(&self) -> bool {
        self.next == self.segments.count()
    }

    /// The segments.
    pub(crate) fn segments(&self) -> &Segments {
        &self.segments
    }

    /// How many bytes the segments have.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().fold(0u64, |sum, segment| {
            sum.saturating_add(segment.dst().len_bytes())
        })
    }

    /// Tells the log where things are.
    fn announce(&self, kimage: &Kimage<'_>) {
        pr_info!(
            "{}: {}{} segments, {} MiB, to be entered at {}\n",
            kimage.call(),
            P::KIND,
            (self.segments.iter())
                .filter(|segment| !segment.dst().is_empty())
                .count(),
            self.bytes() >> 20,
            Shown(self.segments.entry())
        );
        let plural = match self.params.nr_list_pages {
            1 => "",
            _ => "s",
        };
        pr_info!(
            "hand-over at {}, {} page tables at ma:{:#x}, copy list of {} page{} at ma:{:#x}{}\n",
            Shown(self.parts.handover()),
            self.params.nr_tables,
            self.params.tables,
            self.params.nr_list_pages,
            plural,
            self.params.list,
            Shown(FirstSource(self.parts.first_source()))
        );
    }

    /// Shows the tables that the next kernel will find.
    pub(crate) fn show_tables(
        &self,
        show: &mut dyn FnMut(&Tables<'_>) -> fmt::Result,
    ) -> fmt::Result {
        let root = Addr::new(self.params.cr3).and_then(Mfn::new);
        let first = Addr::new(self.params.tables);
        let (Some(root), Some(first), Ok(tables)) = (root, first, self.parts.tables()) else {
            return Ok(());
        };
        show(&Tables {
            root,
            levels: self.levels,
            at: &|frame| {
                let offset = frame.start().checked_offset_from(first)?;
                tables.get(usize::try_from(offset / PAGE_SIZE).ok()?)
            },
        })
    }
}

/// What the log says of it.
struct FirstSource(Option<Maddr>);

impl fmt::Display for FirstSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(at) => write!(f, ", first source page {at}"),
            None => Ok(()),
        }
    }
}
