//! Turns a linked kernel module into a livepatch with livepatch relocations.
//!
//! The module loader resolves only exported symbols. A livepatch may also use unexported ones, when
//! they and the relocations against them are marked in a way that modpost and the linker do not
//! know; so it is done here, after the last link. Format: Documentation/livepatch/module-elf-format.rst.
//!
//! - [`symvers`]: what the kernel and other modules export, and to whom.
//! - [`allow`]: the unexported symbols that the module may use.
//! - [`modinfo`]: what the module says about itself.
//! - [`problem`]: the reasons to refuse.
//! - [`convert`]: the checks, and the rewriting of the ELF file.

pub mod allow;
pub mod convert;
pub mod modinfo;
pub mod problem;
pub mod symvers;
