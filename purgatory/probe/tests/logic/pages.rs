//! What a walk makes of single entries, and of their place.

use rkexec_probe::entry::{Page, Rights};
use rkexec_probe::level::{Level, CR4_LA57};
use rkexec_probe::memory::Phys;
use rkexec_probe::translate::Root;

use crate::model::{find, pages, Words, LARGE, LEAF, TABLE};

/// A page as most are.
const PLAIN: Page = Page {
    virt: 0,
    phys: Phys(0),
    level: Level::PT,
    rights: Rights {
        write: true,
        user: false,
        execute: true,
    },
    global: false,
    pat: 0,
};

#[test]
fn pages_of_every_size_are_found() {
    let mut words = Words::small(&[(3, 0x3000 + LEAF)]);
    words.entry(0x3000, 5, (0xa0_0000 + LEAF) | LARGE);
    words.entry(0x2000, 7, (0x1_c000_0000 + LEAF) | LARGE);
    let page = |level, address| Page {
        virt: address,
        phys: Phys(address),
        level,
        ..PLAIN
    };
    let expected = [
        page(Level::PT, 0x3000),
        page(Level::PD, 0xa0_0000),
        page(Level::PDPT, 0x1_c000_0000),
    ];
    assert_eq!(pages(&mut words), expected);
}

#[test]
fn the_upper_half_has_addresses_that_are_negative() {
    for (cr4, first_of_half) in [
        (0, 0xffff_8000_0000_0000),
        (CR4_LA57, 0xff00_0000_0000_0000),
    ] {
        let mut words = Words::default();
        let mut table = 0x1000;
        words.entry(table, 256, table + 0x1000 + TABLE);
        for _ in 0..if cr4 == 0 { 2 } else { 3 } {
            table += 0x1000;
            words.entry(table, 0, table + 0x1000 + TABLE);
        }
        words.entry(table + 0x1000, 1, 0x9000 + LEAF);
        let (found, _) = find(&mut words, cr4, 64);
        let virt = first_of_half + 0x1000;
        let expected = Page {
            virt,
            phys: Phys(0x9000),
            ..PLAIN
        };
        assert_eq!(found.pages, [expected], "{cr4:x}");
        let root = Root::new(0x1000, cr4);
        assert_eq!(root.translate(&mut words, virt + 0x123), Some(Phys(0x9123)));
        // The same bits without the sign are no address.
        assert_eq!(
            root.translate(&mut words, virt & 0x00ff_ffff_ffff_ffff),
            None
        );
    }
}

#[test]
fn all_bits_of_the_memory_type_are_read() {
    // Bit 7 is the PAT's in a small page, bit 12 in a large one.
    for (index, bits) in [
        (0, 0),
        (1, 0x08),
        (2, 0x10),
        (3, 0x18),
        (4, 0x80),
        (7, 0x98),
    ] {
        let mut words = Words::small(&[(0, LEAF | bits)]);
        assert_eq!(pages(&mut words)[0].pat, index, "{bits:x}");
    }
    for (index, bits) in [(0, 0), (3, 0x18), (4, 0x1000), (7, 0x1018)] {
        for (table, level) in [(0x2000, Level::PDPT), (0x3000, Level::PD)] {
            let mut words = Words::small(&[]);
            words.entry(table, 1, (level.entry_bytes() + LEAF) | LARGE | bits);
            let page = pages(&mut words)[0];
            assert_eq!(
                (page.pat, page.phys.0),
                (index, level.entry_bytes()),
                "{bits:x}"
            );
        }
    }
}

#[test]
fn a_right_takes_every_level() {
    const USER: u64 = 4;
    const NO_EXECUTE: u64 = 1 << 63;
    let rights = |tables: u64, leaf: u64| {
        let mut words = Words::small(&[(0, leaf)]);
        words.entry(0x2000, 0, 0x3000 | tables);
        pages(&mut words)[0].rights
    };
    assert_eq!(rights(TABLE, LEAF), PLAIN.rights);
    let read_only = Rights {
        write: false,
        ..PLAIN.rights
    };
    assert_eq!(rights(TABLE & !2, LEAF), read_only);
    assert_eq!(rights(TABLE, LEAF & !2), read_only);
    // The other tables do not let ring 3 in.
    assert_eq!(rights(TABLE | USER, LEAF | USER), PLAIN.rights);
    let not_executable = Rights {
        execute: false,
        ..PLAIN.rights
    };
    assert_eq!(rights(TABLE | NO_EXECUTE, LEAF), not_executable);
    assert_eq!(rights(TABLE, LEAF | NO_EXECUTE), not_executable);
}

#[test]
fn a_word_is_read_across_pages_and_only_if_all_of_it_is_mapped() {
    let mut words = Words::small(&[(0, 0x8000 + LEAF), (1, 0x6000 + LEAF)]);
    words.0.insert(0x8ff8, 0x8877_6655_4433_2211);
    words.0.insert(0x6000, 0x0f0e_0d0c_0b0a_0908);
    let root = Root::new(0x1000, 0);
    assert_eq!(root.read(&mut words, 0xff8), Some(0x8877_6655_4433_2211));
    assert_eq!(root.read(&mut words, 0xffc), Some(0x0b0a_0908_8877_6655));
    assert_eq!(root.read(&mut words, 0x1ffc), None);
    assert_eq!(root.read(&mut words, u64::MAX - 3), None);
}
