//! How long `machine_kexec_prepare` takes: the kernel's own and the module's, in one boot and by
//! turns. A measure, not a test: the runner has no opinion about it.
//!
//! The kernel's function-graph tracer takes the time, and also that of `set_memory_rox`, which
//! both pay alike and which is most of it: it makes all processors flush their TLBs.

use std::fs;

use super::prelude::*;
use super::probe;
use crate::files;

const TRACING: &str = "/sys/kernel/tracing";
/// Loads of each kind between two changes, and how often it changes.
const LOADS: usize = 10;
const TURNS: usize = 4;

pub fn run(stage: &mut Stage<'_>) -> Result<Next> {
    stage.test("the times of machine_kexec_prepare", |report| {
        trace()?;
        // The first load finds cold caches, and counts for nobody.
        load()?;
        let (mut stock, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            repeat(LOADS, &mut stock, load)?;
            module::load()?;
            repeat(LOADS, &mut ours, load)?;
            module::unload()?;
        }
        let (stock, ours) = (median(stock), median(ours));
        report.note(&format!(
            "medians of {} loads each: stock {stock:.0} us, rkexec {ours:.0} us, ratio {:.2}",
            LOADS * TURNS,
            ours / stock
        ));
        Ok(())
    });
    Ok(Next::PowerOff)
}

fn trace() -> Result<()> {
    files::mount("tracefs", TRACING, None)?;
    set("set_ftrace_filter", "machine_kexec_prepare set_memory_rox")?;
    set("current_tracer", "function_graph")
}

fn set(name: &str, value: &str) -> Result<()> {
    let path = format!("{TRACING}/{name}");
    fs::write(&path, value).context(path)
}

/// Loads and unloads an image. Returns the microseconds without those of `set_memory_rox`.
fn load() -> Result<f64> {
    set("trace", "")?;
    probe::load()?;
    kexec::unload()?;
    let trace = fs::read_to_string(format!("{TRACING}/trace"))?;
    without_rox(&trace).with_context(|| format!("a trace that makes no sense:\n{trace}"))
}

/// The time of the outer function without that of the inner one.
fn without_rox(trace: &str) -> Result<f64> {
    let (mut inner, mut outer) = (0.0, None);
    for line in trace.lines().filter(|line| !line.starts_with('#')) {
        let Some((left, right)) = line.split_once('|') else {
            continue;
        };
        let Some((time, _)) = left.split_once(" us") else {
            continue;
        };
        let time: f64 = time.rsplit(' ').next().unwrap_or_default().parse()?;
        if right.contains("set_memory_rox") {
            inner = time;
        } else {
            outer = Some(time);
        }
    }
    ensure!(inner > 0.0, "set_memory_rox is missing");
    Ok(outer.context("machine_kexec_prepare is missing")? - inner)
}

/// Adds so many samples.
pub(super) fn repeat<T>(
    loads: usize,
    samples: &mut Vec<T>,
    load: impl Fn() -> Result<T>,
) -> Result<()> {
    samples.extend((0..loads).map(|_| load()).collect::<Result<Vec<_>>>()?);
    Ok(())
}

/// The one in the middle.
pub(super) fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_read() {
        let trace = "# tracer: function_graph\n#\n\
             1)               |  machine_kexec_prepare() {\n\
             1) ! 474.125 us  |    set_memory_rox();\n\
             1) # 1276.500 us |  }\n";
        assert_eq!(without_rox(trace).unwrap(), 802.375);
        assert!(without_rox("# nothing\n").is_err());
    }
}
