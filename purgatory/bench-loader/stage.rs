//! What the module does at load time: a chunk with the hand-over and its parameters, page tables, a
//! copy list and the data it names. Then, what went wrong since.

use core::arch::asm;
use core::mem::offset_of;
use core::sync::atomic::{AtomicBool, Ordering};

use rkexec::abi::handover::{
    Digest, Entry, Header, ListPage, Params, ENTRIES_PER_PAGE, FLAG_HALT, LOW_BYTES,
    PARAMS_DIGESTED,
};
use rkexec_bare::address_of;
use rkexec_handover::digest::Hasher;

use super::scenario::Scenario;
use super::{memory, tables};

const PAGE: u64 = 4096;

/// Bytes of memory that QEMU is told to make. All addresses below are inside.
pub const MEMORY: u64 = 64 << 20;
/// The hand-over: at a page that is aligned to nothing more.
pub const CHUNK: u64 = 0x0180_3000;
/// Page tables that map little.
pub const XEN_TABLES: u64 = 0x01a0_0000;
/// Page tables that map all of memory.
pub const TABLES: u64 = 0x01c0_5000;
/// The list pages, from last to first.
const LIST: u64 = 0x01d0_0000;
/// Scattered source pages: every other page from here on, from last to first.
const SCATTERED: u64 = 0x0200_0000;
/// Where these go: one behind the other.
const GATHERED: u64 = 0x0100_1000;
/// How many there are: more than one list page can name.
const NR_SCATTERED: u64 = 200;
/// A long run of source pages, and where it goes: below its source and right up to it.
const LONG: u64 = 0x0280_0000;
const LONG_TARGET: u64 = LONG - LONG_BYTES;
const LONG_BYTES: u64 = 2 << 20;
/// Data that is in its place already, and zeros behind it.
const IN_PLACE: u64 = 0x02c0_0000;
const IN_PLACE_BYTES: u64 = 5 * PAGE;
const ZEROS: u64 = IN_PLACE + IN_PLACE_BYTES;
const ZERO_BYTES: u64 = 3 * PAGE;
/// The first pages of memory, which nothing maps before the hand-over's CR3 does.
const LOW: u64 = 0x1000;
const LOW_RUN_BYTES: u64 = 2 * PAGE;
const LOW_SOURCE: u64 = 0x02d0_0000;
/// The ends of low memory, overwritten if it is to be saved, and with what.
const LOW_ENDS: [u64; 2] = [0, LOW_BYTES - PAGE];
const LOW_END_SOURCES: [u64; 2] = [0x02d1_0000, 0x02d2_0000];
/// Where low memory is saved: at a page that is aligned to nothing more.
const BACKUP: u64 = 0x0340_1000;
/// Room for a copy of low memory. To the language there is nothing at address 0, so nothing but
/// [`copy`] goes there.
const LOW_COPY: u64 = 0x0360_0000;
/// Where the next kernel begins: a page that jumps to the probe.
const ENTRY_SOURCE: u64 = 0x02e0_0000;
/// Where this page goes, and an offset in it.
pub const ENTRY_PAGE: u64 = 0x0300_0000;
/// Where the next kernel is entered: not at the beginning of a page.
pub const ENTRY: u64 = ENTRY_PAGE + 0x200;
/// What the next kernel is to find in RSI.
pub const RSI: u64 = 0x1234_5678_9abc_def0;
/// A destination that is watched by a debug register when the hand-over begins.
pub const WATCHED: u64 = LONG_TARGET;
/// No memory is here.
const NOWHERE: u64 = 0x3f_0000_0000;

/// Pages that the image leaves alone, next to its destinations.
const BYSTANDERS: [u64; 6] = [
    GATHERED - PAGE,
    GATHERED + NR_SCATTERED * PAGE,
    LONG_TARGET - PAGE,
    ZEROS + ZERO_BYTES,
    BACKUP - PAGE,
    BACKUP + LOW_BYTES,
];

/// Whether low memory is to be saved.
static SAVED: AtomicBool = AtomicBool::new(false);

/// A hand-over, ready to be entered.
pub struct Stage {
    /// Its header.
    pub header: Header,
    /// Where it is entered.
    pub entry: u64,
}

/// Byte `offset` of the data whose name is `seed`.
fn byte(seed: u64, offset: u64) -> u8 {
    let mixed = (seed + offset / 8).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32).to_le_bytes()[offset as usize % 4] ^ offset as u8
}

fn fill(at: u64, len: u64, seed: u64) {
    // SAFETY: The addresses above are free memory.
    let bytes = unsafe { memory(at, len) };
    bytes
        .iter_mut()
        .zip(0..)
        .for_each(|(byte_at, offset)| *byte_at = byte(seed, offset));
}

fn holds(at: u64, len: u64, seed: u64) -> bool {
    // SAFETY: As above.
    let bytes = unsafe { memory(at, len) };
    bytes
        .iter()
        .zip(0..)
        .all(|(&byte_at, offset)| byte_at == byte(seed, offset))
}

/// Copies, also from and to address 0.
fn copy(dst: u64, src: u64, len: u64) {
    // SAFETY: Free memory, as above.
    unsafe {
        asm!(
            "rep movsb",
            inout("rcx") len => _,
            inout("rsi") src => _,
            inout("rdi") dst => _,
            options(nostack, preserves_flags),
        );
    }
}

fn digest(at: u64, len: u64) -> Digest {
    let mut hasher = Hasher::new();
    // SAFETY: As above.
    hasher.update(unsafe { memory(at, len) });
    hasher.finish()
}

fn flip(at: u64) {
    // SAFETY: As above.
    let bytes = unsafe { memory(at, 1) };
    bytes[0] ^= 1;
}

/// Writes `value` as it is in memory.
fn write<T: Copy>(at: u64, value: &T) {
    // SAFETY: Aligned, and free memory as above.
    unsafe { (at as *mut T).write(*value) };
}

/// Lays everything out for `scenario`.
pub fn build(blob: &[u8], scenario: Scenario) -> Stage {
    // SAFETY: Free memory, and a multiple of 8.
    unsafe { memory(CHUNK, blob.len() as u64) }.copy_from_slice(blob);
    // SAFETY: The header is at the beginning, any bytes are one.
    let header = unsafe { *(CHUNK as *const Header) };
    let root = tables::of_module(TABLES);

    SAVED.store(scenario == Scenario::Backup, Ordering::Relaxed);
    BYSTANDERS.iter().for_each(|&at| fill(at, PAGE, at));
    fill_sources();
    let (nr_list_pages, list_digest, image_digest) = list(scenario);
    let unmapped = scenario == Scenario::TablesUnmapped;
    let serial_port = match scenario {
        Scenario::NoPort => 0,
        Scenario::AbsentPort => 0x2f8,
        _ => 0x3f8,
    };
    let flags = match scenario {
        Scenario::ImageHalt | Scenario::SourceUnmappedHalt => FLAG_HALT,
        Scenario::UnknownFlag => 1 << 7,
        _ => 0,
    };
    let params = Params {
        cr3: if unmapped { NOWHERE } else { root },
        tables: if unmapped { NOWHERE } else { TABLES },
        nr_tables: tables::NR_OF_MODULE,
        tables_digest: digest(TABLES, tables::NR_OF_MODULE * PAGE),
        list: LIST + (nr_list_pages - 1) * PAGE,
        nr_list_pages,
        list_digest,
        image_digest,
        entry: ENTRY,
        rsi: RSI,
        serial_port,
        flags,
        backup: match scenario {
            Scenario::Backup => BACKUP,
            Scenario::BackupOverTables => TABLES - PAGE,
            Scenario::BackupOverImage => IN_PLACE + IN_PLACE_BYTES - PAGE,
            _ => 0,
        },
        params_digest: [0; 32],
    };
    let at = CHUNK + u64::from(header.params_offset);
    write(at, &params);
    let sealed = Params {
        params_digest: digest(at, PARAMS_DIGESTED as u64),
        ..params
    };
    write(at, &sealed);
    spoil(scenario, at, nr_list_pages);
    Stage {
        header,
        entry: CHUNK + u64::from(header.entry_offset),
    }
}

fn scattered(nr: u64) -> u64 {
    SCATTERED + (NR_SCATTERED - nr) * 2 * PAGE
}

fn fill_sources() {
    for nr in 0..NR_SCATTERED {
        fill(scattered(nr), PAGE, nr);
    }
    fill(LONG, LONG_BYTES, LONG);
    fill(IN_PLACE, IN_PLACE_BYTES, IN_PLACE);
    fill(LOW_SOURCE, LOW_RUN_BYTES, LOW);
    for (at, source) in LOW_ENDS.into_iter().zip(LOW_END_SOURCES) {
        fill(source, PAGE, 5 + at);
    }
    fill(LOW_COPY, LOW_BYTES, LOW_COPY);
    copy(0, LOW_COPY, LOW_BYTES);
    fill(BACKUP, LOW_BYTES, BACKUP);
    fill(ZEROS, ZERO_BYTES, 1);
    // What is there before must not be what is expected afterwards.
    fill(GATHERED, NR_SCATTERED * PAGE, 2);
    fill(LONG_TARGET, LONG_BYTES, 3);

    // The page of the entry point: jmp [rip + 0], and the address that it takes.
    fill(ENTRY_SOURCE, PAGE, 4);
    let code = ENTRY_SOURCE + ENTRY - ENTRY_PAGE;
    // SAFETY: Free memory as above.
    let bytes = unsafe { memory(code, 14) };
    bytes[..6].copy_from_slice(&[0xff, 0x25, 0, 0, 0, 0]);
    bytes[6..].copy_from_slice(&address_of!("probe_entry").to_le_bytes());
}

/// Writes the list. Returns the number of its pages, its digest and that of the image.
fn list(scenario: Scenario) -> (u64, Digest, Digest) {
    let entry = |dst, src, len| Entry { dst, src, len };
    let bad = match scenario {
        Scenario::ListWrap => Some(entry((1 << 52) - PAGE, LONG, 2 * PAGE)),
        Scenario::ListOverHandOver => Some(entry(CHUNK - PAGE, LONG, 2 * PAGE)),
        Scenario::SourceUnmapped | Scenario::SourceUnmappedHalt => {
            Some(entry(GATHERED, NOWHERE, PAGE))
        }
        _ => None,
    };
    let gather = |nr| entry(GATHERED + nr * PAGE, scattered(nr), PAGE);
    let rest = [
        entry(LONG_TARGET, LONG, LONG_BYTES),
        entry(IN_PLACE, IN_PLACE, IN_PLACE_BYTES),
        entry(ZEROS, 0, ZERO_BYTES),
        entry(LOW, LOW_SOURCE, LOW_RUN_BYTES),
        entry(ENTRY_PAGE, ENTRY_SOURCE, PAGE),
    ];
    let ends = LOW_ENDS.into_iter().zip(LOW_END_SOURCES);
    let ends = ends
        .filter(|_| scenario == Scenario::Backup)
        .map(|(dst, src)| entry(dst, src, PAGE));
    let entries = (0..NR_SCATTERED)
        .map(gather)
        .chain(rest)
        .chain(ends)
        .chain(bad);

    let mut image = Hasher::new();
    let mut pages = [ListPage {
        next: 0,
        nr: 0,
        entries: [entry(0, 0, 0); ENTRIES_PER_PAGE],
    }; 2];
    for (nr, entry) in entries.enumerate() {
        let page = &mut pages[nr / ENTRIES_PER_PAGE];
        page.entries[nr % ENTRIES_PER_PAGE] = entry;
        page.nr += 1;
        if entry.src != 0 && entry.src != NOWHERE {
            // SAFETY: The sources above.
            image.update(unsafe { memory(entry.src, entry.len) });
        }
    }
    match scenario {
        Scenario::ListCycle => pages[1].next = LIST + PAGE,
        Scenario::ListCount => pages[1].nr = ENTRIES_PER_PAGE as u64 + 1,
        _ => {}
    }
    pages[0].next = LIST;
    write(LIST + PAGE, &pages[0]);
    write(LIST, &pages[1]);

    let mut list = Hasher::new();
    for at in [LIST + PAGE, LIST] {
        // SAFETY: Just written.
        list.update(unsafe { memory(at, PAGE) });
    }
    (2, list.finish(), image.finish())
}

/// What changes after the load.
fn spoil(scenario: Scenario, params: u64, nr_list_pages: u64) {
    match scenario {
        Scenario::Header => flip(CHUNK + offset_of!(Header, version) as u64),
        Scenario::Params => flip(params + offset_of!(Params, entry) as u64),
        Scenario::Tables => flip(TABLES + 3 * PAGE - 1),
        Scenario::List => flip(LIST + (nr_list_pages - 2) * PAGE + 100),
        Scenario::Image | Scenario::ImageHalt => flip(LONG + LONG_BYTES - 1),
        _ => {}
    }
}

/// The parts of memory that are not what they should be after the hand-over.
pub fn differences() -> impl Iterator<Item = &'static str> {
    // SAFETY: As above.
    let zeros = unsafe { memory(ZEROS, ZERO_BYTES) };
    let saved = SAVED.load(Ordering::Relaxed);
    [
        (holds(LONG_TARGET, LONG_BYTES, LONG), "the long run"),
        (
            holds(IN_PLACE, IN_PLACE_BYTES, IN_PLACE),
            "what was in its place",
        ),
        (zeros.iter().all(|&byte| byte == 0), "the zeros"),
        (holds_low(saved), "low memory"),
        (
            holds(BACKUP, LOW_BYTES, if saved { LOW_COPY } else { BACKUP }),
            "the backup of low memory",
        ),
        (
            (0..NR_SCATTERED).all(|nr| holds(GATHERED + nr * PAGE, PAGE, nr)),
            "the scattered pages",
        ),
        (
            BYSTANDERS.iter().all(|&at| holds(at, PAGE, at)),
            "memory that is not part of the image",
        ),
    ]
    .into_iter()
    .filter_map(|(good, what)| (!good).then_some(what))
}

/// Whether low memory has what was placed there. The next kernel uses none of it.
fn holds_low(saved: bool) -> bool {
    copy(LOW_COPY, 0, LOW_BYTES);
    let ends = LOW_ENDS
        .into_iter()
        .all(|at| !saved || holds(LOW_COPY + at, PAGE, 5 + at));
    ends && holds(LOW_COPY + LOW, LOW_RUN_BYTES, LOW)
}
