//! How the freestanding program is linked. The library needs nothing of this.

fn main() {
    let dir = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let script = format!("{dir}/src/blob/layout.ld");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={script}");
    for arg in [
        // No start-up code and no library: nothing a stray symbol could come from.
        "-nostartfiles",
        "-nostdlib",
        "-Wl,--gc-sections",
        "-Wl,--build-id=none",
        // Position-independent without a loader: a needed relocation is then visible, and refused.
        "-static-pie",
        "-Wl,--no-dynamic-linker",
        "-Wl,--orphan-handling=error",
        // One piece of memory without any protection.
        "-Wl,--no-warn-rwx-segments",
        &format!("-Wl,-T,{script}"),
    ] {
        println!("cargo::rustc-link-arg-bin=probe={arg}");
    }
}
