//! The framebuffer that the firmware or a boot loader has set up, where there is one.

use std::fs;

use crate::machine::BOOT_PARAMS;

/// A linear framebuffer with direct colours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framebuffer {
    /// The machine's address.
    pub address: u32,
    pub bytes: u64,
    /// In pixels, as the height.
    pub width: u16,
    pub height: u16,
    pub bytes_per_line: u16,
    pub bits_per_pixel: u8,
    /// Red, green, blue, and what is left.
    pub channels: [Channel; 4],
}

/// Where a colour is in a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    pub bits: u8,
    /// Of its lowest bit.
    pub position: u8,
}

/// The drivers that have a framebuffer.
const DRIVERS: &str = "/proc/fb";
/// Those of them that leave it as it was set up.
const MODEST: [&str; 6] = [
    "EFI VGA",
    "VESA VGA",
    "simple",
    "simpledrmdrmfb",
    "efidrmdrmfb",
    "vesadrmdrmfb",
];

/// The screen, if there is one that can be used as it is. Once a driver for the graphics adapter itself has taken it
/// over, nobody knows where its picture is.
pub fn framebuffer() -> Option<Framebuffer> {
    let drivers = fs::read_to_string(DRIVERS).unwrap_or_default();
    let mut names = drivers.lines().filter_map(|line| line.split_once(' '));
    if names.any(|(_, name)| !MODEST.contains(&name)) {
        return None;
    }
    // Their first part is `struct screen_info`. In a dom0, too: there Xen has told it.
    parse(&fs::read(BOOT_PARAMS).ok()?)
}

/// `struct screen_info` (`linux/screen_info.h`), if it tells of a linear framebuffer.
pub fn parse(info: &[u8]) -> Option<Framebuffer> {
    const VESA: u8 = 0x23;
    const EFI: u8 = 0x70;
    /// The address has an upper half.
    const CAPABILITY_64BIT_BASE: u32 = 1 << 1;

    let byte = |at: usize| info.get(at).copied();
    let half = |at: usize| Some(u16::from_le_bytes([byte(at)?, byte(at + 1)?]));
    let word = |at: usize| Some(u32::from(half(at)?) | (u32::from(half(at + 2)?) << 16));
    let size = u64::from(word(0x1c)?);
    let bytes = match byte(0x0f)? {
        VESA => size << 16,
        // Or, in a dom0, as Xen has it: in units of 64 KiB (`xen_init_vga()`, `arch/x86/xen/vga.c`). So at least what
        // the picture takes.
        EFI => size.max(u64::from(half(0x24)?) * u64::from(half(0x14)?)),
        _ => return None,
    };
    if word(0x36)? & CAPABILITY_64BIT_BASE != 0 && word(0x3a)? != 0 {
        return None;
    }
    let channel = |at| {
        Some(Channel {
            bits: byte(at)?,
            position: byte(at + 1)?,
        })
    };
    let framebuffer = Framebuffer {
        address: word(0x18)?,
        bytes,
        width: half(0x12)?,
        height: half(0x14)?,
        bytes_per_line: half(0x24)?,
        bits_per_pixel: u8::try_from(half(0x16)?).ok()?,
        channels: [
            channel(0x26)?,
            channel(0x28)?,
            channel(0x2a)?,
            channel(0x2c)?,
        ],
    };
    (framebuffer.address != 0 && framebuffer.width != 0).then_some(framebuffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(kind: u8, size: u32) -> Vec<u8> {
        let mut info = vec![0; 4096];
        info[0x0f] = kind;
        info[0x12..0x18].copy_from_slice(&[0, 5, 0x20, 3, 32, 0]);
        info[0x18..0x1c].copy_from_slice(&0xc000_0000_u32.to_le_bytes());
        info[0x1c..0x20].copy_from_slice(&size.to_le_bytes());
        info[0x24..0x2e].copy_from_slice(&[0, 20, 8, 16, 8, 8, 8, 0, 8, 24]);
        info
    }

    #[test]
    fn the_size_is_in_bytes_or_in_units_of_64_kib() {
        assert_eq!(parse(&info(0x70, 4_096_000)).unwrap().bytes, 4_096_000);
        let vesa = parse(&info(0x23, 64)).unwrap();
        assert_eq!(vesa.bytes, 4 << 20);
        assert_eq!(
            (vesa.width, vesa.height, vesa.bytes_per_line),
            (1280, 800, 5120)
        );
        assert_eq!(
            vesa.channels[0],
            Channel {
                bits: 8,
                position: 16
            }
        );
    }

    #[test]
    fn the_picture_of_a_dom0_with_uefi_fits() {
        assert_eq!(parse(&info(0x70, 63)).unwrap().bytes, 5120 * 800);
    }

    #[test]
    fn a_text_screen_is_none_and_neither_is_one_beyond_4_gib() {
        assert_eq!(parse(&info(1, 64)), None);
        assert_eq!(parse(&[]), None);
        let mut far = info(0x70, 4_096_000);
        far[0x36] = 2;
        far[0x3a] = 1;
        assert_eq!(parse(&far), None);
    }
}
