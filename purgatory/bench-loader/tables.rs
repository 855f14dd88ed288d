//! Two sets of page tables: what Xen maps for an image, and what the module maps for the hand-over.

use super::memory;
use super::stage::{self, Stage};

const PAGE: u64 = 4096;
const PRESENT_WRITABLE: u64 = 3;
const LARGE: u64 = 1 << 7;
/// PCD and PWT: uncached, in every PAT that has been seen.
const UNCACHED: u64 = 0x18;
/// Bytes that a page table of the second level maps.
const GIB: u64 = 1 << 30;
/// Bytes that one of the first level maps.
const TWO_MIB: u64 = 2 << 20;

/// How many tables [`of_module`] makes.
pub const NR_OF_MODULE: u64 = 4;

fn set(table: u64, index: u64, entry: u64) {
    // SAFETY: The tables are in memory that nothing else uses.
    let bytes = unsafe { memory(table + index % 512 * 8, 8) };
    bytes.copy_from_slice(&entry.to_le_bytes());
}

/// Tables as the module makes them: all of memory, one to one, uncached where the screen is.
/// Returns the root, which is not the first of them.
pub fn of_module(at: u64) -> u64 {
    let [low, directory, pointers, root] = [0, 1, 2, 3].map(|nr| at + nr * PAGE);
    // SAFETY: Nothing else is there.
    unsafe { memory(at, NR_OF_MODULE * PAGE) }.fill(0);
    for page in 0..512 {
        let address = page * PAGE;
        let uncached = (0xa_0000..0x10_0000).contains(&address);
        set(
            low,
            page,
            address | PRESENT_WRITABLE | if uncached { UNCACHED } else { 0 },
        );
    }
    set(directory, 0, low | PRESENT_WRITABLE);
    for large in 1..stage::MEMORY / TWO_MIB {
        set(
            directory,
            large,
            (large * TWO_MIB) | PRESENT_WRITABLE | LARGE,
        );
    }
    set(pointers, 0, directory | PRESENT_WRITABLE);
    set(root, 0, pointers | PRESENT_WRITABLE);
    root
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
