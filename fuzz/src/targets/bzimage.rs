//! Files that may be bzImages: where their parts are, and the kernel that is packed in them.

use formats::bzimage::BzImage;

use crate::common::put;

pub(super) fn run(data: &[u8]) {
    let Ok(image) = BzImage::parse(data) else {
        return;
    };
    let header = image.header();
    assert!(header.len() <= 0x26c - 0x1f1 && data[0x1f1..].starts_with(header));
    assert!(!image.payload().is_empty() && data.ends_with(image.payload()));
    assert!(image.memory() <= u32::MAX.into() && image.alignment() <= u32::MAX.into());
    assert_eq!(image.entry(0x10_0000), 0x10_0200);
    if let Ok(version) = image.version() {
        assert!(!version.is_empty() && version.bytes().all(|it| it.is_ascii_graphic()));
    }
    if let Ok(packed) = image.packed() {
        assert!(packed.len() <= image.payload().len());
    }
    if let Ok(kernel) = image.unpack() {
        assert!(kernel.starts_with(b"\x7fELF"));
    }
}

/// A bzImage in which this is packed.
pub(super) fn file(packed: &[u8]) -> Vec<u8> {
    let mut file = vec![0; 0x410];
    let length = (packed.len() as u32).to_le_bytes();
    let fields: [(usize, &[u8]); 10] = [
        (0x1f1, &[1]),
        (0x201, &[0x6a]),
        (0x202, b"HdrS"),
        (0x206, &[0x0f, 0x02]),
        (0x20e, &[0, 1]),
        (0x230, &[0, 0, 0x20, 0]),
        (0x236, &[1]),
        (0x248, &[16]),
        (0x24c, &length),
        (0x300, b"7.3.4+x (me) "),
    ];
    fields.iter().for_each(|(at, value)| put(&mut file, *at, value));
    file.extend(packed);
    file
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    // Frames of zstd (RFC 8878): a block as it is, one byte over and over, and one that is compressed.
    let elf = b"\x7fELF and so on";
    let plain = [&[0x28, 0xb5, 0x2f, 0xfd, 0x20, 14, (14 << 3) | 1, 0, 0], &elf[..]].concat();
    let head = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 104];
    let run = [&head[..], &[4 << 3, 0, 0], b"\x7fELF", &[(100 << 3) | 3, 0, 0, b'x']].concat();
    let compressed = [&head[..4], &[0x04, 0x60, 0x45, 0, 0, 0x10], b"\x7f\x7f", &[1, 0, 0x8f, 0x39, 2]].concat();
    [plain, run, compressed, vec![0x1f, 0x8b]].map(|packed| file(&packed)).into()
}
