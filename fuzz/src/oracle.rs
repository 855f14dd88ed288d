//! What the host tests of the pure core judge by.

#[path = "../../rust/tests/acpi/firmware.rs"]
pub(crate) mod firmware;
#[path = "../../rust/tests/mem_hole/kernel.rs"]
pub(crate) mod kernel;
#[path = "../../rust/tests/elfcore/memory.rs"]
pub(crate) mod memory;
#[path = "../../rust/tests/identity/model.rs"]
pub(crate) mod model;
#[path = "../../rust/tests/identity/rules.rs"]
pub(crate) mod rules;
#[path = "../../rust/tests/identity/walker.rs"]
pub(crate) mod walker;
