//! Files in debugfs that can be read. One that is open keeps the module in.
//!
//! Those of the `kernel` crate do not: their `struct file_operations` has no owner (Linux 7.3), and
//! whoever closes one when the module has gone calls what is there no more.

use core::marker::PhantomData;
use core::ptr::{from_ref, null};

use kernel::bindings;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::types::Opaque;

/// What a file shows.
pub(crate) trait Show: Sync + 'static {
    /// Writes all of it to `file`; what is too long for `file` is asked for once more, in a larger
    /// one. An error is that of `read(2)`.
    fn show(&self, file: &SeqFile) -> Result;
}

/// A directory. It goes with this value, and with it the files that are in it.
pub(crate) struct Dir(*mut bindings::dentry);

// SAFETY: debugfs has locks of its own, and the value is not changed once it is made.
unsafe impl Send for Dir {}
// SAFETY: As above.
unsafe impl Sync for Dir {}

impl Dir {
    /// Makes one. That debugfs cannot make it does not matter: then there are no files.
    ///
    /// Not before the module is sure to stay: the kernel frees one whose init fails without a look
    /// at who has a file of it open.
    pub(crate) fn new(name: &CStr) -> Self {
        // SAFETY: A string that ends with a zero, and no parent.
        Self(unsafe { bindings::debugfs_create_dir(name.as_char_ptr(), core::ptr::null_mut()) })
    }

    /// Makes a file in it that shows `what`, to root only.
    pub(crate) fn add<T: Show>(&self, name: &CStr, what: &'static T) {
        const READABLE_BY_ROOT: u16 = 0o400;
        // SAFETY: debugfs takes what it has returned for a parent, an error too. The operations are
        // those for a `T`, and like `what` they stay until the directory has gone and no file of
        // it is open.
        unsafe {
            bindings::debugfs_create_file_full(
                name.as_char_ptr(),
                READABLE_BY_ROOT,
                self.0,
                from_ref(what).cast_mut().cast(),
                null(),
                &Operations::<T>::OF_FILE,
            )
        };
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // SAFETY: It is what `debugfs_create_dir` has returned, an error included. When this returns
        // nobody reads a file of it any more.
        unsafe { bindings::debugfs_remove(self.0) };
    }
}

/// What the kernel calls for a file that shows a `T`.
struct Operations<T>(PhantomData<T>);

impl<T: Show> Operations<T> {
    const OF_FILE: bindings::file_operations = bindings::file_operations {
        owner: this_module(),
        open: Some(open::<T>),
        read: Some(bindings::seq_read),
        llseek: Some(bindings::seq_lseek),
        release: Some(bindings::single_release),
        ..pin_init::zeroed()
    };
}

/// `THIS_MODULE`.
const fn this_module() -> *mut bindings::module {
    extern "C" {
        // A `struct module`. Not by its type: the compiler warns of a field in it that has no size.
        static __this_module: Opaque<u8>;
    }
    // SAFETY: The kernel's build makes it for every module; only its address is taken.
    unsafe { __this_module.get() }.cast()
}

unsafe extern "C" fn open<T: Show>(
    inode: *mut bindings::inode,
    file: *mut bindings::file,
) -> c_int {
    // SAFETY: The kernel passes a live inode, that of a file which `Dir::add` has made, and a file
    // that is being opened.
    unsafe { bindings::single_open(file, Some(show::<T>), (*inode).i_private) }
}

unsafe extern "C" fn show<T: Show>(seq: *mut bindings::seq_file, _: *mut c_void) -> c_int {
    // SAFETY: The kernel passes the file that is being read, which is nobody else's meanwhile;
    // `open` has left the `T` there, which is static.
    let (what, file) = unsafe { (&*(*seq).private.cast::<T>(), SeqFile::from_raw(seq)) };
    match what.show(file) {
        Ok(()) => 0,
        Err(e) => e.to_errno(),
    }
}
