//! The way from the 64-bit mode of a kexec into a kernel that a multiboot loader would start: Xen.
//!
//! A kexec enters its image in 64-bit mode with paging on; a multiboot kernel wants 32-bit mode, paging
//! off, and two registers with what the loader has to say. Between the two are some forty instructions
//! (`switch.s`). They are a segment of the image like any other; whoever makes the image puts it there, with
//! [`Switch::code`].
//!
//! Nothing is verified here: where the image comes from the hand-over, that has done so.
#![no_std]

use core::slice;

core::arch::global_asm!(
    include_str!("switch.s"),
    words = const WORDS_BYTES,
);

extern "C" {
    static rkexec_multiboot_switch: u8;
    static rkexec_multiboot_switch_end: u8;
}

/// Bytes of what the code reads of a [`Switch`]. It is at the end of the code.
const WORDS_BYTES: usize = 24;

/// Bytes of a page, all that a [`Switch`] takes.
const PAGE_BYTES: usize = 4096;

/// What a multiboot kernel is entered with. All addresses are physical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    /// By which the kernel knows that it is a multiboot loader's (EAX): Multiboot specification 0.6.96,
    /// 3.2; Multiboot2 specification 2.0, 3.3.
    pub magic: u32,
    /// Where the boot information is (EBX).
    pub information: u32,
    /// Where the kernel begins.
    pub entry: u32,
    /// What to leave in low memory, where there is no BIOS that has done so.
    pub bios_data: Option<BiosData>,
}

/// What a BIOS leaves: two words in its data area by which a kernel finds the end of low memory, and an extended data
/// area with ACPI's root pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BiosData {
    /// KiB of memory from address 0 on (at 0x413). Never 0.
    pub base_memory_kib: u16,
    /// The segment of the extended BIOS data area: its address / 16 (at 0x40e).
    pub ebda_segment: u16,
    /// Where ACPI's root pointer is. It is copied to the beginning of the extended area.
    pub root_pointer: u64,
}

impl Switch {
    /// The code, to be loaded at the beginning of any page below 4 GiB and entered at its first byte. The rest of
    /// the page is zeros.
    pub fn code(&self) -> [u8; PAGE_BYTES] {
        let code = code();
        let mut page = [0; PAGE_BYTES];
        page[..code.len()].copy_from_slice(code);
        page[code.len() - WORDS_BYTES..code.len()].copy_from_slice(&self.words());
        page
    }

    /// In the order of `switch.s`.
    fn words(&self) -> [u8; WORDS_BYTES] {
        let data = self.bios_data.unwrap_or(BiosData {
            base_memory_kib: 0,
            ebda_segment: 0,
            root_pointer: 0,
        });
        let area = u32::from(data.base_memory_kib) | (u32::from(data.ebda_segment) << 16);
        let root = [data.root_pointer as u32, (data.root_pointer >> 32) as u32];
        let mut words = [0; WORDS_BYTES];
        let values = [
            self.magic,
            self.information,
            self.entry,
            area,
            root[0],
            root[1],
        ];
        for (to, value) in words.chunks_exact_mut(4).zip(values) {
            to.copy_from_slice(&value.to_le_bytes());
        }
        words
    }
}

/// What `switch.s` has become.
fn code() -> &'static [u8] {
    let (start, end) = (
        &raw const rkexec_multiboot_switch,
        &raw const rkexec_multiboot_switch_end,
    );
    // SAFETY: Both symbols are in one section of this program, which nobody writes to, the second behind the first.
    unsafe { slice::from_raw_parts(start, end.offset_from(start) as usize) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWITCH: Switch = Switch {
        magic: 0x36d7_6289,
        information: 0x1122_3344,
        entry: 0x20_0000,
        bios_data: None,
    };

    #[test]
    fn what_the_kernel_is_entered_with_is_at_the_end_of_the_code() {
        let page = SWITCH.code();
        let end = code().len();
        let entered = [
            0x89, 0x62, 0xd7, 0x36, 0x44, 0x33, 0x22, 0x11, 0, 0, 0x20, 0,
        ];
        assert_eq!(page[end - 24..end - 12], entered);
        assert_eq!(page[end - 12..end], [0; 12]);
        assert!(page[end..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn the_words_of_the_bios_data_area_come_last() {
        let bios_data = Some(BiosData {
            base_memory_kib: 0x27f,
            ebda_segment: 0x9fc0,
            root_pointer: 0x1_7f77_e014,
        });
        let page = Switch {
            bios_data,
            ..SWITCH
        }
        .code();
        let words = [0x7f, 0x02, 0xc0, 0x9f, 0x14, 0xe0, 0x77, 0x7f, 1, 0, 0, 0];
        assert_eq!(page[code().len() - 12..code().len()], words);
    }

    #[test]
    fn the_code_is_short_and_begins_with_interrupts_off() {
        assert!(code().len() < PAGE_BYTES / 2);
        assert_eq!(code()[0], 0xfa, "cli");
    }
}
