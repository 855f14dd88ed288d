//! How much memory this kernel has free, exactly enough to see what a loaded image takes.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};

const PAGE: i64 = 4096;
/// Memory may be freed behind the scenes; how long to look whether it still is.
const INTERVAL: Duration = Duration::from_millis(100);

/// Memory that nobody has, in bytes: also what the processors have set aside for themselves, which
/// `MemFree` leaves out. Waits until it does not change any more.
pub fn settled() -> Result<i64> {
    let mut last = None;
    loop {
        fs::write("/proc/sys/vm/stat_refresh", "1").context("stat_refresh")?;
        let free = pages(&fs::read_to_string("/proc/zoneinfo")?)?;
        if last.replace(free) == Some(free) {
            return Ok(free * PAGE);
        }
        sleep(INTERVAL);
    }
}

/// The free pages of all zones, and those in the lists of all processors.
fn pages(zoneinfo: &str) -> Result<i64> {
    let numbers = zoneinfo.lines().filter_map(|line| {
        let line = line.trim_start();
        line.strip_prefix("pages free")
            .or_else(|| line.strip_prefix("count:"))
    });
    numbers.map(|it| Ok(it.trim().parse::<i64>()?)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_pages_are_those_of_the_zones_and_of_the_processors() {
        let zoneinfo = "Node 0, zone      DMA\n  pages free     3840\n        boost    0\n  \
                        pagesets\n    cpu: 0\n              count:    10\n              \
                        high:     14\nNode 0, zone    DMA32\n  pages free     100\n";
        assert_eq!(pages(zoneinfo).unwrap(), 3950);
    }
}
