//! `/dev/xen/privcmd`: hypercalls from a dom0's user space.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use anyhow::{Context, Result};
use memmap2::MmapOptions;
use nix::{ioctl_none_bad, ioctl_readwrite_bad, ioctl_write_ptr_bad};

use super::bindings::xen::{
    __HYPERVISOR_multicall, ioctl_privcmd_hypercall, ioctl_privcmd_mmapbatch_v2,
    ioctl_privcmd_restrict, ioctl_privcmd_unimplemented, multicall_entry, privcmd_hypercall,
    privcmd_mmapbatch_v2,
};
use super::locked::Locked;

const FRAME_BYTES: usize = 4096;
const WORD_BYTES: usize = 8;

ioctl_readwrite_bad!(hypercall, ioctl_privcmd_hypercall, privcmd_hypercall);
ioctl_readwrite_bad!(mmapbatch, ioctl_privcmd_mmapbatch_v2, privcmd_mmapbatch_v2);
ioctl_none_bad!(unknown, ioctl_privcmd_unimplemented);
ioctl_write_ptr_bad!(restrict, ioctl_privcmd_restrict, u16);

pub struct Privcmd(File);

impl Privcmd {
    pub fn open() -> Result<Self> {
        let path = "/dev/xen/privcmd";
        let file = File::options().read(true).write(true).open(path);
        Ok(Self(file.context(path)?))
    }

    /// Has this descriptor be one for this domain only. There is no way back.
    pub fn restrict(&self, domain: u16) -> io::Result<()> {
        // SAFETY: The request takes the number of a domain.
        unsafe { restrict(self.0.as_raw_fd(), &domain) }?;
        Ok(())
    }

    /// Makes a hypercall.
    ///
    /// # Safety
    ///
    /// The arguments that `op` takes for addresses must be those of [`Locked`] buffers as long as the
    /// operation wants them, or such as nobody can use; and what the operation does must be all right for
    /// the machine.
    pub unsafe fn call(&self, op: impl Into<u64>, arg: [u64; 5]) -> io::Result<u64> {
        let op = op.into();
        let mut call = privcmd_hypercall { op, arg };
        // SAFETY: `call` is the structure that this request takes; the rest is the caller's word.
        let result = unsafe { hypercall(self.0.as_raw_fd(), &mut call) }?;
        u64::try_from(result).map_err(io::Error::other)
    }

    /// Makes a hypercall inside of another one, which is a list of hypercalls. So it comes to Xen whatever
    /// the kernel does with those that it sees.
    ///
    /// # Safety
    ///
    /// As for [`Self::call`].
    pub unsafe fn call_in_list(&self, op: u32, arg: [u64; 5]) -> io::Result<u64> {
        let [a, b, c, d, e] = arg;
        let list = Locked::holding(multicall_entry {
            op: op.into(),
            args: [a, b, c, d, e, 0],
            ..Default::default()
        });
        let list = list.map_err(io::Error::other)?;
        let arguments = [list.address(), 1, 0, 0, 0];
        // SAFETY: The list is locked and has one entry; what is in that is the caller's word.
        unsafe { self.call(__HYPERVISOR_multicall, arguments) }?;
        let result = list.as_ref()[0].result as i64;
        u64::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result as i32))
    }

    /// Makes a request that the driver does not have.
    pub fn unknown_request(&self) -> io::Result<()> {
        // SAFETY: It takes nothing.
        unsafe { unknown(self.0.as_raw_fd()) }?;
        Ok(())
    }

    /// The content of frames that the domain `owner` has, as words: Xen's to show, or I/O memory.
    pub fn read_frames(&self, owner: u16, frames: &[u64]) -> Result<Vec<u64>> {
        let mut options = MmapOptions::new();
        let options = options.len(frames.len() * FRAME_BYTES);
        // SAFETY: The device gives a mapping of no content, which the request below fills.
        let map = unsafe { options.map(&self.0) }.context("mmap of /dev/xen/privcmd")?;
        let mut errors = vec![0_i32; frames.len()];
        let mut request = privcmd_mmapbatch_v2 {
            num: u32::try_from(frames.len())?,
            dom: owner,
            addr: map.as_ptr() as u64,
            arr: frames.as_ptr(),
            err: errors.as_mut_ptr(),
        };
        // SAFETY: The mapping and both arrays have room for `num` frames.
        unsafe { mmapbatch(self.0.as_raw_fd(), &mut request) }
            .with_context(|| format!("mapping frames of domain {owner:#x}"))?;
        let first = map.as_ptr().cast::<u64>();
        // SAFETY: Inside the mapping, which is aligned to pages. Volatile, since Xen goes on
        // writing there.
        let word = |number| unsafe { first.add(number).read_volatile() };
        Ok((0..map.len() / WORD_BYTES).map(word).collect())
    }
}

impl AsFd for Privcmd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
