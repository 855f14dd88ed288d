//! A crash image of `kexec_file_load` on bare metal: its data goes to the crash area when it is loaded, and
//! waits there for the hand-over, which is there as well.
//!
//! The ELF core header is not verified: the kernel writes it anew when memory comes or goes
//! (`arch_crash_handle_hotplug_event()`), and its own purgatory leaves it out for the same reason. Nothing
//! of low memory is saved: the kernel has no use for it, and its header does not have it.

use kernel::prelude::*;
use kernel::transmute::{AsBytes, FromBytes};

use super::memory::Memory;
use super::{entry_tables, install};
use crate::abi::handover::{CopyListPage, Params};
use crate::backend::blob::Blob;
use crate::backend::error::LoadError;
use crate::backend::image::{HandoverInput, Image, Parts, Verified};
use crate::backend::long_load::{give_way, unreadable};
use crate::backend::requested_segments::{file_entry, RequestedSegments};
use crate::backend::tables::{self, AllMemory};
use crate::pure::addr::{Maddr, PAGE_SIZE};
use crate::pure::copylist;
use crate::pure::identity::Table;
use crate::pure::range::MaRange;
use crate::pure::segment::Segments;
use crate::sys::crashk_res;
use crate::sys::kimage::Kimage;
use crate::sys::p2m::{Native, P2m};
use crate::sys::pages::{frame_of, ram_mut};
use crate::sys::sha256::Sha256;

/// A page of bytes.
type Page = [u8; PAGE_SIZE as usize];

/// Between two calls of [`give_way`], so many pages are loaded.
const PAGES_AT_ONCE: usize = 256;

/// The parts of an image whose data is in the crash area.
struct InCrashArea<'a> {
    blob: Blob,
    /// The pages that the hand-over will run in, and perhaps some behind them.
    handover: &'a mut [Page],
    handover_at: Maddr,
    tables: &'a mut [Table],
    /// The segment that the kernel may change later.
    core_header: Option<usize>,
}

/// Does all of the load.
#[inline(never)] // Its stack frame is large enough by itself.
pub(super) fn prepare(kimage: &mut Kimage<'_>, memory: &Memory) -> Result<(), LoadError> {
    let (mut image, all_memory) = lay_out(kimage, memory)?;
    if let Some(index) = image.parts.core_header {
        let requested = kimage.requested_segment(index).unwrap_or_default();
        let range = Maddr::new(requested.mem)
            .and_then(|start| MaRange::from_len(start, requested.memsz))
            .ok_or(LoadError::Kernel("placing the ELF core header", EIO))?;
        put(kimage, index, range, |_| ())?;
    }
    for index in 0..kimage.nr_segments() {
        image.load_segment(kimage, index)?;
    }
    let (blob, at) = (image.parts.blob, image.parts.handover_at);
    let (Some(handover), Some(start)) = (MaRange::from_len(at, blob.size() as u64), blob.entry(at))
    else {
        return Err(LoadError::Kernel("laying out the hand-over", EIO));
    };
    let root = entry_tables::make(kimage, memory, handover, all_memory)?;
    kimage.reserve_page().map_err(|_| AREA_FULL)?;
    install(kimage, root)?;
    kimage.take_over(start);
    Ok(())
}

/// Finds room for what goes with the image, and builds the map and the list. Returns with it where the
/// tables of the map are.
#[inline(never)] // Its stack frame is large enough by itself.
fn lay_out<'a>(
    kimage: &mut Kimage<'a>,
    memory: &Memory,
) -> Result<(KBox<Image<InCrashArea<'a>>>, MaRange), LoadError> {
    let area = crashk_res::of_kernel(kimage)
        .and_then(|area| Native.range(area))
        .ok_or(LoadError::Kernel("looking for the crash area", EIO))?;
    let regs = file_entry(kimage)?;
    let core_header = kimage.elf_core_header();
    let mut requested = RequestedSegments::of(kimage);
    for index in [kimage.purgatory(), core_header].into_iter().flatten() {
        requested.leave_out(index);
    }
    let segments = requested.check(regs.rip, &[area])?;

    let blob = Blob::get()?;
    let (handover, handover_at) = alloc::<Page>(kimage, blob.nr_pages())?;
    let nr_tables = tables::count(memory)?;
    let (tables, tables_at) = alloc::<Table>(kimage, nr_tables)?;
    let tables = tables.get_mut(..nr_tables).ok_or(AREA_FULL)?;
    let root = tables::build(memory, tables, tables_at)?;
    let (list, list_at) = alloc::<CopyListPage>(kimage, 1)?;
    let list = list.first_mut().ok_or(AREA_FULL)?;
    copylist::write_in_place(&segments, list);

    let all_memory = MaRange::from_len(tables_at, (nr_tables as u64).saturating_mul(PAGE_SIZE))
        .ok_or(AREA_FULL)?;
    let input = HandoverInput {
        root,
        levels: memory.paging().levels,
        tables: Verified {
            first: tables_at,
            nr_pages: nr_tables,
            digest: Sha256::digest(tables.as_bytes()),
        },
        list: Verified {
            first: list_at,
            nr_pages: 1,
            digest: Sha256::digest(list.as_bytes()),
        },
        rsi: regs.rsi,
        backup: None,
    };
    let parts = InCrashArea {
        blob,
        handover,
        handover_at,
        tables,
        core_header,
    };
    Ok((Image::new(segments, &input, parts)?, all_memory))
}

/// At least so many pages in one piece of the crash area, and where they are.
fn alloc<'a, T: FromBytes + AsBytes>(
    kimage: &mut Kimage<'a>,
    nr: usize,
) -> Result<(&'a mut [T], Maddr), LoadError> {
    let order = nr
        .checked_next_power_of_two()
        .ok_or(AREA_FULL)?
        .trailing_zeros();
    let pages = kimage.alloc_pages::<T>(order).ok_or(AREA_FULL)?;
    let first = pages.first().and_then(frame_of);
    let first = first
        .and_then(|pfn| Native.to_machine(pfn))
        .ok_or(AREA_FULL)?;
    Ok((pages, first.start()))
}

/// Nothing else can be wrong with an area that the kernel has found large enough for the segments.
const AREA_FULL: LoadError =
    LoadError::NoMemory("what goes with the image in the crash area (kernel option crashkernel=)");

/// Puts the data of segment `index` to its place `at`, zeros behind it, and has `visit` see its pages.
fn put(
    kimage: &Kimage<'_>,
    index: usize,
    at: MaRange,
    mut visit: impl FnMut(&[u8]),
) -> Result<(), LoadError> {
    let range = Native.physical(at);
    // SAFETY: The kernel has checked that the segment is in its crash area, which is RAM that is kept for
    // crash images, and the lock under which this is called keeps others from loading one.
    let place = range.and_then(|range| unsafe { ram_mut(range) });
    let place = place.ok_or(LoadError::Kernel("writing to the crash area", EIO))?;
    let data_bytes = kimage
        .requested_segment(index)
        .map_or(0, |segment| segment.bufsz as usize);
    let (data, tail) = place
        .split_at_mut_checked(
            data_bytes
                .checked_next_multiple_of(PAGE_SIZE as usize)
                .unwrap_or(usize::MAX),
        )
        .ok_or(LoadError::Kernel("writing to the crash area", EIO))?;
    for (nr, page) in data.chunks_mut(PAGE_SIZE as usize).enumerate() {
        let offset = nr.saturating_mul(page.len());
        (kimage.read(index, offset, page)).map_err(|_| unreadable(index))?;
        visit(page);
        if nr % PAGES_AT_ONCE == 0 {
            give_way()?;
        }
    }
    tail.fill(0);
    Ok(())
}

impl Parts for InCrashArea<'_> {
    const KIND: &'static str = "crash image of ";

    /// Copies the data to its place.
    fn take(
        &mut self,
        kimage: &Kimage<'_>,
        segments: &Segments,
        index: usize,
        digest: &mut Sha256,
    ) -> Result<(), LoadError> {
        let segment = segments
            .get(index)
            .filter(|segment| !segment.dst().is_empty());
        segment.map_or(Ok(()), |segment| {
            put(kimage, index, segment.dst(), |page| digest.update(page))
        })
    }

    fn write_handover(&mut self, params: &Params) -> Result<(), LoadError> {
        self.blob.write(self.handover.as_flattened_mut(), params)
    }

    fn handover(&self) -> Maddr {
        self.handover_at
    }

    fn tables(&self) -> Result<&[Table], LoadError> {
        Ok(self.tables)
    }

    fn first_source(&self) -> Option<Maddr> {
        None
    }
}
