//! A crash image in dom0: its data goes to the crash area when it is loaded, and waits there.
//!
//! Xen puts it there, and with it the hand-over ([`CrashHandover`]), which Xen enters when it or dom0
//! has crashed. Nothing of dom0's is needed then. The hand-over verifies what it finds, saves low
//! memory, and enters the crash kernel.
//!
//! What `kexec_load` brings is passed on as it is, for its caller knows the machine. What
//! `kexec_file_load` has prepared is made true of the machine first ([`FileImage`]).

mod file_image;
mod free_ranges;
mod handover;

use kernel::prelude::*;

use super::for_xen::{give, ForXen};
use super::memory::{Machine, FIRST_MIB};
use super::{crash_area, xen};
use crate::abi::handover::Params;
use crate::backend::blob::Blob;
use crate::backend::error::LoadError;
use crate::backend::image::{HandoverInput, Image, Parts, Verified};
use crate::backend::long_load::{give_way, unreadable};
use crate::backend::requested_segments::RequestedSegments;
use crate::backend::tables::{self, AllMemory};
use crate::pure::addr::{Maddr, PAGE_SIZE};
use crate::pure::copylist;
use crate::pure::identity::Table;
use crate::pure::segment::Segments;
use crate::pure::xen_abi::{Abi, Version};
use crate::sys::buffer::Buffer;
use crate::sys::hypercall::{self, ImageType, XenSegment};
use crate::sys::kimage::Kimage;
use crate::sys::sha256::Sha256;
use crate::sys::xen_version;
use file_image::FileImage;
use free_ranges::FreeRanges;
use handover::CrashHandover;

/// The segments that Xen gets beside those of the image: the first MiB, and [`CrashHandover`].
const OURS: usize = 2;
/// The most that are left for the image.
const MOST_SEGMENTS: usize = hypercall::MAX_SEGMENTS - OURS;
/// Between two calls of [`give_way`], so much is hashed.
const BYTES_AT_ONCE: usize = 1 << 20;

/// The parts of an image whose data is in place.
pub(super) struct InCrashArea {
    handover: CrashHandover,
    /// The data of segments that the kernel does not have as it is to be, until Xen has it.
    contents: KVec<Option<Buffer>>,
}

impl InCrashArea {
    /// Lays out an image: checks what the caller wants, finds room for what goes with it, builds the
    /// map, and makes the image fit the machine.
    #[inline(never)] // Its stack frame is large enough by itself.
    pub(super) fn prepare(kimage: &mut Kimage<'_>) -> Result<KBox<Image<Self>>, LoadError> {
        if xen::used() == Abi::V1 {
            return Err(LoadError::Unsupported(
                "crash images need Xen's kexec interface V2, and V1 is used (module parameter xen_abi)",
            ));
        }
        if xen_version::get() < Version::UNLOADS_SINCE {
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
        let mut free = FreeRanges::new(area, kimage)?;
        let mut handover = place_handover(&machine, kimage.is_file(), &mut free)?;

        let mut requested = RequestedSegments::of(kimage);
        let mut contents = KVec::new();
        for _ in 0..requested.count() {
            keep(&mut contents, None)?;
        }
        let (mut entry, mut rsi) = (kimage.entry(), 0);
        if kimage.is_file() {
            let file = FileImage::prepare(kimage, &machine, &handover, &mut free)?;
            (entry, rsi) = (file.entry.rip, file.entry.rsi);
            requested.set_data_bytes(file.header_index, file.header.bytes().len());
            if let Some(place) = contents.get_mut(file.header_index) {
                *place = Some(file.header);
            }
            if let Some(ext) = file.e820_ext {
                requested.add(ext.segment())?;
                keep(&mut contents, Some(ext.into_bytes()))?;
            }
        }
        if requested.count_with_bytes() > MOST_SEGMENTS {
            return Err(LoadError::TooManySegments {
                count: requested.count_with_bytes(),
                most: MOST_SEGMENTS,
            });
        }
        free.check_room_for_xen(FIRST_MIB)?;
        let segments = requested.check(entry, &[free.area()])?;

        let (tables, tables_at) = handover.tables_mut()?;
        let nr_tables = tables.len();
        let root = tables::build(&machine, tables, tables_at)?;
        let (list, list_digest) =
            handover.write_list(|page| copylist::write_in_place(&segments, page))?;
        let input = HandoverInput {
            root,
            levels: machine.paging().levels,
            tables: Verified {
                first: tables_at,
                nr_pages: nr_tables,
                digest: handover.tables_digest()?,
            },
            list: Verified {
                first: list,
                nr_pages: 1,
                digest: list_digest,
            },
            rsi,
            backup: handover.backup()?.map(|range| range.start()),
        };
        Image::new(segments, &input, Self { handover, contents })
    }

    /// Xen copies from kernel memory only, and all at once.
    fn copy_from_user(&mut self, kimage: &Kimage<'_>, index: usize) -> Result<(), LoadError> {
        const WHAT: &str = "a copy of the image";
        let segment = kimage.requested_segment(index).unwrap_or_default();
        let mut copy = Buffer::alloc(segment.bufsz as usize).ok_or(LoadError::NoMemory(WHAT))?;
        for (nr, piece) in copy.bytes_mut().chunks_mut(BYTES_AT_ONCE).enumerate() {
            kimage
                .read(index, nr.saturating_mul(BYTES_AT_ONCE), piece)
                .map_err(|_| unreadable(index))?;
            give_way()?;
        }
        *self
            .contents
            .get_mut(index)
            .ok_or(LoadError::Kernel("looking for a segment", EINVAL))? = Some(copy);
        Ok(())
    }

    /// The data of a segment.
    fn data<'a>(&'a self, kimage: &'a Kimage<'_>, index: usize) -> &'a [u8] {
        match self.contents.get(index) {
            Some(Some(buffer)) => buffer.bytes(),
            _ => kimage.file_data(index).unwrap_or_default(),
        }
    }
}

impl Parts for InCrashArea {
    const KIND: &'static str = "crash image of ";

    /// Looks at the data, which Xen will copy to its place. Xen fills up the last page with zeros.
    fn take(
        &mut self,
        kimage: &Kimage<'_>,
        _: &Segments,
        index: usize,
        digest: &mut Sha256,
    ) -> Result<(), LoadError> {
        const ZEROS: &[u8] = &[0; PAGE_SIZE as usize];
        if !kimage.is_file() {
            self.copy_from_user(kimage, index)?;
        }
        let data = self.data(kimage, index);
        for piece in data.chunks(BYTES_AT_ONCE) {
            digest.update(piece);
            give_way()?;
        }
        let padding = data.len().wrapping_neg() % PAGE_SIZE as usize;
        digest.update(ZEROS.get(..padding).unwrap_or_default());
        Ok(())
    }

    fn write_handover(&mut self, params: &Params) -> Result<(), LoadError> {
        self.handover.write_handover(params)
    }

    fn handover(&self) -> Maddr {
        self.handover.range().start()
    }

    fn tables(&self) -> Result<&[Table], LoadError> {
        self.handover.tables()
    }

    fn first_source(&self) -> Option<Maddr> {
        None
    }
}

impl ForXen for InCrashArea {
    const TYPE: ImageType = ImageType::Crash;

    /// Xen copies all of it to the crash area.
    fn hand_in(image: &mut Image<Self>, kimage: &Kimage<'_>) -> Result<(), LoadError> {
        const NO_MEMORY: LoadError = LoadError::NoMemory("the list of segments");
        let parts = &image.parts;
        let entry =
            (parts.handover.entry()).ok_or(LoadError::Kernel("laying out the hand-over", EIO))?;
        let mut to_xen =
            KVec::with_capacity(hypercall::MAX_SEGMENTS, GFP_KERNEL).map_err(|_| NO_MEMORY)?;
        let ours = [
            XenSegment {
                dest: FIRST_MIB,
                data: None,
            },
            parts.handover.segment(),
        ];
        let theirs = image.segments().iter().enumerate();
        let theirs = theirs.map(|(index, segment)| XenSegment {
            dest: segment.dst(),
            data: Some(parts.data(kimage, index)).filter(|data| !data.is_empty()),
        });
        let wanted = theirs.filter(|segment| !segment.dest.is_empty());
        for segment in Iterator::chain(ours.into_iter(), wanted) {
            to_xen.push(segment, GFP_KERNEL).map_err(|_| NO_MEMORY)?;
        }
        let mib = image.bytes() >> 20;
        give("the crash image", format_args!("{mib} MiB"), || {
            hypercall::load_crash(entry, &to_xen)
        })?;
        drop(to_xen);
        image.parts.contents = KVec::new();
        Ok(())
    }
}

/// Finds room for what goes with the image. What is below 640 KiB is saved for images whose ELF core
/// header is ours; others have their own way with it.
fn place_handover(
    machine: &Machine,
    has_backup: bool,
    free: &mut FreeRanges,
) -> Result<CrashHandover, LoadError> {
    let blob = Blob::get()?;
    let nr_tables = tables::count(machine)?;
    let range = free.find(CrashHandover::bytes_needed(blob, nr_tables, has_backup))?;
    CrashHandover::new(blob, nr_tables, range, has_backup)
}

/// The data of one more segment.
fn keep(contents: &mut KVec<Option<Buffer>>, data: Option<Buffer>) -> Result<(), LoadError> {
    contents
        .push(data, GFP_KERNEL)
        .map_err(|_| LoadError::NoMemory("the list of segments"))
}
