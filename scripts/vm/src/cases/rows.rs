//! The rows that others are made from.

use rkexec_protocol::choice::Call;
use rkexec_protocol::scenario::Boot as Load;
use rkexec_protocol::Scenario;

use crate::case::{Case, Needs};
use crate::end::End;
use crate::machine::{Firmware, Machine, DOM0};

/// A load by `kexec_file_load`, and off into the next kernel.
pub const FILE: Load = Load::NEW;
/// The same by `kexec_load`.
pub const LOAD: Load = Load::NEW.call(Call::Load);

/// A machine without Xen.
pub const NATIVE: Machine = DOM0.xen(None);
/// A machine without Xen that was booted by UEFI.
pub const UEFI: Machine = NATIVE.firmware(Firmware::Uefi);

/// What every hand-over says that succeeds.
pub const HANDED_OVER: &[&str] = &[
    "rkexec: page tables verified",
    "rkexec: image verified",
    "rkexec: entering 0x",
];

/// A row without content: a dom0 that boots a next kernel.
pub const BOOTS: Case = Case {
    name: "",
    machine: DOM0,
    scenario: Scenario::Boot(FILE),
    module: true,
    end: End::NextKernel,
    says: HANDED_OVER,
    never: &[],
    expects_trouble: &[],
    needs: Needs::Nothing,
    seconds: 60,
};

/// What an image of `kexec_file_load` says on the bare machine.
pub const NATIVE_HANDED_OVER: &[&str] = &[
    "rkexec: kexec images get a map of all memory",
    "rkexec: page tables verified",
    "rkexec: image verified",
    "rkexec: entering 0x",
];

/// A row without content: a bare machine that boots a next kernel.
pub const NATIVE_BOOTS: Case = Case {
    machine: NATIVE,
    says: NATIVE_HANDED_OVER,
    seconds: 35,
    ..BOOTS
};

/// The same by `kexec_load`: its caller's purgatory runs, and no hand-over.
pub const NATIVE_BOOTS_BY_LOAD: Case = Case {
    says: &["rkexec: kexec images get a map of all memory"],
    never: &["^rkexec: "],
    ..NATIVE_BOOTS
};

/// A row without content: Linux's own tests (tools/testing/selftests/kexec), which boot nothing.
pub const SELFTESTS: Case = Case {
    scenario: Scenario::Selftests,
    end: End::FirstKernel,
    says: &[],
    needs: Needs::Selftests,
    seconds: 60,
    ..BOOTS
};
