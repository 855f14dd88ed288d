//! What stage 1 does. The runner names a scenario on the kernel's command line
//! (`vmtest.scenario=`); [`run`] is the list of them.

mod bad_input;
mod balloon;
mod boot;
mod clients;
mod crash;
mod crash_bad_input;
mod crash_image;
mod crash_refusal;
mod dump;
mod guest;
mod lifecycle;
mod load_time;
mod loader;
mod prepare_time;
mod probe;
mod races;
mod refusal;
mod refuse;
mod selftests;
mod stalls;
mod state;
mod tools;

pub use clients::exec as exec_by_kexec_tools;
pub use guest::relay;
pub use races::exec as race_to_exec;

use anyhow::{bail, Result};

use crate::params::Params;
use crate::report::Report;
use crate::trigger::Trigger;
use crate::xen::{self, Xen};

/// What comes after the scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Switch the machine off.
    PowerOff,
    /// Enter the loaded kernel.
    Exec,
    /// The same, by kexec-tools.
    KexecTools,
    /// Enter an image while others are being loaded.
    Race,
    /// Crash this kernel.
    Crash(Trigger),
    /// Let the guest go that the scenario has made, and tell what it says.
    Guest,
}

/// What a scenario works with.
pub struct Stage1<'a> {
    /// Where to report.
    pub report: &'a mut Report,
    /// The runner's wishes.
    pub params: &'a Params,
}

/// Runs the scenario that the command line names.
///
/// # Errors
///
/// There is no such scenario, or it could not go on.
pub fn run(stage: &mut Stage1<'_>) -> Result<Next> {
    let name: String = stage.params.need("scenario")?;
    match name.as_str() {
        "hello" => hello(stage),
        "boot" => boot::run(stage),
        "lifecycle" => lifecycle::run(stage),
        "balloon" => balloon::run(stage),
        "bad-input" => bad_input::run(stage),
        "clients" => clients::run(stage),
        "crash" => crash::run(stage),
        "crash-bad-input" => crash_bad_input::run(stage),
        "crash-refusal" => crash_refusal::run(stage),
        "dump" => dump::run(stage),
        "guest" => guest::run(stage),
        "load-time" => load_time::run(stage),
        "prepare-time" => prepare_time::run(stage),
        "probe" => probe::run(stage),
        "races" => races::run(stage),
        "refusal" => refusal::run(stage),
        "refuse" => refuse::run(stage),
        "selftests" => selftests::run(stage),
        "stalls" => stalls::run(stage),
        "state" => state::run(stage),
        "tools" => tools::run(stage),
        other => bail!("there is no scenario {other:?}"),
    }
}

/// Tells what kind of machine this is.
fn hello(stage: &mut Stage1<'_>) -> Result<Next> {
    stage.report.note(&format!(
        "on Xen: {}, as dom0: {}",
        xen::present(),
        xen::is_dom0()
    ));
    if xen::is_dom0() {
        let xen = Xen::open()?;
        for entry in xen.machine_map()?.entries() {
            stage.report.note(&entry.to_string());
        }
        stage.report.note(&format!(
            "Xen at {:x?}, free pages: {}",
            xen.own_range()?,
            xen.free_pages()?
        ));
    }
    stage.report.test("the machine boots", |_| Ok(()));
    Ok(Next::PowerOff)
}
