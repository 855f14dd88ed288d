//! The fuzzer: libFuzzer, and the target that is named in the environment.
//!
//! One program for all of them, for most of what it takes to link one is the same for each. It takes the options of
//! libFuzzer's programs, and files to replay.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use rkexec_fuzz::targets::{self, Target};

static TARGET: OnceLock<&Target> = OnceLock::new();

fn init() {
    let name = std::env::var("RKEXEC_FUZZ_TARGET").unwrap_or_default();
    let target = targets::named(&name).unwrap_or_else(|| {
        let names: Vec<_> = targets::ALL.iter().map(|target| target.name).collect();
        eprintln!("RKEXEC_FUZZ_TARGET is to be one of: {}", names.join(" "));
        std::process::exit(2);
    });
    let _ = TARGET.set(target);
    stack_for_signals();
}

/// Has signals handled on a stack of their own. libFuzzer asks for that and does not see to it; without it what overflows
/// the stack ends the program before the input is written down.
fn stack_for_signals() {
    const BYTES: usize = 64 << 10;

    let stack = libc::stack_t {
        ss_sp: vec![0u8; BYTES].leak().as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: BYTES,
    };
    // SAFETY: The memory is nobody else's, and is never given back.
    let set = unsafe { libc::sigaltstack(&stack, std::ptr::null_mut()) };
    assert_eq!(set, 0, "sigaltstack");
}

fuzz_target!(init: init(), |data: &[u8]| {
    let target = TARGET.get().expect("what init() has set");
    (target.run)(data);
});
