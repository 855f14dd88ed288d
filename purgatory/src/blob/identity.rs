//! Machine memory through page tables that map it one to one.

use core::arch::asm;
use core::slice;

use rkexec::abi::handover::CopyListPage;
use rkexec::addr::{Maddr, Mfn};
use rkexec::range::MaRange;
use rkexec_bare::cpu;
use rkexec_handover::digest::Hasher;
use rkexec_handover::memory::Memory;

/// All of memory, one to one.
pub struct Identity(());

impl Identity {
    /// Loads the page tables below `root`.
    ///
    /// # Safety
    ///
    /// They map all of memory one to one, this program included.
    pub unsafe fn load(root: Mfn) -> Self {
        // SAFETY: As the caller promises.
        unsafe { cpu::load_page_tables(root.start().raw()) };
        Self(())
    }
}

/// The bytes of `range`. They are no object of this program's: the compiler knows nothing of them.
///
/// # Safety
///
/// The range is mapped one to one and does not begin at 0; nothing writes to it while the result is
/// in use.
pub unsafe fn bytes<'a>(range: MaRange) -> &'a [u8] {
    let start = range.start().raw() as *const u8;
    // SAFETY: As the caller promises. A `MaRange` ends within 2^52, so it fits `isize`.
    unsafe { slice::from_raw_parts(start, range.len_bytes() as usize) }
}

/// Copies the bytes of `src`, whole quadwords, to `dst`. In assembly, because to the language either may be
/// the null pointer: page 0 is a destination, and the first page that is saved.
///
/// # Safety
///
/// Both are mapped one to one, and nobody else uses what is at `dst`.
unsafe fn copy(dst: u64, src: MaRange) {
    // SAFETY: As the caller promises.
    unsafe {
        asm!(
            "rep movsq", // RCX quadwords from [RSI] to [RDI], upwards
            inout("rcx") src.len_bytes() / 8 => _,
            inout("rsi") src.start().raw() => _,
            inout("rdi") dst => _,
            options(nostack, preserves_flags),
        );
    }
}

impl Memory for Identity {
    fn bytes(&self, range: MaRange) -> &[u8] {
        // SAFETY: Everything is mapped, else a page fault ends the program. No source is page 0
        // (`ZERO_FILL`), and this is the only way to write to what is not an object of the program.
        unsafe { bytes(range) }
    }

    fn hash(&self, range: MaRange, hasher: &mut Hasher) {
        /// Enough to get past address 0, which in Rust is no place for a slice.
        const BEGINNING: usize = 64;
        let mut rest = range;
        if range.start() == Maddr::ZERO {
            let mut beginning = [0u64; BEGINNING / 8];
            let end = Maddr::new(BEGINNING as u64).unwrap_or(Maddr::ZERO);
            let Some((first, others)) =
                MaRange::new(Maddr::ZERO, end).zip(MaRange::new(end, range.end()))
            else {
                return;
            };
            // SAFETY: As many bytes as there is room for.
            unsafe { copy(beginning.as_mut_ptr() as u64, first) };
            for word in beginning {
                hasher.update(&word.to_ne_bytes());
            }
            rest = others;
        }
        hasher.update(self.bytes(rest));
    }

    fn list_page(&self, frame: Mfn) -> &CopyListPage {
        // SAFETY: As above; a frame is aligned, all bit patterns are valid, and page 0 is no list
        // page.
        unsafe { &*(frame.start().raw() as *const CopyListPage) }
    }

    fn copy(&mut self, dst: Maddr, src: MaRange) {
        // SAFETY: List and backup are whole pages, and write to neither this program nor the page
        // tables.
        unsafe { copy(dst.raw(), src) };
    }

    fn zero(&mut self, dst: MaRange) {
        // SAFETY: As above.
        unsafe {
            asm!(
                "rep stosq", // RAX to RCX quadwords at [RDI], upwards
                inout("rcx") dst.len_bytes() / 8 => _,
                inout("rdi") dst.start().raw() => _,
                in("rax") 0,
                options(nostack, preserves_flags),
            );
        }
    }
}
