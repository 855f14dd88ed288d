//! What a debug kernel reports of mistakes: each a few lines, of which the first tells what, and the rest where.

use std::sync::LazyLock;

use regex::{Regex, RegexSet};

/// What is in the lines that a report begins with, or that say what it is about.
static HEADS: LazyLock<RegexSet> = LazyLock::new(|| {
    RegexSet::new([
        // Warnings, UBSAN, and the end of a task; the next line says which.
        r"\] -+\[ cut here",
        // Lockdep and ODEBUG; KASAN, KFENCE, bad pages, atomic sleep, oopses; and the slab allocator's.
        r"\] (WARNING|ODEBUG): ",
        r"\] BUG[: ]",
        r"\] UBSAN: ",
        r"\] (kernel BUG at |DEBUG_LOCKS_WARN_ON)",
        r"\] list_(add|del) corruption",
        r"\] rust_kernel: panicked at ",
        r"\] page_table_check|\] pagealloc: |\] unreferenced object 0x",
    ])
    .expect("constant")
});

/// The last line of one.
static ENDS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\] ---\[ end trace |\] +</TASK>|\] FIX ").expect("constant"));

/// A line of a stack that is the module's.
static OURS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\+0x[0-9a-f]+/0x[0-9a-f]+ \[rkexec\b|\[rkexec\]|_RNv\w*rkexec").expect("constant")
});

/// Reports that come without the module, too, and are no mistake of ours: what is in the line that says what, what is in
/// another line, and why.
const KNOWN: [(&str, &str, &str); 2] = [
    (
        r"WARNING: include/linux/pgtable\.h:\d+ at xen_(start|end)_context_switch\+",
        r"RIP: .*:xen_(start|end)_context_switch\+",
        "a new task ends a pause (of page table updates in batches) that it has never begun: its counter runs under, and \
         then over",
    ),
    (
        r"WARNING: mm/slub\.c:\d+ at warn_free_bad_obj\+",
        r"\]  pgd_free\+",
        "with lockdep a page table's lock is an object of its own, which its page points to: there a PV dom0 has the \
         user's half of the table",
    ),
];
static KNOWN_BY: LazyLock<Vec<[Regex; 2]>> = LazyLock::new(|| {
    let both =
        KNOWN.map(|(head, other, _why)| [head, other].map(|it| Regex::new(it).expect("constant")));
    both.into()
});

/// A report that has no last line is at its end after so many.
const LINES_MAX: usize = 120;

/// Follows one machine.
#[derive(Default)]
pub struct Mistakes(Vec<String>);

/// What is to be said of a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// It belongs to no report.
    Other,
    /// It belongs to one, which may be no mistake.
    Reported,
    /// A report is at its end with it, or before, and is one of these lines, which make a mistake of it.
    Mistake(Vec<String>),
}

impl Mistakes {
    pub fn take(&mut self, line: &str) -> Line {
        let opens = line.contains("[ cut here");
        if opens && !self.0.is_empty() {
            let last = std::mem::replace(&mut self.0, vec![line.to_owned()]);
            return judge(&last);
        }
        if self.0.is_empty() && !HEADS.is_match(line) {
            return Line::Other;
        }
        self.0.push(line.to_owned());
        match ENDS.is_match(line) || self.0.len() == LINES_MAX {
            true => self.end(),
            false => Line::Reported,
        }
    }

    /// There are no more lines.
    pub fn end(&mut self) -> Line {
        judge(&std::mem::take(&mut self.0))
    }
}

fn judge(report: &[String]) -> Line {
    let is_head = |line: &&String| HEADS.is_match(line) && !line.contains("[ cut here");
    let heads: Vec<_> = report.iter().filter(is_head).cloned().collect();
    let is_ours = report.iter().any(|line| OURS.is_match(line));
    let is_known = KNOWN_BY.iter().any(|[head, other]| {
        let is_it = heads.iter().all(|line| head.is_match(line));
        is_it && !heads.is_empty() && report.iter().any(|line| other.is_match(line))
    });
    match report {
        [] => Line::Other,
        _ if is_known && !is_ours => Line::Reported,
        [first, ..] => {
            let mut lines = match heads.is_empty() {
                true => vec![first.clone()],
                false => heads,
            };
            if is_ours {
                lines.insert(0, "in rkexec".to_owned());
            }
            Line::Mistake(lines)
        }
    }
}
