//! The guests that run on this host, as `xl` lists them.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};

/// Without xenstored `xl` waits for it, for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// Their names.
///
/// # Errors
///
/// `xl` is not there, or does not tell.
pub fn running() -> Result<Vec<String>> {
    let xl = Command::new("xl")
        .arg("list")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let mut xl = xl.context("xl list")?;
    let mut stdout = xl.stdout.take().context("xl list")?;
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut list = String::new();
        send.send(stdout.read_to_string(&mut list).map(|_| list))
    });
    let Ok(list) = receive.recv_timeout(PATIENCE) else {
        xl.kill()?;
        bail!(
            "xl list has not answered in {} s (are Xen's daemons running, and well?)",
            PATIENCE.as_secs()
        );
    };
    let status = xl.wait()?;
    ensure!(status.success(), "xl list: {status}");
    Ok(names(&list.context("xl list")?))
}

/// A line for each domain: name, number, memory, processors, state, time. The first one is the title.
pub fn names(list: &str) -> Vec<String> {
    const NUMBERS: usize = 5;

    let line = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let (name, numbers) = words.split_at_checked(words.len().checked_sub(NUMBERS)?)?;
        (numbers[0] != "0").then(|| name.join(" "))
    };
    list.lines().skip(1).filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_dom0_are_guests() {
        let list = "\
Name                                        ID   Mem VCPUs\tState\tTime(s)
Domain-0                                     0  1024     2     r-----      33.1
web server                                   1   512     1     -b----       0.3
db                                          12   512     1     --p---       0.3
";
        assert_eq!(names(list), ["web server", "db"]);
        assert_eq!(names(""), [""; 0]);
    }
}
