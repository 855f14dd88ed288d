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

#[cfg(test)]
mod tests {
    use super::*;

    /// A warning of dom0's boot, and one when a process ends there, as they came.
    const BOOT: &str = "\
[    7.714331] ------------[ cut here ]------------
[    7.714331] WARNING: include/linux/pgtable.h:362 at xen_end_context_switch+0x4e/0x60, CPU#0: swapper/0/0
[    7.714331] Modules linked in:
[    7.714331] RIP: e030:xen_end_context_switch+0x4e/0x60
[    7.714331] Call Trace:
[    7.714331] ---[ end trace 0000000000000000 ]---";
    const EXIT: &str = "\
[   46.177967] ------------[ cut here ]------------
[   46.181989] kmem_cache_free(page->ptl, ffff8880053b2000): object is not in a slab page
[   46.196566] WARNING: mm/slub.c:6592 at warn_free_bad_obj+0x59/0xb0, CPU#1: init/1
[   46.226030] RIP: e030:warn_free_bad_obj+0x60/0xb0
[   46.295355] Call Trace:
[   46.298451]  <TASK>
[   46.304564]  pgd_free+0xbc/0x190
[   46.309141]  __mmdrop+0x58/0x180
[   46.509153]  </TASK>";
    /// Mistakes that were made on purpose.
    const WARNING: &str = "\
[   21.449700] ------------[ cut here ]------------
[   21.449790] WARNING: drivers/misc/lkdtm/bugs.c:164 at lkdtm_WARNING+0x18/0x20 [lkdtm], CPU#1: init/1
[   21.450790] ---[ end trace 0000000000000000 ]---";
    const BOUNDS: &str = "\
[   21.498500] ------------[ cut here ]------------
[   21.498533] UBSAN: array-index-out-of-bounds in /source/drivers/misc/lkdtm/bugs.c:458:16
[   21.499533] ---[ end trace ]---";
    const SLAB: &str = "\
[   21.525900] =============================================================================
[   21.525929] BUG lkdtm-heap-double_free (Tainted: G        W          ): Slab has 0 allocated objects but 1 are to be freed
[   21.526000] -----------------------------------------------------------------------------";
    const ATOMIC: &str = "\
[   21.924261] BUG: sleeping function called from invalid context at mistakes.c:17
[   21.924374] in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 49, name: modprobe
[   21.929620] Call Trace:
[   21.929661]  <TASK>
[   21.929846]  ? mistakes_exit+0x1000/0x1000 [mistakes]
[   21.929914]  mistakes_init+0x26/0x1000 [mistakes]
[   21.930500]  </TASK>";

    /// What is found in lines with others around them.
    fn found(report: &str) -> Vec<Vec<String>> {
        let mut mistakes = Mistakes::default();
        let before = "[    1.000000] smp: Bringing up secondary CPUs ...";
        let behind = "[   50.000000] vmtest: ok 1 - a test";
        let lines = [before].into_iter().chain(report.lines()).chain([behind]);
        let taken: Vec<_> = lines.map(|line| mistakes.take(line)).collect();
        let all = taken.into_iter().chain([mistakes.end()]);
        let lines = all.filter_map(|line| match line {
            Line::Mistake(lines) => Some(lines),
            _ => None,
        });
        lines.collect()
    }

    #[test]
    fn what_comes_without_the_module_too_is_no_mistake() {
        assert_eq!(found(BOOT), Vec::<Vec<String>>::new());
        assert_eq!(found(EXIT), Vec::<Vec<String>>::new());
        assert_eq!(found(&format!("{BOOT}\n{EXIT}")), Vec::<Vec<String>>::new());
    }

    #[test]
    fn it_is_one_elsewhere_or_with_a_function_of_ours() {
        let ours = EXIT.replace("__mmdrop+0x58/0x180", "free_image+0x58/0x180 [rkexec]");
        let [mistake] = &found(&ours)[..] else {
            panic!("{:?}", found(&ours))
        };
        assert_eq!(mistake[0], "in rkexec");
        assert_eq!(found(&EXIT.replace("pgd_free+", "kfree+")).len(), 1);
        assert_eq!(found(&BOOT.replace("xen_end_", "xen_other_")).len(), 1);
    }

    #[test]
    fn each_kind_of_mistake_is_found_by_what_it_says() {
        for (report, head) in [
            (WARNING, "lkdtm_WARNING"),
            (BOUNDS, "UBSAN: array-index-out-of-bounds"),
            (SLAB, "BUG lkdtm-heap-double_free"),
            (ATOMIC, "BUG: sleeping function"),
        ] {
            let found = found(report);
            assert_eq!(found.len(), 1, "{report}");
            assert!(found[0].iter().any(|line| line.contains(head)), "{found:?}");
        }
    }

    #[test]
    fn a_known_report_hides_no_other() {
        assert_eq!(found(&format!("{EXIT}\n{WARNING}")).len(), 1);
        assert_eq!(found(&format!("{BOOT}\n{ATOMIC}\n{WARNING}")).len(), 2);
        // Nor one that comes in the middle of it.
        let (begin, end) = EXIT.split_at(EXIT.find("[   46.309141]").unwrap());
        assert!(!found(&format!("{begin}{ATOMIC}\n{end}")).is_empty());
    }
}
