//! A machine on which the module must refuse to load, and change nothing: the kernel's own kexec
//! goes on as before. In a dom0 that loads and unloads, and what it loads could not be entered.

use rkexec_protocol::scenario::Refuse;

use super::prelude::*;

/// Where the module is in a guest.
pub const MODULE: &str = "/rkexec.ko";

pub fn run(stage: &mut Stage<'_>, refuse: Refuse) -> Result<Next> {
    let name = "the module refuses to load, and the log says why";
    stage.test(name, |report| {
        let mut log = KernelLog::from_now_on()?;
        let loaded = match refuse.guest {
            true => module::insert(MODULE),
            false => module::load(),
        };
        let Err(error) = loaded else {
            bail!("loading it succeeded")
        };
        report.note(&format!("{error:#}"));
        ensure!(!module::is_loaded(), "loading it failed, and it is there");
        ensure!(
            !module::is_patching(),
            "loading it failed, and the kernel is patched"
        );
        let lines = log.lines()?;
        let mine = lines
            .iter()
            .filter(|line| line.contains("rkexec: not loaded"));
        let count = mine.inspect(|line| report.note(line)).count();
        ensure!(
            count == 1,
            "{count} lines of the log say that it is not loaded"
        );
        Ok(())
    });
    if xen::is_dom0() {
        let loader = Loader::after(stage.told)?;
        let name = "the kernel's own kexec goes on loading and unloading";
        stage.test(name, |_| {
            loader.load(Call::File)?;
            kexec::expect_loaded(true)?;
            kexec::file_unload()?;
            kexec::expect_loaded(false)
        });
    }
    if xen::present() {
        return Ok(Next::PowerOff);
    }
    let loader = Loader::after(stage.told)?;
    let name = "the kernel's own kexec goes on working";
    loader.test(stage.report, name, Call::File);
    Ok(Next::Exec)
}
