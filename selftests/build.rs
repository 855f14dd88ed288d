//! Translates the C headers in `bindings/` with the `bindgen` command.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::{env, fs};

/// A header in `bindings/` and what is wanted from it: regular expressions for whole names.
const HEADERS: [(&str, &str); 2] = [
    (
        "xen",
        "__HYPERVISOR_.*|XENMEM_.*|XEN_SYSCTL_.*|CONSOLEIO_write|KEXEC_.*|SCHEDOP_.*|SHUTDOWN_.*|\
         sched_(shutdown|watchdog)|xen_memory_map|xen_machphys_mfn_list|xen_sysctl|\
         xen_kexec_(exec|load|range|segment|status|unload)|multicall_entry|XENVER_version|privcmd_.*|\
         domid_(io|xen)|ioctl_.*",
    ),
    (
        "linux",
        "boot_params|setup_header|boot_e820_entry|SETUP_E820_EXT|efi_info|kexec_segment|KEXEC_.*|\
         XLF_.*|uffd_api|uffdio_(api|copy|register|range)|ioctl_.*|uffd_register_missing",
    ),
];

fn main() -> ExitCode {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    println!("cargo::rerun-if-changed=build.rs");
    for (name, wanted) in HEADERS {
        let header = format!("bindings/{name}.h");
        println!("cargo::rerun-if-changed={header}");
        let target = out.join(format!("{name}.rs"));
        let mut bindgen = Command::new("bindgen");
        bindgen.args([
            "--no-doc-comments",
            "--with-derive-default",
            "--no-prepend-enum-name",
        ]);
        bindgen.args(["--rust-target", "1.85", "--allowlist-item", wanted]);
        bindgen.arg("--output").arg(&target).arg(&header);
        match bindgen.status() {
            Ok(status) if status.success() && fs::metadata(&target).is_ok() => {}
            Ok(status) => {
                println!("cargo::error=bindgen {header}: {status}");
                return ExitCode::FAILURE;
            }
            Err(error) => {
                println!("cargo::error=cannot run bindgen (package bindgen): {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
