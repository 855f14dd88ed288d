//! Files that may be hypervisors: ELF files with a multiboot header, perhaps packed with gzip.

use rkexec_xen::hypervisor::{unpack, Hypervisor, Protocol};

pub(super) fn run(data: &[u8]) {
    let Ok(image) = unpack(data.to_vec()) else {
        return;
    };
    assert!(data.starts_with(&[0x1f, 0x8b]) || image == data);
    let Ok(hypervisor) = Hypervisor::parse(&image) else {
        return;
    };
    let bytes = hypervisor.bytes.len() as u64;
    assert!(hypervisor.entry_offset < bytes && bytes <= hypervisor.memory_bytes);
    assert!(bytes <= image.len() as u64 + hypervisor.memory_bytes);
    assert!(hypervisor.start % 4096 == 0 && hypervisor.memory_bytes % 4096 == 0);
    assert!(hypervisor.start + hypervisor.memory_bytes <= 1 << 32);
    if hypervisor.protocol == Protocol::Multiboot1 {
        assert!(image.windows(4).any(|it| it == 0x1bad_b002_u32.to_le_bytes()));
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|it| it.to_le_bytes()).collect()
}

/// An ELF file of 32 bits with one segment, of itself at 2 MiB, and these words behind it.
fn file(behind: &[u32]) -> Vec<u8> {
    entered_at(0x20_0010, behind)
}

fn entered_at(entry: u32, behind: &[u32]) -> Vec<u8> {
    [
        vec![0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0],
        words(&[1, entry, 52, 0, 0]),
        vec![52, 0, 32, 0, 1, 0, 40, 0, 0, 0, 0, 0],
        words(&[1, 0, 0x20_0000, 0x20_0000, 120, 0x2800, 7, 0x1000]),
        vec![0; 44],
        words(behind),
    ]
    .concat()
}

/// With a header of version 2.
fn multiboot2(tags: &[u32]) -> Vec<u8> {
    const MAGIC: u32 = 0xe852_50d6;
    let length = 16 + 4 * tags.len() as u32;
    let sum = 0u32.wrapping_sub(MAGIC).wrapping_sub(length);
    file(&[&[MAGIC, 0, length, sum], tags].concat())
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let relocatable = [0x1_000a, 24, 0x20_0000, 0xffff_ffff, 0x20_0000, 2];
    let wishes = [1, 12, 6, 0, 0x1_0063, 8, 6, 8];
    // A block of deflate as it is, of five bytes.
    let packed = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x01\x05\0\xfa\xff\x7fELF\x01\x94\xa8\x0f\x5e\x05\0\0\0";
    let version_1 = [0x1bad_b002, 3, 0u32.wrapping_sub(0x1bad_b005)];
    vec![
        // At its last byte, and behind it.
        entered_at(0x20_0077, &version_1),
        entered_at(0x20_0078, &version_1),
        multiboot2(&[&relocatable[..], &[0, 8]].concat()),
        multiboot2(&[&wishes[..], &relocatable, &[0, 8]].concat()),
        file(&version_1),
        packed.to_vec(),
    ]
}
