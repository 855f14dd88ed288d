//! `vm run`: one boot of everything, told on the terminal while it happens.

use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use anyhow::Result;
use regex::Regex;
use rkexec_protocol::Record;

use crate::assets::Assets;
use crate::attempts;
use crate::cases;
use crate::run_case;

/// A part of the story: the line that begins it, its headline, and the lines of the log that belong in it.
struct Chapter {
    begins: fn(&str, Option<&Record>) -> bool,
    title: &'static str,
    quotes: &'static str,
}

/// The whole story, in order.
const STORY: [Chapter; 8] = [
    Chapter {
        begins: |_, _| true,
        title: "Xen boots",
        quotes: r"^\(XEN\) (Xen version|System RAM|Command line)",
    },
    Chapter {
        begins: |line, _| line.contains(LINUX),
        title: "A stock Debian kernel boots as its dom0, with half of the memory",
        quotes: r"\] (Linux version|Hypervisor detected|Memory: )",
    },
    Chapter {
        begins: |_, record| record == Some(&Record::Begins(1)),
        title: "modprobe rkexec",
        quotes: r"\] (rkexec: kexec|livepatch: )",
    },
    Chapter {
        begins: |_, record| matches!(record, Some(Record::Passed(1, _))),
        title: "kexec -l, kexec -u: kexec-tools as it is calls Xen, and is served by the kernel",
        quotes: r"\] rkexec: ",
    },
    Chapter {
        begins: |_, record| matches!(record, Some(Record::Passed(2, _))),
        title: "kexec_file_load(2): the same kernel, with 38 MB of random bytes in its initrd",
        quotes: r"\] rkexec: ",
    },
    Chapter {
        begins: |_, record| record == Some(&Record::Enters),
        title: "reboot(LINUX_REBOOT_CMD_KEXEC): Xen jumps into the hand-over",
        quotes: r"^rkexec: |\(XEN\) Executing|\] kexec_core: ",
    },
    Chapter {
        begins: |line, _| line.contains(LINUX),
        title: "The next kernel boots",
        quotes: r"\] (Linux version|Command line|BIOS-e820: .*System RAM|Memory: |smp: Brought up)",
    },
    Chapter {
        begins: |_, record| record == Some(&Record::Begins(2)),
        title: "It checks what it was handed",
        quotes: NOTHING,
    },
];

/// What a kernel says first.
const LINUX: &str = "] Linux version";
/// A pattern that no line has.
const NOTHING: &str = "$^";

pub fn run(assets: &Assets) -> Result<bool> {
    let case = cases::story();
    let files = assets.prepare("run", 1, case.machine.xen)?;
    let log = files.output.join("serial.log");
    let mut story = Story::new(io::stdout(), io::stdout().is_terminal())?;
    story.say("An emulated PC with 2 processors and 2 GiB. This takes about a minute.")?;
    let started = Instant::now();
    let result = attempts::run(&case, &files, &log, &mut |line, record| {
        // A terminal that is gone is no reason to stop: the exit status still tells.
        let _ = story.tell(line, record);
    });
    files.remove()?;
    story.end(started.elapsed().as_secs(), &result)?;
    println!("The whole serial log: {}", log.display());
    Ok(result.is_ok())
}

/// How far the story has come.
struct Story<W> {
    out: W,
    color: bool,
    started: Instant,
    /// Chapters that have begun.
    begun: usize,
    quotes: Regex,
}

impl<W: Write> Story<W> {
    fn new(out: W, color: bool) -> Result<Self> {
        Ok(Self {
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
        let next = STORY.get(self.begun).filter(|it| (it.begins)(line, record));
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
            Ok(_) => (
                "1;32",
                "It works: Xen and dom0 are gone, and the machine is all the new kernel's"
                    .to_owned(),
            ),
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
        let mut story = Story::new(&mut out, false).unwrap();
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
        for chapter in STORY {
            Regex::new(chapter.quotes).unwrap();
        }
    }
}
