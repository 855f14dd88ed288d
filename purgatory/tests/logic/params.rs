//! Header and parameters: what is accepted, and what is not.

use rkexec::abi::handover::{
    Header, Params, FLAG_HALT, FLAG_TIMES, LOW_BYTES, MAGIC, MAX_SIZE, PARAMS_DIGESTED, VERSION,
};
use rkexec_handover::digest::Hasher;
use rkexec_handover::params::{self, check_header, Checked, ParamsFault};

use crate::arena::{params, range, CHUNK, TABLES};

fn check(params: &Params, digested: &[u8; PARAMS_DIGESTED]) -> Result<Checked, ParamsFault> {
    params::check(params, digested, range(CHUNK, 0x1000))
}

fn bytes(params: &Params) -> &[u8; PARAMS_DIGESTED] {
    // SAFETY: `Params` has no padding and is longer than that.
    unsafe { &*(&raw const *params).cast() }
}

/// `change`d and sealed.
fn sealed(change: impl FnOnce(&mut Params)) -> Params {
    let mut params = Params {
        nr_tables: 5,
        cr3: TABLES + 0x2000,
        ..params()
    };
    change(&mut params);
    let mut hasher = Hasher::new();
    hasher.update(bytes(&params));
    params.params_digest = hasher.finish();
    params
}

fn malformed(change: impl FnOnce(&mut Params)) {
    let params = sealed(change);
    let checked = check(&params, bytes(&params));
    assert_eq!(checked, Err(ParamsFault::Malformed), "{params:x?}");
}

#[test]
fn sealed_parameters_are_accepted_as_they_are() {
    let params = sealed(|params| {
        params.entry = 0x100_0200;
        params.rsi = 0x9_0000;
        params.serial_port = 0x2f8;
        params.flags = FLAG_HALT | FLAG_TIMES;
        params.backup = 0x5000_3000;
    });
    let checked = check(&params, bytes(&params)).unwrap();
    assert_eq!(checked.root.start().raw(), TABLES + 0x2000);
    assert_eq!(checked.tables.start().raw(), TABLES);
    assert_eq!(checked.tables.len_bytes(), 5 * 4096);
    assert_eq!((checked.entry, checked.rsi), (0x100_0200, 0x9_0000));
    assert_eq!((checked.port, checked.halt), (Some(0x2f8), true));
    assert!(checked.times);
    let backup = checked.backup.map(|backup| backup.range());
    assert_eq!(backup, Some(range(0x5000_3000, LOW_BYTES)));

    let params = sealed(|_| ());
    let checked = check(&params, bytes(&params)).unwrap();
    assert_eq!((checked.port, checked.halt), (None, false));
    assert!(!checked.times);
    assert_eq!(checked.backup, None);
}

#[test]
fn every_bit_counts() {
    let params = sealed(|_| ());
    for bit in 0..PARAMS_DIGESTED * 8 {
        let mut changed = *bytes(&params);
        changed[bit / 8] ^= 1 << (bit % 8);
        let checked = check(&params, &changed);
        assert_eq!(checked, Err(ParamsFault::Digest), "bit {bit}");
    }
    for bit in 0..256 {
        let mut changed = params;
        changed.params_digest[bit / 8] ^= 1 << (bit % 8);
        let checked = check(&changed, bytes(&changed));
        assert_eq!(checked, Err(ParamsFault::Digest), "bit {bit}");
    }
}

#[test]
fn values_that_make_no_sense_are_refused() {
    malformed(|params| params.flags = 4);
    malformed(|params| params.tables += 8);
    malformed(|params| params.tables = 1 << 52);
    malformed(|params| (params.tables, params.nr_tables) = (0, 1 << 40));
    malformed(|params| params.nr_tables = 0);
    malformed(|params| params.nr_tables = u64::MAX);
    malformed(|params| params.nr_tables = 1 << 52);
    malformed(|params| params.cr3 += 8);
    malformed(|params| params.cr3 = TABLES - 0x1000);
    malformed(|params| params.cr3 = TABLES + 0x5000);
    malformed(|params| params.cr3 |= 1 << 63);
    malformed(|params| params.serial_port = 0x1_03f8);
    malformed(|params| params.serial_port = 0xfff9);
}

#[test]
fn a_backup_is_whole_pages_above_the_first_mib_that_nothing_else_needs() {
    let good = |backup: u64| {
        let params = sealed(|params| params.backup = backup);
        assert!(check(&params, bytes(&params)).is_ok(), "{backup:#x}");
    };
    let bad = |backup: u64| malformed(|params| params.backup = backup);
    // The first address that will do and the last one that will not, and the other way round.
    good(0x10_0000);
    [1, 0x1000, 0x9_f000, LOW_BYTES, 0xf_f000].map(bad);
    good((1 << 52) - LOW_BYTES);
    bad((1 << 52) - LOW_BYTES + 0x1000);
    [1 << 52, 1 << 63, !0xfff, u64::MAX].map(bad);
    // The hand-over is right below the tables.
    good(CHUNK - LOW_BYTES);
    [CHUNK - LOW_BYTES + 0x1000, CHUNK, TABLES, TABLES + 0x4000].map(bad);
    good(TABLES + 0x5000);
    [0x5000_0001, 0x5000_0800].map(bad);
}

#[test]
fn the_header_must_be_this_version_s() {
    let good = Header {
        magic: MAGIC,
        version: VERSION,
        size: 0x6000,
        entry_offset: 0x110,
        params_offset: 0x20,
        epitaph_offset: 0xe0,
        _pad: 0,
    };
    let ok = |change: fn(&mut Header)| {
        let mut header = good;
        change(&mut header);
        check_header(&header, 0x6000, 0x20).is_ok()
    };
    assert!(ok(|_| ()));
    assert!(!ok(|header| header.magic += 1));
    assert!(!ok(|header| header.version += 1));
    assert!(!ok(|header| header.size = 0x5000));
    assert!(!ok(|header| header.params_offset = 0x28));
    let large = Header {
        size: MAX_SIZE + 4096,
        ..good
    };
    assert!(check_header(&large, u64::from(large.size), 0x20).is_err());
}
