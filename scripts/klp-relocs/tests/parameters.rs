//! The module as it was built: what the kernel finds of its parameters. `make module` comes before this.

use std::fs;

use object::{Object, ObjectSection, ObjectSymbol};

/// The module.
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.build/rkexec.ko");
/// Where `flags` is in `struct kernel_param` (linux/moduleparam.h): behind three pointers, a number of 16
/// bits and one of 8.
const FLAGS: usize = 27;
/// `KERNEL_PARAM_FL_HWPARAM`: a kernel that is locked down does not let it be set.
const HARDWARE: u8 = 1 << 1;

/// The flags of a parameter.
fn flags(module: &object::File<'_>, name: &str) -> u8 {
    let symbol = format!("__param_{name}");
    let symbol = module.symbol_by_name(&symbol).expect("a parameter");
    let section = symbol.section_index().expect("defined");
    let section = module.section_by_index(section).expect("a section");
    assert_eq!(section.name(), Ok("__param"));
    let at = usize::try_from(symbol.address()).expect("small") + FLAGS;
    section.data().expect("contents")[at]
}

#[test]
fn the_serial_port_is_a_parameter_of_hardware_and_nothing_else_is() {
    let file = fs::read(MODULE).expect("the module, which `make module` builds");
    let module = object::File::parse(&*file).expect("an ELF file");
    assert_eq!(flags(&module, "serial") & HARDWARE, HARDWARE);
    for name in ["halt", "xen_abi"] {
        assert_eq!(flags(&module, name) & HARDWARE, 0, "{name}");
    }
}
