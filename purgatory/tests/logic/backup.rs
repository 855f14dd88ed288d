//! Low memory is saved whole, and before the image overwrites it.

use rkexec::abi::handover::{Entry, Params, ENTRIES_PER_PAGE, LOW_BYTES};
use rkexec::addr::PAGE_SIZE;
use rkexec_handover::backup::Backup;
use rkexec_handover::image::{place, verify};
use rkexec_handover::list::{List, ListFault};

use crate::arena::{self, range, Arena};

/// No multiple of 256 pages: what is there at first is not what is at 0.
const BACKUP: u64 = 0x12_c000;
const LIST: u64 = BACKUP + LOW_BYTES;
const SOURCE: u64 = LIST + PAGE_SIZE;

fn entry(dst: u64, src: u64) -> Entry {
    arena::entry(dst, src, PAGE_SIZE)
}

/// A machine with memory from 0 on and an image of these `entries`.
fn machine(entries: &[Entry]) -> (Arena, Params) {
    let mut arena = Arena::at(0, SOURCE / PAGE_SIZE + 4);
    let params = Params {
        backup: BACKUP,
        ..arena.write_list(entries, ENTRIES_PER_PAGE, &[LIST])
    };
    (arena, params)
}

fn list(params: &Params) -> List {
    let protected = range(0x100_0000, PAGE_SIZE);
    List::new(params, [protected; 2], Backup::at(params.backup)).unwrap()
}

#[test]
fn the_backup_holds_what_low_memory_held() {
    let last = LOW_BYTES - PAGE_SIZE;
    let (mut arena, params) = machine(&[
        entry(0, SOURCE),
        entry(last, SOURCE + PAGE_SIZE),
        entry(0x5000, 0),
        entry(SOURCE, SOURCE),
    ]);
    let before = arena.all().to_vec();
    let low = &before[..LOW_BYTES as usize];
    let at = |address: u64| &before[address as usize..][..PAGE_SIZE as usize];
    assert!(at(0) != at(BACKUP) && at(0) != at(SOURCE));

    let list = list(&params);
    assert_eq!(list.verify(&arena, &params.list_digest), Ok(()));
    Backup::at(BACKUP).unwrap().save(&mut arena);
    let (below, saved) = arena.all().split_at(BACKUP as usize);
    let (saved, above) = saved.split_at(LOW_BYTES as usize);
    assert!(saved == low);
    assert!(below == &before[..BACKUP as usize]);
    assert!(above == &before[LIST as usize..]);

    assert!(place(&list, &mut arena).is_ok());
    assert!(verify(&list, &arena, &params.image_digest).is_ok());
    assert!(&arena.all()[BACKUP as usize..LIST as usize] == low);
    assert!(&arena.all()[..PAGE_SIZE as usize] == at(SOURCE));
    assert!(&arena.all()[last as usize..LOW_BYTES as usize] == at(SOURCE + PAGE_SIZE));
}

#[test]
fn nothing_of_the_image_may_be_where_the_backup_goes() {
    let judge = |entries: &[Entry]| {
        let (arena, params) = machine(entries);
        let list = list(&params);
        list.verify(&arena, &params.list_digest)
    };
    let last = LIST - PAGE_SIZE;
    for there in [BACKUP, BACKUP + 0x5000, last] {
        for bad in [
            entry(there, SOURCE),
            entry(SOURCE, there),
            entry(there, there),
            entry(there, 0),
        ] {
            let good = entry(0, SOURCE);
            let judged = judge(&[good, bad]);
            assert_eq!(judged, Err(ListFault::Backup), "{bad:x?}");
        }
    }
    let next_to_it = BACKUP - PAGE_SIZE;
    assert!(judge(&[entry(next_to_it, SOURCE), entry(0x1000, 0)]).is_ok());
    // Low memory may be a source as well.
    assert!(judge(&[entry(SOURCE, 0x1000)]).is_ok());
}

#[test]
fn no_list_page_may_be_where_the_backup_goes() {
    let mut arena = Arena::at(0, SOURCE / PAGE_SIZE + 4);
    let entries = [entry(0, SOURCE), entry(0x1000, SOURCE)];
    for pages in [
        [LIST, LIST - PAGE_SIZE],
        [BACKUP, LIST],
        [LIST, BACKUP - PAGE_SIZE],
    ] {
        let params = Params {
            backup: BACKUP,
            ..arena.write_list(&entries, 1, &pages)
        };
        let expected = match pages {
            [LIST, next] if next < BACKUP => Ok(()),
            _ => Err(ListFault::Backup),
        };
        assert_eq!(list(&params).verify(&arena, &params.list_digest), expected);
    }
}
