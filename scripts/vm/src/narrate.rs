//! `vm run`: one boot of everything, told on the terminal while it happens.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use regex::Regex;
use rkexec_protocol::Record;

use crate::assets::Assets;
use crate::attempts;
use crate::cases;
use crate::run_case::{self, Observer};

/// How to run it.
#[derive(Args)]
pub struct RunArgs {
    /// Where the serial log goes.
    #[arg(long, default_value = ".build/vm/run", value_name = "DIR")]
    output: PathBuf,
    /// Be this much more patient, on a slow machine.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    timeout_factor: u64,
}

/// A part of the story: what begins it, its headline, and the lines of the log that belong in it.
struct Chapter {
    begins: &'static str,
    title: &'static str,
    quotes: &'static str,
}

/// The whole story, in order.
const STORY: [Chapter; 7] = [
    Chapter {
        begins: "",
        title: "Xen boots",
        quotes: r"^\(XEN\) (Xen version|System RAM|Command line)",
    },
    Chapter {
        begins: r"\] Linux version",
        title: "A stock Debian kernel boots as its dom0, with half of the memory",
        quotes: r"\] (Linux version|Hypervisor detected|Memory: )",
    },
    Chapter {
        begins: r"vmtest: stage 1 begins",
        title: "modprobe rkexec",
        quotes: r"\] (rkexec: kexec|livepatch: )",
    },
    Chapter {
        begins: r"vmtest: ok 1 - ",
        title: "kexec_file_load(2): the same kernel, with 38 MB of random bytes in its initrd",
        quotes: r"\] rkexec: ",
    },
    Chapter {
        begins: r"vmtest: entering the next kernel",
        title: "reboot(LINUX_REBOOT_CMD_KEXEC): Xen jumps into the hand-over",
        quotes: r"^rkexec: |\(XEN\) Executing|\] kexec_core: ",
    },
    Chapter {
        begins: r"\] Linux version",
        title: "The next kernel boots",
        quotes: r"\] (Linux version|Command line|BIOS-e820: .*System RAM|Memory: |smp: Brought up)",
    },
    Chapter {
        begins: r"vmtest: stage 2 begins",
        title: "It checks what it was handed",
        quotes: r"$^",
    },
];

/// Runs it. True if everything worked.
pub fn run(assets: &Assets, args: &RunArgs) -> Result<bool> {
    let case = cases::story();
    let files = assets.prepare(&args.output, &case.machine.xen().into_iter().collect())?;
    let log = args.output.join("serial.log");
    let mut story = Story::begin(io::stdout())?;
    story.say("An emulated PC with 2 processors and 2 GiB. This takes about a minute.")?;
    let started = Instant::now();
    let result = attempts::run(&case, &files, &log, args.timeout_factor, &mut story);
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
    chapters: std::iter::Enumerate<std::array::IntoIter<Chapter, { STORY.len() }>>,
    next: Option<(usize, Chapter, Regex)>,
    quotes: Regex,
}

impl Story<io::Stdout> {
    fn begin(out: io::Stdout) -> Result<Self> {
        let color = out.is_terminal();
        Story::new(out, color)
    }
}

impl<W: Write> Story<W> {
    fn new(out: W, color: bool) -> Result<Self> {
        let mut chapters = STORY.into_iter().enumerate();
        let next = take(&mut chapters)?;
        let quotes = Regex::new("$^")?;
        Ok(Self {
            out,
            color,
            started: Instant::now(),
            chapters,
            next,
            quotes,
        })
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    fn styled(&self, code: &str, text: &str) -> String {
        if self.color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
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
        if let Some((number, chapter, _)) = self.next.take_if(|(_, _, it)| it.is_match(line)) {
            let headline = format!("{}. {}", number + 1, chapter.title);
            let seconds = self.started.elapsed().as_secs();
            let headline = self.styled("1", &headline);
            self.say(&format!("\n{headline} ({seconds} s)"))?;
            self.quotes = Regex::new(chapter.quotes)?;
            self.next = take(&mut self.chapters)?;
        }
        if self.quotes.is_match(line) {
            let quote = self.styled("36", &shortened(without_time(line)));
            self.say(&format!("   {quote}"))?;
        }
        Ok(())
    }

    fn end(&mut self, seconds: u64, result: &Result<run_case::Notes>) -> io::Result<()> {
        let text = match result {
            Ok(_) => self.styled(
                "1;32",
                &format!("It works: Xen and dom0 are gone, and the machine is all the new kernel's ({seconds} s)."),
            ),
            Err(error) => self.styled("1;31", &format!("It did not work: {error:#} ({seconds} s).")),
        };
        self.say(&format!("\n{text}"))
    }
}

fn take(
    chapters: &mut impl Iterator<Item = (usize, Chapter)>,
) -> Result<Option<(usize, Chapter, Regex)>> {
    let next = chapters.next();
    next.map(|(number, chapter)| Ok((number, Regex::new(chapter.begins)?, chapter)))
        .map(|it: Result<_>| it.map(|(number, begins, chapter)| (number, chapter, begins)))
        .transpose()
}

impl<W: Write> Observer for Story<W> {
    fn line(&mut self, line: &str, record: Option<&Record>) {
        // A terminal that is gone is no reason to stop: the exit status still tells.
        let _ = self.tell(line, record);
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
    match line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
    {
        Some((_, text)) => text,
        None => line,
    }
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
            "[   10.0] rkexec: hand-over at ma:0x1000",
        ] {
            story.line(line, None);
        }
        let passed = Record::Passed(2, "kexec_file_load".to_owned());
        story.line("x", Some(&passed));
        let text = String::from_utf8(out).unwrap();
        let expected = "\n1. Xen boots (0 s)\n   (XEN) Xen version 4.20\n\
            \n2. A stock Debian kernel boots as its dom0, with half of the memory (0 s)\n   \
            Linux version 7.3.4\n\
            \n3. modprobe rkexec (0 s)\n\
            \n4. kexec_file_load(2): the same kernel, with 38 MB of random bytes in its initrd (0 s)\n   \
            rkexec: hand-over at ma:0x1000\n   ok kexec_file_load\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn all_patterns_work() {
        for chapter in STORY {
            Regex::new(chapter.begins).unwrap();
            Regex::new(chapter.quotes).unwrap();
        }
    }
}
