//! Two sets of page tables: what Xen maps for an image, and what the module maps for the hand-over.
//!
//! The module's are made by the module's own code. Xen's are such as its older interface leaves
//! them to be if it does nothing of its own accord: without 0-1 MiB.

use rkexec::addr::{Addr, Mfn};
use rkexec::identity::{build, table_count, Levels, Mark, Paging, Sources, Table, LOW_MEMORY};
use rkexec::memmap::{E820Type, MapEntry};

use super::memory;
use super::stage::{self, Stage};

const PAGE: u64 = 4096;
const PRESENT_WRITABLE: u64 = 3;
/// Bytes that a page table of the second level maps.
const GIB: u64 = 1 << 30;
/// Bytes that one of the first level maps.
const TWO_MIB: u64 = 2 << 20;
const MIB: u64 = 1 << 20;

/// How many tables [`of_module`] makes.
pub const NR_OF_MODULE: u64 = 4;

fn set(table: u64, index: u64, entry: u64) {
    // SAFETY: The tables are in memory that nothing else uses.
    let bytes = unsafe { memory(table + index % 512 * 8, 8) };
    bytes.copy_from_slice(&entry.to_le_bytes());
}

/// The table at this address.
fn table<'a>(at: u64) -> &'a mut Table {
    // SAFETY: Mapped, aligned, used for nothing else; any bytes are a table.
    unsafe { &mut *(at as *mut Table) }
}

/// Tables as the module makes them for this machine: all of memory, one to one, uncached where the
/// screen is. Returns the root, which is not the first of them.
pub fn of_module(at: u64) -> u64 {
    let ram = |start, end| MapEntry {
        start,
        len_bytes: end - start,
        kind_raw: E820Type::Ram.raw(),
    };
    let mut scratch = [Mark::default(); Sources::marks_needed(3)];
    let mut sources = Sources::new(&mut scratch).expect("there is room");
    for entry in [ram(0, 0x9_fc00), ram(MIB, stage::MEMORY)] {
        sources.add_entry(entry).expect("there is room");
    }
    sources.add_write_back(LOW_MEMORY).expect("there is room");
    let runs = sources.runs();
    let paging = Paging {
        levels: Levels::Four,
        gib_pages: true,
    };
    assert_eq!(table_count(runs, paging), Ok(NR_OF_MODULE as usize));
    // From the last to the first, so that the root is no special one.
    let mut tables: [&mut Table; NR_OF_MODULE as usize] =
        core::array::from_fn(|nr| table(at + (NR_OF_MODULE - 1 - nr as u64) * PAGE));
    let frame = |_: usize, table: &Table| Mfn::new(Addr::new((&raw const *table).addr() as u64)?);
    let root = build(runs, paging, &mut tables, frame).expect("there are as many as needed");
    root.start().raw()
}

/// Tables as Xen makes them, except that 0-1 MiB is not in them: pages of 4 KiB for the hand-over
/// and for the module's tables. And for this program, which has to get there. Returns the root.
pub fn of_xen(stage: &Stage) -> u64 {
    extern "C" {
        static bench_start: u8;
        static bench_end: u8;
    }
    let own = (&raw const bench_start).addr() as u64..(&raw const bench_end).addr() as u64;
    let chunk = stage::CHUNK..stage::CHUNK + u64::from(stage.header.size);
    let tables = stage::TABLES..stage::TABLES + NR_OF_MODULE * PAGE;

    let (root, pointers, directory) = (
        stage::XEN_TABLES,
        stage::XEN_TABLES + PAGE,
        stage::XEN_TABLES + 2 * PAGE,
    );
    // SAFETY: Nothing else is there.
    unsafe { memory(stage::XEN_TABLES, (3 + stage::MEMORY / TWO_MIB) * PAGE) }.fill(0);
    set(root, 0, pointers | PRESENT_WRITABLE);
    set(pointers, 0, directory | PRESENT_WRITABLE);
    for range in [own, chunk, tables] {
        for address in range.step_by(PAGE as usize) {
            assert!((1 << 20..GIB).contains(&address));
            let large = address / TWO_MIB;
            let table = stage::XEN_TABLES + (3 + large) * PAGE;
            set(directory, large, table | PRESENT_WRITABLE);
            set(table, address / PAGE, address | PRESENT_WRITABLE);
        }
    }
    root
}
