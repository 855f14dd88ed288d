//! The hand-over's header and parameters: what they say is believed if it can be true.

use rkexec::abi::handover::{Header, Params, LOW_BYTES, MAGIC, PARAMS_DIGESTED, VERSION};
use rkexec::addr::PHYS_END;
use rkexec_handover::digest;
use rkexec_handover::params::{check, check_header, Checked, ParamsFault};

use crate::common::range;
use crate::{Bytes, Input};

/// The hand-over: 24 KiB.
const CHUNK: (u64, u64) = (0x1234_5000, 0x1234_b000);

pub(super) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let good_digest = input.up_to(7) != 7;
    let numbers: [u64; 8] = std::array::from_fn(|_| input.number());
    let [cr3, tables, nr_tables, entry, rsi, backup, tsc_khz, port] = numbers;
    let flags: u32 = input.number();
    let mut params = Params {
        cr3,
        tables,
        nr_tables,
        entry,
        rsi,
        backup,
        tsc_khz,
        serial_port: port as u32,
        flags,
        ..no_params()
    };
    let mut digested = [0; PARAMS_DIGESTED];
    for (to, from) in digested.iter_mut().zip(data) {
        *to = *from;
    }
    params.params_digest = digest::of(&digested);
    params.params_digest[31] ^= u8::from(!good_digest);
    let checked = check(&params, &digested, range(CHUNK.0, CHUNK.1));
    match (good_digest, can_be_true(&params)) {
        (false, _) => assert_eq!(checked, Err(ParamsFault::Digest)),
        (true, false) => assert_eq!(checked, Err(ParamsFault::Malformed)),
        (true, true) => says(checked.expect("good parameters"), &params),
    }
    header(input.rest());
}

/// In numbers that do not wrap.
fn can_be_true(params: &Params) -> bool {
    let end = u128::from(params.tables) + u128::from(params.nr_tables) * 4096;
    let tables = params.tables > 0 && params.tables % 4096 == 0 && end <= u128::from(PHYS_END);
    let has_root = params.cr3 % 4096 == 0
        && params.tables <= params.cr3
        && u128::from(params.cr3) < end;
    let port = params.serial_port <= 0xfff8;
    let backup_end = u128::from(params.backup) + u128::from(LOW_BYTES);
    let apart = |start: u128, end: u128| end <= params.backup.into() || backup_end <= start;
    let backup = params.backup == 0
        || params.backup % 4096 == 0
            && params.backup >= 0x10_0000
            && backup_end <= u128::from(PHYS_END)
            && apart(CHUNK.0.into(), CHUNK.1.into())
            && apart(params.tables.into(), end);
    tables && has_root && port && backup && params.flags < 4
}

fn says(checked: Checked, params: &Params) {
    assert_eq!(checked.root.start().raw(), params.cr3);
    assert_eq!(checked.tables.start().raw(), params.tables);
    assert_eq!(checked.tables.len_bytes() / 4096, params.nr_tables);
    assert_eq!((checked.entry, checked.rsi), (params.entry, params.rsi));
    assert_eq!(checked.port.map_or(0, u32::from), params.serial_port);
    assert_eq!(u32::from(checked.halt) | (u32::from(checked.times) << 1), params.flags);
    let backup = checked.backup.map(|backup| backup.range().start().raw());
    assert_eq!(backup.unwrap_or(0), params.backup);
}

/// A header, in any bytes.
fn header(bytes: &[u8]) {
    let Some(header) = Header::read(bytes) else {
        assert!(bytes.len() < 32);
        return;
    };
    let (size, at) = (u64::from(header.size), u64::from(header.params_offset));
    let good = header.magic == MAGIC && header.version == VERSION && size <= 48 * 1024;
    assert_eq!(check_header(&header, size, at).is_ok(), good);
    assert!(check_header(&header, size ^ 4096, at).is_err());
}

/// Parameters that say nothing.
pub(super) fn no_params() -> Params {
    Params {
        cr3: 0,
        tables: 0,
        nr_tables: 0,
        tables_digest: [0; 32],
        list: 0,
        nr_list_pages: 0,
        list_digest: [0; 32],
        image_digest: [0; 32],
        entry: 0,
        rsi: 0,
        serial_port: 0,
        flags: 0,
        backup: 0,
        tsc_khz: 0,
        params_digest: [0; 32],
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let with = |backup: u64, port: u64| {
        let numbers = [0x5000_0000, 0x5000_0000, 12, 0x10_0200, 0x9_0000, backup, 2_000_000, port];
        let to = numbers.into_iter().fold(Bytes::new().byte(0), Bytes::word);
        let to = to.bytes(&3u32.to_le_bytes()).word(MAGIC);
        let to = to.bytes(&VERSION.to_le_bytes()).bytes(&0x6000u32.to_le_bytes());
        to.word(0x100).word(0x200).0
    };
    // The last port that is one, and the first that is none.
    [(0, 0), (0x6000_0000, 0x3f8), (0, 0xfff8), (0, 0xfff9)]
        .map(|(backup, port)| with(backup, port))
        .into()
}
