//! Files that may be kernels for dom0: notes of an ELF file, by itself or packed in a bzImage.

use std::path::Path;

use rkexec_xen::dom0_kernel::check;

use super::bzimage;

pub(super) fn run(data: &[u8]) {
    // There is no configuration beside it.
    let said = check(Path::new("/nowhere/vmlinuz"), data);
    if data.starts_with(b"\x7fELF") && said.is_ok() {
        assert!(data.windows(3).any(|it| it == b"Xen"));
    }
}

/// An ELF file of 64 bits with one segment of notes: (type, what it says).
fn kernel(notes: &[(u32, u32)]) -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|it| it.to_le_bytes()).collect::<Vec<_>>();
    let long = |words: &[u64]| words.iter().flat_map(|it| it.to_le_bytes()).collect::<Vec<_>>();
    let note = |&(kind, says): &(u32, u32)| {
        [words(&[4, 4, kind]), b"Xen\0".to_vec(), words(&[says])].concat()
    };
    let body: Vec<u8> = notes.iter().flat_map(note).collect();
    let bytes = body.len() as u64;
    [
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec(),
        long(&[0, 64, 0]),
        vec![0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0],
        words(&[4, 4]),
        long(&[120, 0, 0, bytes, bytes, 4]),
        body,
    ]
    .concat()
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let dom0 = kernel(&[(1, 0), (17, 0x801), (18, 0)]);
    let size = dom0.len() as u8;
    // A frame of zstd with one block as it is: its length in a byte, then that of the block.
    let block = (u32::from(size) << 3) | 1;
    let head = [0x28, 0xb5, 0x2f, 0xfd, 0x20, size];
    let packed = [&head[..], &block.to_le_bytes()[..3], &dom0].concat();
    vec![
        kernel(&[(1, 0)]),
        kernel(&[(3, 0), (18, 7)]),
        bzimage::file(&packed),
        bzimage::file(b"\x1f\x8b\x08\0\0\0\0\0\0\x03"),
        dom0,
    ]
}
