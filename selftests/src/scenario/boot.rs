//! One load, and off into the next kernel.
//!
//! `vmtest.call=` file or load, `vmtest.dest=` a [`Destination`], `vmtest.blob=` MiB,
//! `vmtest.pause=1`: wait for a line on the console before the next kernel is entered, so that
//! somebody outside can change memory.

use std::io::BufRead;

use anyhow::{ensure, Context, Result};

use super::loader::{Call, Loader};
use super::{Next, Stage1};
use crate::module;
use crate::places::Destination;

/// Runs it.
pub fn run(stage: &mut Stage1<'_>) -> Result<Next> {
    if stage.params.get::<String>("module")?.is_some() {
        stage.report.test("modprobe rkexec", |_| module::load());
    }
    let call: Call = stage.params.get("call")?.unwrap_or(Call::File);
    let destination = stage.params.get("dest")?.unwrap_or(Destination::Lowest);
    let loader = Loader::new(stage)?;
    let loaded = loader.load_and_check(stage, call, destination);
    stage.report.result(call.name(), &loaded);
    if stage.params.get("pause")? == Some(1) {
        pause(stage)?;
    }
    Ok(Next::Exec)
}

fn pause(stage: &mut Stage1<'_>) -> Result<()> {
    let console = std::fs::File::open("/dev/console").context("/dev/console")?;
    stage.report.line("waiting for a line");
    let mut line = String::new();
    std::io::BufReader::new(console).read_line(&mut line)?;
    ensure!(line.trim() == "go", "a line came that is {:?}", line.trim());
    Ok(())
}
