//! Programs that people use: `kexec-client`, and kexec-tools, which boots the next kernel.

use std::process::Command;

use super::prelude::*;
use crate::program::{self, kexec_files};
use crate::without_xen::kexec_tools;

pub fn run(stage: &mut Stage<'_>) -> Result<Next> {
    stage.load_module();
    let loader = Loader::after(stage.told)?;
    let cmdline = loader.cmdline();
    stage.test("kexec-client loads, tells and unloads", |_| {
        let status = |expected: &str| -> Result<()> {
            let said = client(&["status"])?;
            ensure!(said == expected, "kexec-client status: {said:?}");
            Ok(())
        };
        status("0")?;
        client(&["file-load", KERNEL, INITRD, cmdline])?;
        status("1")?;
        client(&["load", "--to", "xen-heap", KERNEL, INITRD, cmdline])?;
        client(&["unload", "--by", "file"])?;
        status("0")?;
        let exec = client(&["exec"]);
        ensure!(
            exec.is_err(),
            "kexec-client exec came back without an error"
        );
        let raw = client(&["raw", &format!("{INITRD}@0xa0000+0x1000")]);
        ensure!(raw.is_err(), "kexec-client raw loads into the video memory");
        Ok(())
    });
    stage.test("kexec-client asks Xen", |report| {
        let map = client(&["xen-memory-map"])?;
        let lines = loader.machine.entries().len();
        ensure!(map.lines().count() == lines, "a map {map:?}");
        for question in ["xen-free-pages", "xen-status", "xen-range"] {
            report.note(&format!("{question}: {}", client(&[question])?));
        }
        Ok(())
    });
    let [initrd, words] = kexec_files(INITRD, cmdline);
    let load = ["-s", "-l", KERNEL, &initrd, &words];
    for (name, arguments, loaded) in [
        ("kexec-tools loads by kexec_file_load", &load[..], true),
        ("kexec-tools unloads", &["-s", "-u"], false),
        ("kexec-tools loads again", &load, true),
    ] {
        stage.test(name, |_| {
            kexec_tools(arguments)?;
            loader.expect_loaded(loaded)
        });
    }
    Ok(Next::KexecTools)
}

/// Has kexec-tools enter the loaded kernel.
pub fn exec() -> Result<()> {
    kexec_tools(&["-e"])
}

fn client(arguments: &[&str]) -> Result<String> {
    program::run(Command::new("kexec-client").args(arguments))
}
