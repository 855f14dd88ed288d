//! What scenarios are made of.

pub use anyhow::{anyhow, bail, ensure, Context, Result};
pub use rkexec_protocol::choice::Call;

pub use super::loader::{expect_errno, Loader, PAGE, PLACE};
pub use super::plan::{Plan, INITRD, KERNEL};
pub use super::stage::{Next, Stage};
pub use crate::kernel_log::KernelLog;
pub use crate::module;
pub use crate::report::Report;
pub use crate::sys::kexec::{self, Segment};
pub use crate::xen::{self, Xen};
