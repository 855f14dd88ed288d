//! Xen's kexec hypercall: `xen/include/public/kexec.h`, on x86-64, in both of its versions.
//!
//! Here and not from Xen's headers, for those are of one Xen and the module is for many: Xen 4.23 has
//! dropped V1 from them, which the Xens before it still speak.
//!
//! What is an address of the caller's is a `u64`, as wide as Xen takes it.

use core::mem::{offset_of, size_of};

/// The image that Xen starts when it is told to.
pub const TYPE_DEFAULT: u8 = 0;
/// The image that Xen starts when it or dom0 has crashed.
pub const TYPE_CRASH: u8 = 1;

/// Starts an image: [`Exec`].
pub const CMD_EXEC: u32 = 0;
/// Loads one by V1: [`LoadV1`].
pub const CMD_LOAD_V1: u32 = 1;
/// Unloads one by V1: [`LoadV1`], of which Xen reads the type.
pub const CMD_UNLOAD_V1: u32 = 2;
/// Tells a range of machine memory: [`Range`].
pub const CMD_GET_RANGE: u32 = 3;
/// Loads an image by V2: [`Load`].
pub const CMD_LOAD: u32 = 4;
/// Unloads one by V2: [`Unload`].
pub const CMD_UNLOAD: u32 = 5;
/// Tells whether one is loaded: [`Status`].
pub const CMD_STATUS: u32 = 6;

/// The crash area.
pub const RANGE_CRASH: i32 = 0;
/// Xen itself: its code and static data.
pub const RANGE_XEN: i32 = 1;
/// The ELF notes of a processor.
pub const RANGE_CPU: i32 = 2;
/// Xen's description of itself for dumps.
pub const RANGE_VMCOREINFO: i32 = 6;

/// `xen_kexec_exec_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Exec {
    /// `TYPE_*`.
    pub kind: i32,
}

const _: () = assert!(size_of::<Exec>() == 4);

/// `KEXEC_XEN_NO_PAGES`.
const V1_PAGES: usize = 17;

/// `xen_kexec_image_t`: what V1 is told of an image.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ImageV1 {
    /// Pages that only the first versions use. Xen 4.6 and later do not look at them.
    pub page_list: [u64; V1_PAGES],
    /// The machine address of the first page of the list of what goes where.
    pub indirection_page: u64,
    /// The machine address where the image is entered.
    pub start_address: u64,
}

const _: () = {
    assert!(size_of::<ImageV1>() == 152);
    assert!(offset_of!(ImageV1, page_list) == 0);
    assert!(offset_of!(ImageV1, indirection_page) == 136);
    assert!(offset_of!(ImageV1, start_address) == 144);
};

/// `xen_kexec_load_v1_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadV1 {
    /// `TYPE_*`.
    pub kind: i32,
    /// Zero.
    pub _pad: u32,
    /// The image.
    pub image: ImageV1,
}

const _: () = {
    assert!(size_of::<LoadV1>() == 160);
    assert!(offset_of!(LoadV1, kind) == 0);
    assert!(offset_of!(LoadV1, image) == 8);
};

/// `xen_kexec_range_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Range {
    /// `RANGE_*`.
    pub range: i32,
    /// Which of them: for [`RANGE_CPU`] the number of the processor, else 0.
    pub nr: i32,
    /// Xen's answer: bytes.
    pub size: u64,
    /// Xen's answer: the machine address of the first.
    pub start: u64,
}

const _: () = {
    assert!(size_of::<Range>() == 24);
    assert!(offset_of!(Range, range) == 0);
    assert!(offset_of!(Range, nr) == 4);
    assert!(offset_of!(Range, size) == 8);
    assert!(offset_of!(Range, start) == 16);
};

/// `xen_kexec_segment_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Segment {
    /// Where the data is: a virtual address of the caller's, 0 if there is none.
    pub buf: u64,
    /// Bytes of data.
    pub buf_size: u64,
    /// The machine address that it goes to.
    pub dest_maddr: u64,
    /// Bytes there; what is beyond the data becomes zero, if there is data.
    pub dest_size: u64,
}

const _: () = {
    assert!(size_of::<Segment>() == 32);
    assert!(offset_of!(Segment, buf) == 0);
    assert!(offset_of!(Segment, buf_size) == 8);
    assert!(offset_of!(Segment, dest_maddr) == 16);
    assert!(offset_of!(Segment, dest_size) == 24);
};

/// `xen_kexec_load_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    /// `TYPE_*`.
    pub kind: u8,
    /// Zero.
    pub _pad: u8,
    /// The ELF machine that the image is entered as.
    pub arch: u16,
    /// How many segments there are.
    pub nr_segments: u32,
    /// Where they are: a virtual address of the caller's.
    pub segments: u64,
    /// The machine address where the image is entered.
    pub entry_maddr: u64,
}

const _: () = {
    assert!(size_of::<Load>() == 24);
    assert!(offset_of!(Load, kind) == 0);
    assert!(offset_of!(Load, arch) == 2);
    assert!(offset_of!(Load, nr_segments) == 4);
    assert!(offset_of!(Load, segments) == 8);
    assert!(offset_of!(Load, entry_maddr) == 16);
};

/// `xen_kexec_unload_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Unload {
    /// `TYPE_*`.
    pub kind: u8,
}

const _: () = assert!(size_of::<Unload>() == 1);

/// `xen_kexec_status_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Status {
    /// `TYPE_*`.
    pub kind: u8,
}

const _: () = assert!(size_of::<Status>() == 1);
