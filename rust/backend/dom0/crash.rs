//! A crash image in dom0: its data goes to the crash area when it is loaded, and waits there.
//!
//! Xen puts it there, and with it the hand-over ([`Support`]), which Xen enters when it or dom0 has
//! crashed. Nothing of dom0's is needed then. The hand-over verifies what it finds, saves low memory,
//! and enters the crash kernel.
//!
//! What `kexec_load` brings is passed on as it is, for its caller knows the machine. What
//! `kexec_file_load` has prepared is made true of the machine first ([`FileImage`]).

mod file;
mod place;
mod support;

use core::fmt;

use kernel::prelude::*;
use kernel::time::{Instant, Monotonic};

use super::claims::Claims;
use super::handover::Blob;
use super::memory::{Machine, FIRST_MIB};
use super::{crash_area, tables, xen};
use super::{give_way, unreadable};
use crate::abi::handover::Params;
use crate::backend::error::LoadError;
use crate::backend::inspect::Tables;
use crate::pure::addr::{Addr, Mfn, PAGE_SIZE};
use crate::pure::copylist;
use crate::pure::segment::Segments;
use crate::pure::xen_abi::{Abi, Version};
use crate::sys::buffer::Buffer;
use crate::sys::hypercall::{self, Segment};
use crate::sys::kimage::Kimage;
use crate::sys::log::Shown;
use crate::sys::machine;
use crate::sys::sha256::Sha256;
use file::FileImage;
use place::Places;
use support::Support;

/// The segments that Xen gets beside those of the image: the first MiB, and [`Support`].
const OURS: usize = 2;
/// The most that are left for the image.
const MOST_SEGMENTS: usize = hypercall::MAX_SEGMENTS - OURS;
/// Between two calls of [`give_way`], so much is hashed.
const BYTES_AT_ONCE: usize = 1 << 20;

/// The kernel asks for another segment than the next one.
const NO_SEGMENT: LoadError = LoadError::Kernel("the order of the segments", EINVAL);

/// An image, from its layout on.
pub(super) struct CrashImage {
    segments: KBox<Segments>,
    support: Support,
    params: Params,
    /// The data of segments that the kernel does not have as it is to be, until Xen has it.
    contents: KVec<Option<Buffer>>,
    /// Over the data, as far as it has been seen.
    digest: Sha256,
    /// The segment that is to be loaded next.
    next: usize,
}

impl CrashImage {
    /// Lays out the image: checks what the caller wants, finds room for what goes with it, builds the
    /// map, and makes the image fit the machine.
    #[inline(never)] // Its stack frame is large enough by itself.
    pub(super) fn prepare(kimage: &mut Kimage<'_>) -> Result<KBox<Self>, LoadError> {
        if xen::used() == Abi::V1 {
            return Err(LoadError::Unsupported(
                "crash images need Xen's kexec interface V2, and V1 is used (module parameter xen_abi)",
            ));
        }
        if machine::xen_version() < Version::UNLOADS_SINCE {
            return Err(LoadError::Unsupported(
                "crash images need Xen 4.9 or later, for those before cannot unload one",
            ));
        }
        kimage.never_update();
        let machine = Machine::query()?;
        let area = crash_area::area()?;
        // By that map the hand-over finds all that lies there.
        if !area.is_in(machine.ram()) {
            return Err(LoadError::Unsupported(
                "Xen's crash area is not all in the RAM of Xen's own memory map",
            ));
        }
        let mut places = Places::new(area, kimage)?;
        let mut support = place_support(&machine, kimage.is_file(), &mut places)?;

        let mut claims = Claims::of(kimage);
        let mut contents = KVec::new();
        for _ in 0..claims.count() {
            keep(&mut contents, None)?;
        }
        let (mut entry, mut rsi) = (kimage.entry(), 0);
        if kimage.is_file() {
            let file = FileImage::prepare(kimage, &machine, &support, &mut places)?;
            (entry, rsi) = (file.entry, file.rsi);
            claims.set_data_bytes(file.header_index, file.header.bytes().len());
            if let Some(place) = contents.get_mut(file.header_index) {
                *place = Some(file.header);
            }
            if let Some((claim, bytes)) = file.extension {
                claims.add(claim)?;
                keep(&mut contents, Some(bytes))?;
            }
        }
        if claims.count_with_bytes() > MOST_SEGMENTS {
            return Err(LoadError::TooManySegments {
                count: claims.count_with_bytes(),
                most: MOST_SEGMENTS,
            });
        }
        places.check_room_for_xen(FIRST_MIB)?;
        let segments = claims.check(entry, &[places.area()])?;

        let (tables, tables_at) = support.tables_mut()?;
        let nr_tables = tables.len() as u64;
        let root = tables::build(&machine, tables, tables_at)?;
        let (list, list_digest) =
            support.write_list(|page| copylist::write_in_place(&segments, page))?;
        let params = Params {
            cr3: root.start().raw(),
            tables: tables_at.raw(),
            nr_tables,
            tables_digest: support.tables_digest()?,
            list: list.raw(),
            nr_list_pages: 1,
            list_digest,
            image_digest: Default::default(),
            entry: segments.entry().raw(),
            rsi,
            serial_port: crate::serial_port(),
            flags: crate::handover_flags(),
            backup: support.backup()?.map_or(0, |range| range.start().raw()),
            params_digest: Default::default(),
        };
        let image = Self {
            segments,
            support,
            params,
            contents,
            digest: Sha256::new(),
            next: 0,
        };
        KBox::new(image, GFP_KERNEL).map_err(|_| LoadError::NoMemory("the image"))
    }

    /// Looks at the data of segment `index`. With the kernel's last one the image is complete.
    pub(super) fn load_segment(
        &mut self,
        kimage: &Kimage<'_>,
        index: usize,
    ) -> Result<(), LoadError> {
        if index != self.next {
            return Err(NO_SEGMENT);
        }
        if !kimage.is_file() {
            self.copy_from_user(kimage, index)?;
        }
        self.add_to_digest(kimage, index)?;
        if self.next == kimage.nr_segments() && !self.is_complete() {
            self.add_to_digest(kimage, self.next)?;
        }
        if self.is_complete() {
            self.params.image_digest = self.digest.finish();
            self.support.write_handover(&self.params)?;
        }
        Ok(())
    }

    /// Xen copies from kernel memory only, and all at once.
    fn copy_from_user(&mut self, kimage: &Kimage<'_>, index: usize) -> Result<(), LoadError> {
        const WHAT: &str = "a copy of the image";
        let claim = kimage.claim(index).unwrap_or_default();
        let mut copy = Buffer::alloc(claim.bufsz as usize).ok_or(LoadError::NoMemory(WHAT))?;
        for (nr, piece) in copy.bytes_mut().chunks_mut(BYTES_AT_ONCE).enumerate() {
            kimage
                .read(index, nr.saturating_mul(BYTES_AT_ONCE), piece)
                .map_err(|_| unreadable(index))?;
            give_way()?;
        }
        *self.contents.get_mut(index).ok_or(NO_SEGMENT)? = Some(copy);
        Ok(())
    }

    /// The data of a segment.
    fn data<'a>(&'a self, kimage: &'a Kimage<'_>, index: usize) -> &'a [u8] {
        match self.contents.get(index) {
            Some(Some(buffer)) => buffer.bytes(),
            _ => kimage.file_data(index).unwrap_or_default(),
        }
    }

    /// The hand-over reads whole pages, of which Xen fills up the last with zeros.
    fn add_to_digest(&mut self, kimage: &Kimage<'_>, index: usize) -> Result<(), LoadError> {
        const ZEROS: &[u8] = &[0; PAGE_SIZE as usize];
        let mut digest = core::mem::replace(&mut self.digest, Sha256::new());
        let data = self.data(kimage, index);
        for piece in data.chunks(BYTES_AT_ONCE) {
            digest.update(piece);
            give_way()?;
        }
        let padding = data.len().wrapping_neg() % PAGE_SIZE as usize;
        digest.update(ZEROS.get(..padding).unwrap_or_default());
        self.digest = digest;
        self.next = self.next.saturating_add(1);
        Ok(())
    }

    /// Whether all segments have been seen.
    pub(super) fn is_complete(&self) -> bool {
        self.next == self.segments.count()
    }

    /// Gives all of it to Xen, which copies it to the crash area.
    pub(super) fn hand_in(&mut self, kimage: &Kimage<'_>) -> Result<(), LoadError> {
        self.announce(kimage);
        let entry =
            (self.support.entry()).ok_or(LoadError::Kernel("laying out the hand-over", EIO))?;
        let mut to_xen = KVec::with_capacity(hypercall::MAX_SEGMENTS, GFP_KERNEL)
            .map_err(|_| LoadError::NoMemory("the list of segments"))?;
        let ours = [
            Segment {
                dest: FIRST_MIB,
                data: None,
            },
            self.support.segment(),
        ];
        let theirs = self.segments.iter().enumerate();
        let theirs = theirs.map(|(index, segment)| Segment {
            dest: segment.dst(),
            data: Some(self.data(kimage, index)).filter(|data| !data.is_empty()),
        });
        let wanted = theirs.filter(|segment| !segment.dest.is_empty());
        for segment in Iterator::chain(ours.into_iter(), wanted) {
            to_xen
                .push(segment, GFP_KERNEL)
                .map_err(|_| LoadError::NoMemory("the list of segments"))?;
        }
        let start = Instant::<Monotonic>::now();
        hypercall::load_crash(entry, &to_xen).map_err(|e| LoadError::Xen("the crash image", e))?;
        let took = start.elapsed();
        drop(to_xen);
        self.contents = KVec::new();
        pr_info!(
            "Xen has the crash image: {} MiB, load hypercall {} us\n",
            self.bytes() >> 20,
            took.as_micros_ceil()
        );
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().fold(0u64, |sum, segment| {
            sum.saturating_add(segment.dst().len_bytes())
        })
    }

    /// Tells the log where things are.
    fn announce(&self, kimage: &Kimage<'_>) {
        pr_info!(
            "{}: crash image of {} segments, {} MiB, to be entered at {}\n",
            kimage.call(),
            self.segments.count(),
            self.bytes() >> 20,
            Shown(self.segments.entry())
        );
        pr_info!(
            "hand-over at {}, {} page tables at ma:{:#x}, copy list of 1 page at ma:{:#x}\n",
            Shown(self.support.range().start()),
            self.params.nr_tables,
            self.params.tables,
            self.params.list
        );
    }

    /// Shows the tables that the next kernel will find.
    pub(super) fn show_tables(
        &self,
        show: &mut dyn FnMut(&Tables<'_>) -> fmt::Result,
    ) -> fmt::Result {
        let root = Addr::new(self.params.cr3).and_then(Mfn::new);
        match (root, self.support.tables()) {
            (Some(root), Ok((tables, first))) => tables::show(root, tables, first, show),
            _ => Ok(()),
        }
    }
}

/// Finds room for what goes with the image. What is below 640 KiB is saved for images whose ELF core
/// header is ours; others have their own way with it.
fn place_support(
    machine: &Machine,
    has_backup: bool,
    places: &mut Places,
) -> Result<Support, LoadError> {
    let blob = Blob::get()?;
    let nr_tables = tables::count(machine)?;
    let range = places.find(Support::bytes_needed(blob, nr_tables, has_backup))?;
    Support::new(blob, nr_tables, range, has_backup)
}

/// The data of one more segment.
fn keep(contents: &mut KVec<Option<Buffer>>, data: Option<Buffer>) -> Result<(), LoadError> {
    contents
        .push(data, GFP_KERNEL)
        .map_err(|_| LoadError::NoMemory("the list of segments"))
}
