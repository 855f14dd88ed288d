//! How the freestanding programs of this package are linked. The library needs nothing of this.

fn main() {
    let dir = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let script = format!("{dir}/src/blob/layout.ld");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={script}");
    for arg in [
        // No start-up code and no library: nothing is on the line that a stray symbol could come from.
        "-nostartfiles",
        "-nostdlib",
        // Position-independent without a loader: a needed relocation is then visible, and refused.
        "-static-pie",
        "-Wl,--no-dynamic-linker",
        "-Wl,--gc-sections",
        "-Wl,--build-id=none",
        "-Wl,--orphan-handling=error",
        // Xen maps all of it readable, writable and executable; the blob sets up no protection.
        "-Wl,--no-warn-rwx-segments",
        &format!("-Wl,-T,{script}"),
    ] {
        println!("cargo::rustc-link-arg-bin=handover={arg}");
    }
}
