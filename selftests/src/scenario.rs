//! What stage 1 does: one of the [`Scenario`]s.

mod amid;
mod bad_input;
mod balloon;
mod boot;
mod by_file;
mod clients;
mod cma;
mod crash;
mod crash_bad_input;
mod crash_image;
mod crash_refusal;
mod door;
mod door_calls;
mod door_turns;
mod dump;
mod fail_hypercalls;
mod fail_nth;
mod guest;
mod lifecycle;
mod load_time;
mod loader;
mod mistakes;
mod plan;
mod prelude;
mod prepare_time;
mod privcmd_time;
mod probe;
mod races;
mod refusal;
mod refuse;
mod selftests;
mod stage;
mod stalled_load;
mod stalls;
mod state;
mod steps;
mod timed;
mod tiny;
mod tools;
mod turns;
mod witnesses;

pub use amid::crash as crash_amid;
pub use clients::exec as exec_by_kexec_tools;
pub use door::exec as exec_through_door;
pub use guest::relay;
pub use races::exec as race_to_exec;
pub use stage::{Next, Stage};

use anyhow::{bail, Result};
use rkexec_protocol::Scenario;

use crate::xen::{self, Xen};

pub fn run(stage: &mut Stage<'_>, scenario: Scenario) -> Result<Next> {
    match scenario {
        Scenario::Hello => hello(stage),
        Scenario::BadInput => bad_input::run(stage),
        Scenario::Balloon => balloon::run(stage),
        Scenario::Boot(boot) => boot::run(stage, boot),
        Scenario::Clients => clients::run(stage),
        Scenario::Cma => cma::run(stage),
        Scenario::Crash(crash) => crash::run(stage, crash),
        Scenario::CrashBadInput => crash_bad_input::run(stage),
        Scenario::CrashRefusal => crash_refusal::run(stage),
        Scenario::Debian(_) | Scenario::LifeCycle(_) | Scenario::XenToXen(_) => {
            bail!("that is for a machine with scripts/dom0-guest")
        }
        Scenario::Door(door) => door::run(stage, door),
        Scenario::DoorTurns => door_turns::run(stage),
        Scenario::Dump(dumped) => dump::run(stage, dumped),
        Scenario::FailNth(fail) => fail_nth::run(stage, fail),
        Scenario::Guest => guest::run(stage),
        Scenario::Lifecycle => lifecycle::run(stage),
        Scenario::LoadTime(times) => load_time::run(stage, times),
        Scenario::Mistakes => mistakes::run(stage),
        Scenario::PrepareTime => prepare_time::run(stage),
        Scenario::PrivcmdTime => privcmd_time::run(stage),
        Scenario::Probe(probed) => probe::run(stage, probed),
        Scenario::Races => races::run(stage),
        Scenario::Refusal => refusal::run(stage),
        Scenario::Refuse(refuse) => refuse::run(stage, refuse),
        Scenario::Selftests => selftests::run(stage),
        Scenario::Stalls => stalls::run(stage),
        Scenario::State => state::run(stage),
        Scenario::Steps(steps) => steps::run(stage, steps),
        Scenario::Timed(timed) => timed::run(stage, timed),
        Scenario::Tools(tools) => tools::run(stage, tools),
        Scenario::Turns(turns) => turns::run(stage, turns),
    }
}

fn hello(stage: &mut Stage<'_>) -> Result<Next> {
    let (present, dom0) = (xen::present(), xen::is_dom0());
    let report = &mut *stage.report;
    report.note(&format!("on Xen: {present}, as dom0: {dom0}"));
    if dom0 {
        let xen = Xen::open()?;
        for entry in xen.machine_map()?.entries() {
            report.note(&entry.to_string());
        }
        let (own, free) = (xen.own_range()?, xen.free_pages()?);
        report.note(&format!("Xen at {own:x?}, free pages: {free}"));
    }
    report.test("the machine boots", |_| Ok(()));
    Ok(Next::PowerOff)
}
