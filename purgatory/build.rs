//! How the freestanding programs of this package are linked. The library needs nothing of this.

use rkexec::abi::handover::MAX_SIZE;

fn main() {
    let dir = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    println!("cargo::rerun-if-changed=build.rs");
    let link = |bin: &str, script: &str, more: &[&str]| {
        println!("cargo::rerun-if-changed={dir}/{script}");
        // No start-up code and no library: nothing a stray symbol could come from.
        let common = [
            "-nostartfiles",
            "-nostdlib",
            "-Wl,--gc-sections",
            "-Wl,--build-id=none",
        ];
        // Code and data share pages: both programs run without any protection.
        let flat = [
            "-Wl,--no-warn-rwx-segments",
            &format!("-Wl,-T,{dir}/{script}"),
        ];
        for arg in common.iter().chain(&flat).chain(more) {
            println!("cargo::rustc-link-arg-bin={bin}={arg}");
        }
    };
    // Position-independent without a loader: a needed relocation is then visible, and refused.
    let relocatable = [
        "-static-pie",
        "-Wl,--no-dynamic-linker",
        "-Wl,--orphan-handling=error",
        &format!("-Wl,--defsym=HANDOVER_MAX_SIZE={MAX_SIZE}"),
    ];
    link("handover", "src/blob/layout.ld", &relocatable);
    link(
        "bench-loader",
        "bench-loader/layout.ld",
        &["-static", "-no-pie"],
    );
}
