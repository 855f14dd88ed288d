//! What rkexec does at load time, as the memory of a machine: a chunk with the hand-over and its
//! parameters, page tables, a copy list and the data it names. Then, what went wrong since.

use std::fs;
use std::mem::offset_of;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rkexec::abi::handover::{
    Entry, Header, Params, ENTRIES_PER_PAGE, FLAG_HALT, FLAG_TIMES, LOW_BYTES, PARAMS_DIGESTED,
};
use rkexec::addr::{Addr, Mfn, PAGE_SIZE as PAGE};
use rkexec::identity::{build, table_count, Levels, Mark, Paging, Sources, Table, LOW_MEMORY};
use rkexec::range::Range;
use rkexec_handover::digest::Hasher;
use rkexec_handover::memory::Memory as _;
use zerocopy::IntoBytes as _;

use crate::arena::{entry, range, Arena};
use crate::artifacts;
use crate::places::{BASE, CHUNK, END, LOW_COPY, WATCHED, XEN_TABLES};
use crate::scenario::Scenario;

/// Where the bench ends at most, and the probe begins in it (`layout.ld`).
const BENCH_END: u64 = 0x0018_0000;
const PROBE: u64 = BENCH + 0x1000;
const BENCH: u64 = 0x0010_0000;
/// Bytes of memory that QEMU is told to make.
const MEMORY: u64 = 64 << 20;
/// Page tables that map all of memory.
const TABLES: u64 = 0x0198_5000;
const NR_TABLES: u64 = 4;
/// Their root is not the first of them.
pub const ROOT: u64 = TABLES + (NR_TABLES - 1) * PAGE;
const LIST: [u64; 2] = [0x01a0_1000, 0x01a0_0000];
/// Scattered source pages: every other page from here on, from last to first, more than one list
/// page can name. They become one piece.
const SCATTERED: u64 = 0x0120_0000;
const GATHERED: u64 = 0x0100_1000;
const NR_SCATTERED: u64 = 200;
/// A long run that goes below its source and right up to it.
const LONG_TARGET: u64 = WATCHED;
const LONG: u64 = LONG_TARGET + LONG_BYTES;
const LONG_BYTES: u64 = 2 << 20;
/// Data that is in its place already, and zeros behind it.
const IN_PLACE: u64 = 0x01a4_0000;
const IN_PLACE_BYTES: u64 = 5 * PAGE;
const ZEROS: u64 = IN_PLACE + IN_PLACE_BYTES;
/// What goes to the first pages of memory, which nothing maps before the hand-over's CR3 does, and
/// to the ends of low memory if that is to be saved.
const LOW_SOURCE: u64 = 0x01a8_0000;
const LOW_END_SOURCES: [u64; 2] = [0x01a9_0000, 0x01aa_0000];
/// Where low memory is saved: at a page that is aligned to nothing more.
const BACKUP: u64 = 0x01c0_1000;
/// A page that jumps to the probe, and where it goes. It is entered not at its beginning.
const ENTRY_SOURCE: u64 = 0x01ac_0000;
pub const ENTRY_PAGE: u64 = 0x01ad_0000;
const ENTRY_OFFSET: u64 = 0x200;
/// What the next kernel is to find in RSI.
pub const RSI: u64 = 0x1234_5678_9abc_def0;
/// No memory is here.
const NOWHERE: u64 = 0x3f_0000_0000;

/// The bench prints a digest for each of these.
const PIECE: u64 = 1 << 20;

/// The memory that a scenario begins with, as a file for one machine at a time.
pub struct Memory {
    file: PathBuf,
    /// The lines that the bench says of its end when the hand-over was a success.
    pub after: Vec<String>,
    _turn: MutexGuard<'static, ()>,
}

impl Drop for Memory {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

pub fn prepare(scenario: Scenario) -> Memory {
    static TURN: Mutex<()> = Mutex::new(());
    let flat = fs::read(&artifacts::get().flat).expect("it was built");
    let mut arena = Arena::at(BASE, (END - BASE) / PAGE);
    arena.write(CHUNK, &flat);
    xen_tables(&mut arena, flat.len() as u64);
    module_tables(&mut arena);
    // jmp [rip + 0], and the address that it takes.
    arena.write(ENTRY_SOURCE + ENTRY_OFFSET, &[0xff, 0x25, 0, 0, 0, 0]);
    arena.write(ENTRY_SOURCE + ENTRY_OFFSET + 6, PROBE.as_bytes());

    let good = entries(scenario);
    let with_bad = [&*good, &*bad(scenario)].concat();
    let params = load(&mut arena, scenario, &with_bad);
    let at = CHUNK
        + u64::from(u32::from_le_bytes(
            flat[20..24].try_into().expect("4 bytes"),
        ));
    arena.write(at, bytes(&params));

    let after = arena.with_image(&as_the_bench_sees(scenario, &good));
    spoil(&mut arena, scenario, at);
    let pieces = (BASE..)
        .step_by(PIECE as usize)
        .zip(after.chunks(PIECE as usize));
    // The hand-over has written to itself, and the processor to Xen's tables.
    let pieces = pieces.filter(|&(at, _)| at != CHUNK & !(PIECE - 1));
    let after = pieces.map(|(at, bytes)| line(at, bytes)).collect();

    let name: &str = scenario.into();
    let file = artifacts::directory("memory").join(name);
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    fs::write(&file, arena.all()).expect("room for a file");
    Memory {
        file,
        after,
        _turn: turn,
    }
}

fn line(at: u64, bytes: &[u8]) -> String {
    let mut hasher = Hasher::new();
    hasher.update(bytes);
    let digest = hex::encode(&hasher.finish()[..4]);
    format!("bench: memory {at:#x} {digest}")
}

fn entries(scenario: Scenario) -> Vec<Entry> {
    let scattered = |nr| SCATTERED + (NR_SCATTERED - nr) * 2 * PAGE;
    let gather = |nr| entry(GATHERED + nr * PAGE, scattered(nr), PAGE);
    // First, so that whatever comes behind them is verified late.
    let slow = vec![entry(LONG, LONG, LONG_BYTES); slow_runs(scenario)];
    let mut entries = slow;
    entries.extend((0..NR_SCATTERED).map(gather));
    entries.extend([
        entry(LONG_TARGET, LONG, LONG_BYTES),
        entry(IN_PLACE, IN_PLACE, IN_PLACE_BYTES),
        entry(ZEROS, 0, 3 * PAGE),
        entry(0x1000, LOW_SOURCE, 2 * PAGE),
        entry(ENTRY_PAGE, ENTRY_SOURCE, PAGE),
    ]);
    if scenario == Scenario::Backup {
        entries.push(entry(0, LOW_END_SOURCES[0], PAGE));
        entries.push(entry(LOW_BYTES - PAGE, LOW_END_SOURCES[1], PAGE));
    }
    entries
}

/// How often the hand-over is to verify the same 2 MiB.
pub fn slow_runs(scenario: Scenario) -> usize {
    if scenario == Scenario::Slow {
        100
    } else {
        0
    }
}

/// What should not be in the list.
fn bad(scenario: Scenario) -> Vec<Entry> {
    match scenario {
        Scenario::ListWrap => vec![entry((1 << 52) - PAGE, LONG, 2 * PAGE)],
        Scenario::ListOverHandOver => vec![entry(CHUNK - PAGE, LONG, 2 * PAGE)],
        Scenario::SourceUnmapped | Scenario::SourceUnmappedHalt => {
            vec![entry(GATHERED, NOWHERE, PAGE)]
        }
        _ => vec![],
    }
}

/// Low memory began as a copy, and ends as one in the same place.
fn as_the_bench_sees(scenario: Scenario, entries: &[Entry]) -> Vec<Entry> {
    let low = |entry: &Entry| match entry.dst {
        dst @ 0..LOW_BYTES => LOW_COPY + dst,
        dst => dst,
    };
    let seen = entries.iter().map(|it| entry(low(it), it.src, it.len));
    let saved = (scenario == Scenario::Backup).then(|| entry(BACKUP, LOW_COPY, LOW_BYTES));
    seen.chain(saved).collect()
}

/// Writes the list, and returns the parameters for it.
fn load(arena: &mut Arena, scenario: Scenario, entries: &[Entry]) -> Params {
    let mut params = Params {
        cr3: ROOT,
        tables: TABLES,
        nr_tables: NR_TABLES,
        tables_digest: arena.digest([(TABLES, NR_TABLES * PAGE)].into_iter()),
        entry: ENTRY_PAGE + ENTRY_OFFSET,
        rsi: RSI,
        serial_port: 0x3f8,
        ..arena.write_list(entries, ENTRIES_PER_PAGE, &LIST)
    };
    match scenario {
        Scenario::NoPort => params.serial_port = 0,
        Scenario::AbsentPort => params.serial_port = 0x2f8,
        Scenario::UnknownFlag => params.flags = 1 << 7,
        Scenario::ImageHalt | Scenario::SourceUnmappedHalt => params.flags = FLAG_HALT,
        Scenario::Times => (params.flags, params.tsc_khz) = (FLAG_TIMES, 1_000_000),
        Scenario::TablesUnmapped => (params.cr3, params.tables) = (NOWHERE, NOWHERE),
        Scenario::Backup => params.backup = BACKUP,
        Scenario::BackupOverTables => params.backup = TABLES - PAGE,
        Scenario::BackupOverImage => params.backup = IN_PLACE + IN_PLACE_BYTES - PAGE,
        Scenario::ListCycle => arena.write(LIST[1], LIST[0].as_bytes()),
        Scenario::ListCount => arena.write(LIST[1] + 8, (ENTRIES_PER_PAGE as u64 + 1).as_bytes()),
        _ => {}
    }
    params.list_digest = arena.digest(LIST.map(|at| (at, PAGE)).into_iter());
    let mut hasher = Hasher::new();
    hasher.update(&bytes(&params)[..PARAMS_DIGESTED]);
    params.params_digest = hasher.finish();
    params
}

fn bytes(params: &Params) -> &[u8] {
    // SAFETY: `Params` has no padding.
    unsafe { std::slice::from_raw_parts((&raw const *params).cast(), size_of::<Params>()) }
}

/// What changes after the load: a bit.
fn spoil(arena: &mut Arena, scenario: Scenario, params: u64) {
    let at = match scenario {
        Scenario::Header => CHUNK + offset_of!(Header, version) as u64,
        Scenario::Params => params + offset_of!(Params, entry) as u64,
        Scenario::Tables => TABLES + 3 * PAGE - 1,
        Scenario::List => LIST[1] + 100,
        Scenario::Image | Scenario::ImageHalt => LONG + LONG_BYTES - 1,
        _ => return,
    };
    arena.all_mut()[(at - BASE) as usize] ^= 1;
}

/// Tables as the module makes them for this machine, by its own code: all of memory, one to one,
/// uncached where the screen is.
fn module_tables(arena: &mut Arena) {
    let ram = |start, end| Range::new(Addr::new(start)?, Addr::new(end)?);
    let mut scratch = vec![Mark::default(); Sources::marks_needed(3)];
    let mut sources = Sources::new(&mut scratch).unwrap();
    for part in [ram(0, 0x9_fc00), ram(1 << 20, MEMORY), Some(LOW_MEMORY)] {
        sources.add_write_back(part.unwrap()).unwrap();
    }
    let runs = sources.runs();
    let paging = Paging {
        levels: Levels::Four,
        gib_pages: true,
    };
    assert_eq!(table_count(runs, paging), Ok(NR_TABLES as usize));
    let mut tables = vec![Table::EMPTY; NR_TABLES as usize];
    // From the last to the first, so that the root is no special one.
    let frame = |index: usize| ROOT / PAGE - index as u64;
    build(runs, paging, &mut tables, |index, _| {
        Mfn::from_number(frame(index))
    })
    .unwrap();
    for (index, table) in tables.iter().enumerate() {
        arena.write(frame(index) * PAGE, table.entries().as_bytes());
    }
}

/// Tables as Xen's older interface leaves them to be if it does nothing of its own accord: pages of
/// 4 KiB for the hand-over and for the module's tables, and without 0-1 MiB. And for the bench, which
/// has to get there.
fn xen_tables(arena: &mut Arena, chunk_bytes: u64) {
    const PRESENT_WRITABLE: u64 = 3;
    const TWO_MIB: u64 = 2 << 20;
    let [root, pointers, directory, last] = [0, 1, 2, 3].map(|nr| XEN_TABLES + nr * PAGE);
    arena.zero(range(XEN_TABLES, (3 + END / TWO_MIB) * PAGE));
    let mut set = |table: u64, index: u64, to: u64| {
        arena.write(table + index % 512 * 8, (to | PRESENT_WRITABLE).as_bytes());
    };
    set(root, 0, pointers);
    set(pointers, 0, directory);
    for range in [
        BENCH..BENCH_END,
        CHUNK..CHUNK + chunk_bytes,
        TABLES..TABLES + NR_TABLES * PAGE,
    ] {
        for page in range.step_by(PAGE as usize) {
            let table = last + page / TWO_MIB * PAGE;
            set(directory, page / TWO_MIB, table);
            set(table, page / PAGE, page);
        }
    }
}
