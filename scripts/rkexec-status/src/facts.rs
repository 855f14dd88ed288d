//! All that is known. What `--json` shows are these names, which stay.

use serde::Serialize;

use crate::clients::Clients;
use crate::host::Host;
use crate::images::{CrashArea, Images};
use crate::log::{Extent, Log};
use crate::module::{Module, State};
use crate::remedy;
use crate::root::Root;
use crate::trouble::{self, Trouble};

#[derive(Debug, Serialize)]
pub struct Facts {
    /// The exit status says the same.
    pub well: bool,
    /// The release of the kernel that runs.
    pub kernel: String,
    pub module: Module,
    pub host: Host,
    pub images: Images,
    pub crash_area: CrashArea,
    pub clients: Clients,
    pub log: LogFacts,
    /// What has to be put right.
    pub problems: Vec<Trouble>,
    /// What is good to know.
    pub notes: Vec<Trouble>,
    /// Files that could not be read.
    pub unreadable: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct LogFacts {
    pub extent: Extent,
    /// Of its first line, in seconds since the start of the machine.
    pub begins_at_seconds: Option<f64>,
    pub last_refusal: Option<LastRefusal>,
}

#[derive(Debug, Serialize)]
pub struct LastRefusal {
    pub line: String,
    /// The line before it, if that has the reason.
    pub reason: Option<String>,
    pub remedy: Option<String>,
    /// Since the start of the machine.
    pub at_seconds: f64,
    /// Before now.
    pub age_seconds: Option<f64>,
}

impl Facts {
    pub fn find(root: &Root) -> Self {
        let log = Log::new(root.log().as_deref());
        let kernel = root.text("proc/sys/kernel/osrelease").unwrap_or_default();
        let module = Module::find(root, &kernel, &log);
        let host = Host::find(root);
        let images = Images::find(root, &host, &module, &log);
        let mut facts = Self {
            well: false,
            crash_area: CrashArea::find(root, &host, &module, &images),
            clients: Clients::find(root, &host, &module),
            log: LogFacts::of(&log, uptime(root)),
            kernel,
            module,
            host,
            images,
            problems: Vec::new(),
            notes: Vec::new(),
            unreadable: root.unreadable(),
        };
        facts.problems = trouble::problems(&facts);
        facts.notes = trouble::notes(&facts);
        facts.well = facts.module.state == State::Loaded && facts.problems.is_empty();
        facts
    }
}

impl LogFacts {
    /// `now` is in seconds since the start of the machine.
    fn of(log: &Log, now: Option<f64>) -> Self {
        let last_refusal = log.last_refusal().map(|refusal| {
            let at_seconds = refusal.record.seconds;
            let line = &refusal.record.text;
            LastRefusal {
                line: line.clone(),
                reason: refusal.why.map(str::to_owned),
                remedy: remedy::of(refusal.why.unwrap_or(line)),
                at_seconds,
                age_seconds: now.map(|now| (now - at_seconds).max(0.0)),
            }
        });
        Self {
            extent: log.extent(),
            begins_at_seconds: log.begins(),
            last_refusal,
        }
    }
}

fn uptime(root: &Root) -> Option<f64> {
    let text = root.text("proc/uptime")?;
    text.split_ascii_whitespace().next()?.parse().ok()
}
