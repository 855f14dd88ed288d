//! The multiboot information: what a boot loader tells the kernel that it starts.
//!
//! [`Information`] is what there is to tell. It is made into bytes by the rules of either version of the protocol,
//! for the address that these bytes will have.

mod v1;
mod v2;

use rkexec::memmap::MapEntry;

use crate::hypervisor::Protocol;
use crate::screen::Framebuffer;

/// Who tells. Xen takes the first word off the command lines of loaders that are not GRUB, as the name of the file.
const LOADER_NAME: &str = "rkexec";

/// What there is to tell.
#[derive(Debug)]
pub struct Information<'a> {
    /// The hypervisor's command line, with the name of its file as the first word.
    pub command_line: &'a str,
    pub modules: &'a [Module],
    /// The machine's memory map.
    pub map: &'a [MapEntry],
    /// KiB of RAM from address 0 on.
    pub lower_kib: u32,
    /// KiB of RAM from 1 MiB on.
    pub upper_kib: u32,
    pub framebuffer: Option<Framebuffer>,
}

/// A file that was loaded for the hypervisor: the kernel of dom0, its initrd, and what else it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its first byte.
    pub start: u32,
    /// The first byte behind it.
    pub end: u32,
    /// Its command line, with the name of its file as the first word.
    pub command_line: String,
}

impl Information<'_> {
    /// What the hypervisor is to find at the address `at`.
    pub fn bytes(&self, protocol: Protocol, at: u32) -> Vec<u8> {
        match protocol {
            Protocol::Multiboot1 => v1::bytes(self, at),
            Protocol::Multiboot2 { .. } => v2::bytes(self),
        }
    }
}

/// By which the hypervisor knows what it is told (Multiboot specification 0.6.96, 3.2; Multiboot2 specification
/// 2.0, 3.3).
pub fn magic(protocol: Protocol) -> u32 {
    match protocol {
        Protocol::Multiboot1 => 0x2bad_b002,
        Protocol::Multiboot2 { .. } => 0x36d7_6289,
    }
}

/// Appends numbers, least significant byte first.
fn push_words(to: &mut Vec<u8>, words: &[u32]) {
    to.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

/// Appends text, and the zero behind it.
fn push_text(to: &mut Vec<u8>, text: &str) {
    to.extend(text.bytes());
    to.push(0);
}

/// The two halves of a number, the lower one first.
fn halves(number: u64) -> [u32; 2] {
    [number as u32, (number >> 32) as u32]
}
