//! What the module does at load time: a chunk with the hand-over and its parameters, page tables, a
//! copy list and the data it names. Then, what went wrong since.

use core::arch::asm;
use core::mem::offset_of;
use core::sync::atomic::{AtomicBool, Ordering};

use rkexec::abi::handover::{
    CopyListPage, Digest, Entry, Header, Params, ENTRIES_PER_PAGE, FLAG_HALT, LOW_BYTES,
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
/// The list pages.
const LIST: [u64; 2] = [0x01d0_1000, 0x01d0_0000];
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
/// What the ends of low memory are overwritten with if it is to be saved.
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
    let mixed = (seed.rotate_left(32) ^ (offset / 8)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32).to_le_bytes()[offset as usize % 4] ^ offset as u8
}

fn fill(at: u64, len: u64, seed: u64) {
    // SAFETY: The addresses above are free memory.
    for (byte_at, offset) in unsafe { memory(at, len) }.iter_mut().zip(0..) {
        *byte_at = byte(seed, offset);
    }
}

fn holds(at: u64, len: u64, seed: u64) -> bool {
    // SAFETY: As above.
    let mut bytes = unsafe { memory(at, len) }.iter().zip(0..);
    bytes.all(|(&byte_at, offset)| byte_at == byte(seed, offset))
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

/// The digest of these addresses and lengths.
fn digest(parts: impl IntoIterator<Item = (u64, u64)>) -> Digest {
    let mut hasher = Hasher::new();
    for (at, len) in parts {
        // SAFETY: As above.
        hasher.update(unsafe { memory(at, len) });
    }
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
    fill_memory();
    let image_digest = list(scenario);
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
        tables_digest: digest([(TABLES, tables::NR_OF_MODULE * PAGE)]),
        list: LIST[0],
        nr_list_pages: LIST.len() as u64,
        list_digest: digest(LIST.map(|at| (at, PAGE))),
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
        params_digest: digest([(at, PARAMS_DIGESTED as u64)]),
        ..params
    };
    write(at, &sealed);
    spoil(scenario, at);
    Stage {
        header,
        entry: CHUNK + u64::from(header.entry_offset),
    }
}

fn entry(dst: u64, src: u64, len: u64) -> Entry {
    Entry { dst, src, len }
}

/// The image, but for the page that is entered. The data of a piece are named by where it goes.
fn pieces() -> impl Iterator<Item = Entry> + Clone {
    let scattered = |nr| SCATTERED + (NR_SCATTERED - nr) * 2 * PAGE;
    let gathered =
        (0..NR_SCATTERED).map(move |nr| entry(GATHERED + nr * PAGE, scattered(nr), PAGE));
    let rest = [
        entry(LONG_TARGET, LONG, LONG_BYTES),
        entry(IN_PLACE, IN_PLACE, IN_PLACE_BYTES),
        entry(ZEROS, 0, ZERO_BYTES),
        entry(LOW, LOW_SOURCE, LOW_RUN_BYTES),
    ];
    let ends = [
        entry(0, LOW_END_SOURCES[0], PAGE),
        entry(LOW_BYTES - PAGE, LOW_END_SOURCES[1], PAGE),
    ];
    let saved = SAVED.load(Ordering::Relaxed);
    let ends = ends.into_iter().filter(move |_| saved);
    gathered.chain(rest).chain(ends)
}

fn fill_memory() {
    BYSTANDERS.iter().for_each(|&at| fill(at, PAGE, at));
    // What is there before must not be what is expected afterwards.
    fill(LOW_COPY, LOW_BYTES, LOW_COPY);
    copy(0, LOW_COPY, LOW_BYTES);
    fill(BACKUP, LOW_BYTES, BACKUP);
    for piece in pieces().filter(|piece| piece.dst >= LOW_BYTES) {
        fill(piece.dst, piece.len, !piece.dst);
    }
    for piece in pieces().filter(|piece| piece.src != 0) {
        fill(piece.src, piece.len, piece.dst);
    }
    // The page of the entry point: jmp [rip + 0], and the address that it takes.
    fill(ENTRY_SOURCE, PAGE, ENTRY_PAGE);
    let code = ENTRY_SOURCE + ENTRY - ENTRY_PAGE;
    // SAFETY: Free memory as above.
    let bytes = unsafe { memory(code, 14) };
    bytes[..6].copy_from_slice(&[0xff, 0x25, 0, 0, 0, 0]);
    bytes[6..].copy_from_slice(&address_of!("probe_entry").to_le_bytes());
}

/// Writes the list. Returns the digest of the image.
fn list(scenario: Scenario) -> Digest {
    let bad = match scenario {
        Scenario::ListWrap => Some(entry((1 << 52) - PAGE, LONG, 2 * PAGE)),
        Scenario::ListOverHandOver => Some(entry(CHUNK - PAGE, LONG, 2 * PAGE)),
        Scenario::SourceUnmapped | Scenario::SourceUnmappedHalt => {
            Some(entry(GATHERED, NOWHERE, PAGE))
        }
        _ => None,
    };
    let entered = entry(ENTRY_PAGE, ENTRY_SOURCE, PAGE);
    let entries = pieces().chain([entered]).chain(bad);

    let mut pages = [CopyListPage {
        next: 0,
        nr: 0,
        entries: [entry(0, 0, 0); ENTRIES_PER_PAGE],
    }; LIST.len()];
    for (nr, entry) in entries.clone().enumerate() {
        let page = &mut pages[nr / ENTRIES_PER_PAGE];
        page.entries[nr % ENTRIES_PER_PAGE] = entry;
        page.nr += 1;
    }
    pages[0].next = LIST[1];
    match scenario {
        Scenario::ListCycle => pages[1].next = LIST[0],
        Scenario::ListCount => pages[1].nr = ENTRIES_PER_PAGE as u64 + 1,
        _ => {}
    }
    LIST.iter()
        .zip(&pages)
        .for_each(|(&at, page)| write(at, page));
    let copied = entries.filter(|entry| entry.src != 0 && entry.src != NOWHERE);
    digest(copied.map(|entry| (entry.src, entry.len)))
}

/// What changes after the load.
fn spoil(scenario: Scenario, params: u64) {
    match scenario {
        Scenario::Header => flip(CHUNK + offset_of!(Header, version) as u64),
        Scenario::Params => flip(params + offset_of!(Params, entry) as u64),
        Scenario::Tables => flip(TABLES + 3 * PAGE - 1),
        Scenario::List => flip(LIST[1] + 100),
        Scenario::Image | Scenario::ImageHalt => flip(LONG + LONG_BYTES - 1),
        _ => {}
    }
}

/// Where memory is not what it should be after the hand-over. The next kernel uses no low memory.
pub fn differences() -> impl Iterator<Item = u64> {
    copy(LOW_COPY, 0, LOW_BYTES);
    let seed = match SAVED.load(Ordering::Relaxed) {
        true => LOW_COPY,
        false => BACKUP,
    };
    let whole = BYSTANDERS.map(|at| (at, PAGE, at));
    let whole = whole.into_iter().chain([(BACKUP, LOW_BYTES, seed)]);
    let whole = whole.filter(|&(at, len, seed)| !holds(at, len, seed));
    let pieces = pieces().filter(|piece| !in_place(piece));
    pieces
        .map(|piece| piece.dst)
        .chain(whole.map(|(at, ..)| at))
}

/// Whether a piece is where it is to go.
fn in_place(piece: &Entry) -> bool {
    let low = if piece.dst < LOW_BYTES { LOW_COPY } else { 0 };
    let at = piece.dst + low;
    match piece.src {
        // SAFETY: As above.
        0 => unsafe { memory(at, piece.len) }
            .iter()
            .all(|&byte| byte == 0),
        _ => holds(at, piece.len, piece.dst),
    }
}
