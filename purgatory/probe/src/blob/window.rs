//! Any page of physical memory, one at a time, through page tables of the probe's own.
//!
//! The tables that the probe was entered with are what it is to judge: what they say must not
//! decide what it can see. So it leaves them, for a table on each level that maps the probe one to
//! one and, behind it, the *window*: one page that is wherever it is wanted.

use core::arch::asm;
use core::cell::UnsafeCell;

use rkexec_bare::address_of;
use rkexec_bare::cpu::load_page_tables;
use rkexec_probe::level::{Level, CR4_LA57};
use rkexec_probe::memory::{Memory, Phys, PAGE};

/// In an entry: present, writable.
const MAPPED: u64 = 3;
/// The entries of the last table that map the probe. The one behind them is the window. The probe
/// begins where such a table does, at a multiple of 2 MiB.
const PAGES: usize = 511;

/// A page table.
#[repr(C, align(4096))]
struct Table(UnsafeCell<[u64; PAGES + 1]>);

// SAFETY: One processor runs the probe; the compiler knows nothing of the processor's page walks,
// and the window's entry is only written to by volatile writes.
unsafe impl Sync for Table {}

impl Table {
    const fn empty() -> Self {
        Self(UnsafeCell::new([0; PAGES + 1]))
    }

    /// Where it is. The probe is mapped one to one, so this is its physical address, too.
    fn address(&self) -> u64 {
        self.0.get().addr() as u64
    }

    /// Writes the entry for `virt`.
    fn set(&self, level: Level, virt: u64, entry: u64) {
        let slot = self.0.get().cast::<u64>();
        // CAST: below 512.
        let index = level.index(virt) as usize;
        // SAFETY: Inside the table, which nobody has a reference to.
        unsafe { slot.add(index).write_volatile(entry) };
    }
}

static PT: Table = Table::empty();
static PD: Table = Table::empty();
static PDPT: Table = Table::empty();
static PML4: Table = Table::empty();
static PML5: Table = Table::empty();

/// Physical memory.
pub struct Window {
    /// The window's virtual address.
    virt: u64,
    /// The page that is there.
    page: Option<Phys>,
}

impl Window {
    /// Leaves the page tables in use for the probe's own, on a processor with this CR4.
    pub fn open(cr4: u64) -> Self {
        let start = address_of!("probe_entry");
        let mut page = start;
        for _ in 0..PAGES {
            PT.set(Level::PT, page, page | MAPPED);
            page = page.wrapping_add(PAGE);
        }
        PD.set(Level::PD, start, PT.address() | MAPPED);
        PDPT.set(Level::PDPT, start, PD.address() | MAPPED);
        PML4.set(Level::PML4, start, PDPT.address() | MAPPED);
        PML5.set(Level::PML5, start, PML4.address() | MAPPED);
        let root = if cr4 & CR4_LA57 != 0 { &PML5 } else { &PML4 };
        // SAFETY: They map all of the program where it is.
        unsafe { load_page_tables(root.address()) };
        Self {
            virt: page,
            page: None,
        }
    }

    /// Puts a page there.
    fn show(&mut self, page: Phys) {
        if self.page != Some(page) {
            PT.set(Level::PT, self.virt, page.0 | MAPPED);
            // SAFETY: Nothing of the program is there. Not `nomem`: the table must be written.
            unsafe { asm!("invlpg [{}]", in(reg) self.virt, options(nostack, preserves_flags)) };
            self.page = Some(page);
        }
    }
}

impl Memory for Window {
    fn word(&mut self, at: Phys) -> u64 {
        let offset = (at.0 % PAGE) & !7;
        self.show(Phys(at.0 & !(PAGE - 1)));
        let word = self.virt.wrapping_add(offset) as *const u64;
        // SAFETY: In the window, aligned. The page may be anything, so it is read as such.
        unsafe { word.read_volatile() }
    }
}
