//! The layout of boot parameters, compared with the C headers by the C compiler.

use std::io::Write;
use std::process::{Command, Stdio};

use rkexec::boot_params::{
    offset, E820_ENTRY_BYTES, E820_TABLE_ENTRIES, EFI_INFO_BYTES, SETUP_DATA_BYTES, SETUP_E820_EXT,
    SIZE,
};

/// Fields of `struct boot_params`: where they are, and how many bytes they have, where that matters.
const FIELDS: [(&str, usize, Option<usize>); 15] = [
    ("screen_info.ext_mem_k", offset::EXT_MEM_K, Some(2)),
    ("acpi_rsdp_addr", offset::ACPI_RSDP_ADDR, Some(8)),
    ("ext_cmd_line_ptr", offset::EXT_CMD_LINE_PTR, Some(4)),
    ("efi_info", offset::EFI_INFO, Some(EFI_INFO_BYTES)),
    ("alt_mem_k", offset::ALT_MEM_K, Some(4)),
    ("e820_entries", offset::E820_ENTRIES, Some(1)),
    ("hdr.boot_flag", offset::BOOT_FLAG, Some(2)),
    ("hdr.header", offset::HEADER, Some(4)),
    ("hdr.version", offset::VERSION, Some(2)),
    ("hdr.cmd_line_ptr", offset::CMD_LINE_PTR, Some(4)),
    ("hdr.cmdline_size", offset::CMDLINE_SIZE, Some(4)),
    ("hdr.hardware_subarch", offset::HARDWARE_SUBARCH, Some(4)),
    (
        "hdr.hardware_subarch_data",
        offset::HARDWARE_SUBARCH_DATA,
        Some(8),
    ),
    ("hdr.setup_data", offset::SETUP_DATA, Some(8)),
    ("e820_table", offset::E820_TABLE, None),
];

/// Other C expressions, and the values that they have to have.
const OTHERS: [(&str, usize); 12] = [
    ("sizeof(struct boot_params)", SIZE),
    ("sizeof(struct efi_info)", EFI_INFO_BYTES),
    ("sizeof(struct boot_e820_entry)", E820_ENTRY_BYTES),
    ("offsetof(struct boot_e820_entry, size)", 8),
    ("offsetof(struct boot_e820_entry, type)", 16),
    ("sizeof(struct setup_data)", SETUP_DATA_BYTES),
    ("offsetof(struct setup_data, next)", 0),
    ("offsetof(struct setup_data, type)", 8),
    ("offsetof(struct setup_data, len)", 12),
    ("E820_MAX_ENTRIES_ZEROPAGE", E820_TABLE_ENTRIES),
    ("SETUP_E820_EXT", SETUP_E820_EXT as usize),
    ("X86_SUBARCH_PC", 0),
];

/// A C expression and the value that it has to have.
fn expectations() -> Vec<(String, usize)> {
    let offsets = FIELDS.map(|(name, at, _)| (format!("offsetof(struct boot_params, {name})"), at));
    let sizes = FIELDS.iter().filter_map(|(name, _, bytes)| {
        let expression = format!("sizeof(((struct boot_params *)0)->{name})");
        bytes.map(|bytes| (expression, bytes))
    });
    let others = OTHERS.map(|(what, value)| (what.to_owned(), value));
    offsets.into_iter().chain(sizes).chain(others).collect()
}

/// Compiles a C program without keeping the result; what the compiler says if it refuses.
fn compile(program: &str) -> Result<(), String> {
    let mut compiler = Command::new("cc")
        .args(["-x", "c", "-fsyntax-only", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a C compiler, as cargo itself needs one to link");
    let mut input = compiler.stdin.take().expect("piped");
    input
        .write_all(program.as_bytes())
        .expect("the compiler reads its input");
    drop(input);
    let output = compiler.wait_with_output().expect("the compiler ends");
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// A C program that compiles if all of the expectations are met.
fn program(expectations: &[(String, usize)]) -> String {
    let asserts = expectations.iter().map(|(what, value)| {
        format!("_Static_assert({what} == {value}, \"{what} is not {value}\");\n")
    });
    "#include <stddef.h>\n#include <asm/bootparam.h>\n".to_owned() + &asserts.collect::<String>()
}

#[test]
fn the_layout_is_that_of_the_c_headers() {
    // They are in the package linux-libc-dev, which the C library's own headers depend on.
    if let Err(said) = compile(&program(&expectations())) {
        panic!("{said}");
    }
    let (what, value) = expectations().swap_remove(0);
    let wrong = program(&[(what, value + 1)]);
    assert!(
        compile(&wrong).is_err(),
        "the compiler does look at the assertions"
    );
}
