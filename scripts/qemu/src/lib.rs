//! A machine that tests run in. It is QEMU without KVM, so that it runs anywhere: started, killed in
//! every case, and followed by what it says on its serial port ([`Vm`]); asked what it does ([`Qmp`]); and
//! looked at and changed behind its own back ([`Ram`]).

mod console;
mod qmp;
mod ram;
mod vm;

pub use console::clean;
pub use qmp::{places, Qmp};
pub use ram::{Chipset, Ram};
pub use vm::{Silence, Vm};
