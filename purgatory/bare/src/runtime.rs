//! What the compiler takes for granted: the four memory functions of C.
//!
//! It calls them wherever it copies, fills or compares, and there is no C library here. They use
//! the string instructions, above all so that the compiler cannot recognise a loop in them and
//! replace it by a call to itself.

use core::arch::asm;

/// Copies `len` bytes from `src` to `dst`, which do not overlap.
///
/// # Safety
///
/// Both are valid for `len` bytes.
#[no_mangle]
unsafe extern "C" fn memcpy(dst: *mut u8, src: *const u8, len: usize) -> *mut u8 {
    // SAFETY: As the caller promises.
    unsafe {
        asm!(
            "rep movsb", // RCX bytes from [RSI] to [RDI], upwards
            inout("rcx") len => _,
            inout("rsi") src => _,
            inout("rdi") dst => _,
            options(nostack, preserves_flags),
        );
    }
    dst
}

/// Fills `len` bytes at `dst` with the low byte of `value`.
///
/// # Safety
///
/// `dst` is valid for `len` bytes.
#[no_mangle]
unsafe extern "C" fn memset(dst: *mut u8, value: i32, len: usize) -> *mut u8 {
    // SAFETY: As the caller promises.
    unsafe {
        asm!(
            "rep stosb", // AL to RCX bytes at [RDI], upwards
            inout("rcx") len => _,
            inout("rdi") dst => _,
            in("al") value as u8,
            options(nostack, preserves_flags),
        );
    }
    dst
}

/// Compares `len` bytes: 0 if they are equal.
///
/// # Safety
///
/// Both are valid for `len` bytes.
#[no_mangle]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, len: usize) -> i32 {
    let differ: u8;
    // SAFETY: As the caller promises.
    unsafe {
        asm!(
            "cmp {zero}, {zero}", // ZF = 1, which an empty comparison leaves as it is
            "repe cmpsb",         // compare upwards while equal, at most RCX bytes
            "setne {differ}",     // ZF = 0: the last pair differed
            zero = in(reg) 0u64,
            differ = lateout(reg_byte) differ,
            inout("rcx") len => _,
            inout("rsi") left => _,
            inout("rdi") right => _,
            options(nostack, readonly),
        );
    }
    i32::from(differ)
}
