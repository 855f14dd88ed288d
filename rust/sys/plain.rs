//! The structures of this module that are nothing but integers: any bytes make one, and one is nothing
//! but bytes.

use kernel::transmute::{AsBytes, FromBytes};

use super::bindings::kernel as c;
use crate::abi::{handover, xen_kexec};
use crate::pure::identity::Table;

// SAFETY: 512 integers.
unsafe impl FromBytes for Table {}
// SAFETY: Likewise; it is as large as they are.
unsafe impl AsBytes for Table {}

// SAFETY: Integers, also in its entries.
unsafe impl FromBytes for handover::CopyListPage {}
// SAFETY: Likewise; all of them have eight bytes, so that nothing is between them.
unsafe impl AsBytes for handover::CopyListPage {}

// SAFETY: Integers and arrays of bytes. Nothing is between them: those of eight bytes are at multiples
// of that, and the two of four follow one another.
unsafe impl AsBytes for handover::Params {}

// SAFETY: Integers.
unsafe impl FromBytes for c::privcmd_hypercall {}
// SAFETY: Likewise.
unsafe impl FromBytes for xen_kexec::Exec {}
// SAFETY: Likewise.
unsafe impl FromBytes for xen_kexec::Load {}
// SAFETY: Likewise.
unsafe impl FromBytes for xen_kexec::Unload {}
// SAFETY: Likewise.
unsafe impl FromBytes for xen_kexec::Status {}
// SAFETY: Likewise.
unsafe impl FromBytes for xen_kexec::Segment {}
// SAFETY: Likewise; all of them have eight bytes, so that nothing is between them.
unsafe impl AsBytes for xen_kexec::Segment {}

const _: () = {
    assert!(size_of::<xen_kexec::Segment>() == 4 * 8);
    assert!(size_of::<Table>() == 512 * 8);
    assert!(size_of::<handover::CopyListPage>() == (2 + 3 * handover::ENTRIES_PER_PAGE) * 8);
    assert!(size_of::<handover::Params>() == 9 * 8 + 2 * 4 + 4 * size_of::<handover::Digest>());
};
