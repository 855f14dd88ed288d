//! The console the other way round: what the runner has to say to a test machine.

use std::fs::File;
use std::io::{BufRead, BufReader};

use anyhow::{Context, Result};
use nix::sys::termios::{tcgetattr, tcsetattr, LocalFlags, SetArg};
use rkexec_protocol::Record;

use crate::report::Report;

const CONSOLE: &str = "/dev/console";

/// Says that this machine waits for a line, and gives the line that comes.
pub fn ask(report: &mut Report) -> Result<String> {
    let console = File::open(CONSOLE).context(CONSOLE)?;
    // The echo of what is typed would go right through a line of the report.
    let mut modes = tcgetattr(&console).context(CONSOLE)?;
    modes
        .local_flags
        .remove(LocalFlags::ECHO | LocalFlags::ECHONL);
    tcsetattr(&console, SetArg::TCSANOW, &modes).context(CONSOLE)?;
    report.record(&Record::Waits);
    let mut line = String::new();
    BufReader::new(console)
        .read_line(&mut line)
        .context(CONSOLE)?;
    Ok(line.trim().to_owned())
}
