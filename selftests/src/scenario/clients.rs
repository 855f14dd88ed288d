//! Programs that people use: `kexec-client`, and kexec-tools, which boots the next kernel.

use std::process::Command;

use anyhow::{ensure, Context, Result};

use super::loader::{Loader, INITRD, KERNEL};
use super::{Next, Stage1};
use crate::module;
use crate::without_xen::kexec_tools;

/// Runs it.
pub fn run(stage: &mut Stage1<'_>) -> Result<Next> {
    stage.report.test("modprobe rkexec", |_| module::load());
    let loader = Loader::new(stage)?;
    let cmdline = loader.cmdline().to_owned();
    stage
        .report
        .test("kexec-client loads, tells and unloads", |_| {
            let status = |expected: &str| -> Result<()> {
                let said = client(&["status"])?;
                ensure!(said == expected, "kexec-client status: {said:?}");
                Ok(())
            };
            status("0")?;
            client(&["file-load", KERNEL, INITRD, &cmdline])?;
            status("1")?;
            client(&["load", "--to", "xen-heap", KERNEL, INITRD, &cmdline])?;
            client(&["unload", "--by", "file"])?;
            status("0")?;
            ensure!(
                client(&["exec"]).is_err(),
                "kexec-client exec came back without an error"
            );
            let raw = format!("{INITRD}@0xa0000+0x1000");
            ensure!(
                client(&["raw", &raw]).is_err(),
                "kexec-client raw loads into the video memory"
            );
            Ok(())
        });
    stage.report.test("kexec-client asks Xen", |report| {
        let map = client(&["xen-memory-map"])?;
        ensure!(
            map.lines().count() == loader.machine.entries().len(),
            "a map {map:?}"
        );
        for question in ["xen-free-pages", "xen-status", "xen-range"] {
            report.note(&format!("{question}: {}", client(&[question])?));
        }
        Ok(())
    });
    let initrd = format!("--initrd={INITRD}");
    let cmdline = format!("--command-line={cmdline}");
    let load = ["-s", "-l", KERNEL, &initrd, &cmdline];
    stage
        .report
        .test("kexec-tools loads by kexec_file_load", |_| {
            kexec_tools(&load)?;
            loader.expect_loaded(true)
        });
    stage.report.test("kexec-tools unloads", |_| {
        kexec_tools(&["-s", "-u"])?;
        loader.expect_loaded(false)
    });
    stage.report.test("kexec-tools loads again", |_| {
        kexec_tools(&load)?;
        loader.expect_loaded(true)
    });
    Ok(Next::KexecTools)
}

/// Has kexec-tools enter the loaded kernel.
///
/// # Errors
///
/// It comes back.
pub fn exec() -> Result<()> {
    kexec_tools(&["-e"])
}

fn client(arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("kexec-client");
    command.args(arguments);
    output(command)
}

fn output(mut command: Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{}: {}",
        output.status,
        said.trim()
    );
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}
