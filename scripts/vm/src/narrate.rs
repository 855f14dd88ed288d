//! `vm run` and `vm run-xen`: one machine's way, told on the terminal while it goes it.

mod linux;
mod xen;

use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use anyhow::Result;
use regex::Regex;
use rkexec_protocol::Record;

use crate::assets::Assets;
use crate::attempts;
use crate::case::Case;
use crate::run_case;
use crate::test_run;

/// A part of the story: the line that begins it, its headline, and the lines of the log that belong in it.
struct Chapter {
    begins: fn(&str, Option<&Record>) -> bool,
    title: &'static str,
    quotes: &'static str,
}

/// What is told, and of which machine.
struct Tale {
    /// Of the folder with its log.
    name: &'static str,
    case: Case,
    opening: &'static str,
    /// The whole story, in order.
    chapters: &'static [Chapter],
    /// If it ends well.
    moral: &'static str,
}

/// What a kernel says first.
const LINUX: &str = "] Linux version";
/// A pattern that no line has.
const NOTHING: &str = "$^";

/// From Xen to Linux.
pub fn to_linux(assets: &Assets) -> Result<bool> {
    run(assets, &linux::tale())
}

/// From Xen to Xen.
pub fn to_xen(assets: &Assets) -> Result<bool> {
    run(assets, &xen::tale())
}

fn run(assets: &Assets, tale: &Tale) -> Result<bool> {
    let case = &tale.case;
    let files = assets.prepare(tale.name, 1, case.machine.xen)?;
    let files = test_run::files_for(case, &files)?;
    let log = files.output.join("serial.log");
    let mut story = Story::new(io::stdout(), io::stdout().is_terminal(), tale)?;
    story.say(tale.opening)?;
    let started = Instant::now();
    let result = attempts::run(case, &files, &log, &mut |line, record| {
        // A terminal that is gone is no reason to stop: the exit status still tells.
        let _ = story.tell(line, record);
    });
    files.remove()?;
    story.end(started.elapsed().as_secs(), &result)?;
    println!("The whole serial log: {}", log.display());
    Ok(result.is_ok())
}

/// How far the story has come.
struct Story<'a, W> {
    tale: &'a Tale,
    out: W,
    color: bool,
    started: Instant,
    /// Chapters that have begun.
    begun: usize,
    quotes: Regex,
}

impl<'a, W: Write> Story<'a, W> {
    fn new(out: W, color: bool, tale: &'a Tale) -> Result<Self> {
        Ok(Self {
            tale,
            out,
            color,
            started: Instant::now(),
            begun: 0,
            quotes: Regex::new(NOTHING)?,
        })
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    fn styled(&self, code: &str, text: &str) -> String {
        match self.color {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    fn tell(&mut self, line: &str, record: Option<&Record>) -> Result<()> {
        match record {
            Some(Record::Passed(_, name)) => {
                let tick = self.styled("32", "ok");
                self.say(&format!("   {tick} {name}"))?;
            }
            Some(Record::Failed(_, name)) => {
                let cross = self.styled("1;31", "NOT OK");
                self.say(&format!("   {cross} {name}"))?;
            }
            Some(Record::Remark(note)) => self.say(&format!("      {note}"))?,
            _ => {}
        }
        let next = self
            .tale
            .chapters
            .get(self.begun)
            .filter(|it| (it.begins)(line, record));
        if let Some(chapter) = next {
            self.begun += 1;
            self.quotes = Regex::new(chapter.quotes)?;
            let headline = self.styled("1", &format!("{}. {}", self.begun, chapter.title));
            let seconds = self.started.elapsed().as_secs();
            self.say(&format!("\n{headline} ({seconds} s)"))?;
        }
        if self.quotes.is_match(line) {
            let quote = self.styled("36", &shortened(without_time(line)));
            self.say(&format!("   {quote}"))?;
        }
        Ok(())
    }

    fn end(&mut self, seconds: u64, result: &Result<run_case::Notes>) -> io::Result<()> {
        let (code, text) = match result {
            Ok(_) => ("1;32", self.tale.moral.to_owned()),
            Err(error) => ("1;31", format!("It did not work: {error:#}")),
        };
        let text = self.styled(code, &format!("{text} ({seconds} s)."));
        self.say(&format!("\n{text}"))
    }
}

/// At most as much of a line as a usual terminal shows.
fn shortened(line: &str) -> String {
    const COLUMNS: usize = 110;
    if line.chars().count() <= COLUMNS {
        return line.trim_end().to_owned();
    }
    let start: String = line.chars().take(COLUMNS - 1).collect();
    format!("{start}…")
}

/// A line of the kernel log without its time.
fn without_time(line: &str) -> &str {
    let rest = line.strip_prefix('[').and_then(|it| it.split_once("] "));
    rest.map_or(line, |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_story_follows_the_log() {
        let mut out = Vec::new();
        let tale = linux::tale();
        let mut story = Story::new(&mut out, false, &tale).unwrap();
        for line in [
            "(XEN) Xen version 4.20",
            "[    0.0] Linux version 7.3.4",
            "[    0.1] nothing of interest",
            "[    9.0] vmtest: stage 1 begins",
            "[    9.1] vmtest: ok 1 - modprobe rkexec",
            "[    9.2] rkexec: kexec has called Xen to load an image: the kernel loads it",
            "[    9.3] vmtest: ok 2 - kexec -l",
            "[   10.0] rkexec: hand-over at ma:0x1000",
            "[   10.1] vmtest: ok 3 - kexec_file_load",
        ] {
            let record = Record::find(line).unwrap();
            story.tell(line, record.as_ref()).unwrap();
        }
        let text = String::from_utf8(out).unwrap();
        let expected = "\n1. Xen boots (0 s)\n   (XEN) Xen version 4.20\n\
            \n2. A stock Debian kernel boots as its dom0, with half of the memory (0 s)\n   \
            Linux version 7.3.4\n\
            \n3. modprobe rkexec (0 s)\n   ok modprobe rkexec\n\
            \n4. kexec -l, kexec -u: kexec-tools as it is calls Xen, and is served by the kernel (0 s)\n   \
            rkexec: kexec has called Xen to load an image: the kernel loads it\n   ok kexec -l\n\
            \n5. kexec_file_load(2): the same kernel, with 38 MB of random bytes in its initrd (0 s)\n   \
            rkexec: hand-over at ma:0x1000\n   ok kexec_file_load\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn all_patterns_work() {
        for chapter in [linux::tale(), xen::tale()]
            .iter()
            .flat_map(|tale| tale.chapters)
        {
            Regex::new(chapter.quotes).unwrap();
        }
    }
}
