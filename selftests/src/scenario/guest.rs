//! A PV guest (domU), made with Xen's own tools. Its init is the one of all test machines; what it
//! reports goes through its console to dom0, and from there on as if it were the next kernel.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use rkexec_protocol::scenario::Refuse;
use rkexec_protocol::{Record, Scenario, Told};

use super::plan::BASE;
use super::prelude::*;
use super::refuse::MODULE;
use crate::initrd::Initrd;
use crate::module::modprobe;
use crate::vmcore::release;
use crate::{files, program};

const NAME: &str = "guest";
const CONFIG: &str = "/tmp/guest.cfg";
const INITRD: &str = "/tmp/guest-initrd";
const CONSOLES: &str = "/var/log/xen/console";

/// Makes the guest, and leaves it paused.
pub fn run(stage: &mut Stage<'_>) -> Result<Next> {
    let made = stage.test("Xen's tools make a PV guest", |_| {
        start_tools()?;
        let mut initrd = Initrd::upon(Path::new(BASE), Path::new(INITRD))?;
        let module = format!("/lib/modules/{}/updates/rkexec.ko", release()?);
        initrd.file(MODULE, &fs::read(&module).context(module)?)?;
        initrd.finish()?;
        fs::write(CONFIG, config())?;
        tool("xl", &["create", "-p", CONFIG])
    });
    Ok(if made { Next::Guest } else { Next::PowerOff })
}

/// Lets it go, and passes on what it reports, and what the module says there.
pub fn relay(report: &mut Report) -> Result<()> {
    tool("xl", &["unpause", NAME])?;
    let path = format!("{CONSOLES}/guest-{NAME}.log");
    let mut lines = BufReader::new(File::open(&path).context(path)?);
    let mut line = String::new();
    loop {
        // Without the end of a line there is more to come.
        if lines.read_line(&mut line)? == 0 || !line.ends_with('\n') {
            sleep(Duration::from_millis(100));
            continue;
        }
        if let Some(record) = Record::find(line.trim_end())? {
            report.record(&record);
            if let Record::Ends(..) = record {
                return Ok(());
            }
        }
        line.clear();
    }
}

fn config() -> String {
    let told = Told {
        stage: 2,
        scenario: Some(Scenario::Refuse(Refuse::NEW.guest(true))),
        ..Told::default()
    };
    format!(
        "name = '{NAME}'\ntype = 'pv'\nkernel = '/boot/vmlinuz'\nramdisk = '{INITRD}'\n\
         memory = 256\nvcpus = 1\ncmdline = 'console=hvc0 printk.devkmsg=on {told}'\n"
    )
}

/// Whether Xen's tools are here.
pub(super) fn has_tools() -> bool {
    directory().is_ok()
}

pub(super) fn start_tools() -> Result<()> {
    modprobe(&["-a", "xen-evtchn", "xen-gntdev", "xen-gntalloc"])?;
    for dir in [
        "/run/xen",
        "/run/xenstored",
        "/run/lock",
        "/var/lib/xen",
        "/var/lib/xenstored",
        CONSOLES,
    ] {
        fs::create_dir_all(dir).with_context(|| dir.to_owned())?;
    }
    std::os::unix::fs::symlink("/run", "/var/run").context("/var/run")?;
    std::os::unix::fs::symlink("/run/lock", "/var/lock").context("/var/lock")?;
    // The daemon for the consoles gives each guest a terminal.
    files::mount("devpts", "/dev/pts", None)?;
    tool("xenstored", &[])?;
    for _ in 0..100 {
        if Path::new("/run/xenstored/socket").exists() {
            break;
        }
        sleep(Duration::from_millis(100));
    }
    tool("xen-init-dom0", &[])?;
    tool(
        "xenconsoled",
        &["--log=guest", &format!("--log-dir={CONSOLES}")],
    )
}

/// Runs one of Xen's tools, wherever this version has them.
pub(super) fn tool(name: &str, arguments: &[&str]) -> Result<()> {
    let dir = directory()?;
    program::run(Command::new(dir.join(name)).args(arguments)).map(drop)
}

fn directory() -> Result<PathBuf> {
    fs::read_dir("/usr/lib")?
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("bin"))
        .find(|dir| dir.join("xl").exists())
        .context("Xen's tools are not here")
}
