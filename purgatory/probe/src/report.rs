//! What the probe says, line by line: every line begins with `probe: `, numbers without a word are
//! hexadecimal.
//!
//! ```text
//! probe: entered
//! probe: register NAME VALUE
//! probe: descriptor NAME VALUE             what the selector NAME selects in the GDT
//! probe: return address VALUE              the word on top of the stack
//! probe: map START END SIZE ATTR           pages at their own addresses
//! probe: map START END SIZE ATTR -> PHYS   others, by virtual addresses
//! probe: end, NUMBER tables
//! ```
//!
//! Instead of a VALUE there may be `none` or `unmapped`. END is the last byte. ATTR is the memory
//! type, by the page and the PAT (the MTRRs have a say, too), and behind it what is not usual for a
//! kexec: `,ro` not writable, `,nx` not executable, `,user`, `,global`. A plain `map` line is what
//! the `identity-map` command prints for such pages. Other lines say what is wrong with the tables;
//! if there are too many, there is no last line.

use rkexec_bare::text::Sink;

use crate::entry::Page;
use crate::memory::{Memory, Phys};
use crate::run::{Joiner, Run};
use crate::state::State;
use crate::translate::Root;
use crate::walk::{walk, Tables, TooManyTables, Visitor};

/// Says texts and numbers with blanks between them, on a line of their own.
macro_rules! line {
    ($out:expr, $($part:expr),+) => {{
        $out.text("probe:");
        $($out.text(" "); $part.say($out);)+
        $out.text("\n");
    }};
}

/// A part of a line.
trait Part {
    fn say(&self, out: &mut impl Sink);
}

impl Part for &str {
    fn say(&self, out: &mut impl Sink) {
        out.text(self);
    }
}

impl Part for u64 {
    fn say(&self, out: &mut impl Sink) {
        out.hex_digits(*self, 16);
    }
}

/// A word that may not be there, and what is said instead.
impl Part for (Option<u64>, &str) {
    fn say(&self, out: &mut impl Sink) {
        match self.0 {
            Some(value) => value.say(out),
            None => out.text(self.1),
        }
    }
}

/// Says all there is to say about a processor in the state `state`.
pub fn report(
    state: &State,
    memory: &mut impl Memory,
    mut tables: Tables<'_>,
    out: &mut impl Sink,
) {
    let root = Root::new(state.cr3, state.cr4);
    line!(out, "entered");
    state.each(|name, value| line!(out, "register", name, value));
    let mut selector = |name: &str, selector| {
        let value = descriptor(state, root, memory, selector);
        line!(out, "descriptor", name, (value, "none"));
    };
    selector("cs", state.cs);
    selector("ds", state.ds);
    selector("es", state.es);
    selector("fs", state.fs);
    selector("gs", state.gs);
    selector("ss", state.ss);
    let top = root.read(memory, state.rsp);
    line!(out, "return address", (top, "unmapped"));
    let mut lines = MapLines {
        pat: state.pat,
        pages: Joiner::default(),
        out: &mut *out,
    };
    let result = walk(root, memory, &mut tables, &mut lines);
    lines.flush();
    match result {
        Ok(()) => {
            out.text("probe: end, ");
            // CAST: wider.
            out.decimal(tables.nr() as u64);
            out.text(" tables\n");
        }
        Err(TooManyTables) => line!(out, "there are more tables than the probe can take"),
    }
}

/// What a selector selects, if that is in the table, and the table is mapped.
fn descriptor(state: &State, root: Root, memory: &mut impl Memory, selector: u64) -> Option<u64> {
    /// The bit that chooses the local table.
    const LOCAL: u64 = 4;
    let offset = selector & !7;
    let fits = offset | 7 <= state.gdt_limit && selector & LOCAL == 0;
    let at = state.gdt_base.wrapping_add(offset);
    fits.then(|| root.read(memory, at)).flatten()
}

/// Says what a walk finds.
struct MapLines<'a, O> {
    pat: u64,
    pages: Joiner,
    out: &'a mut O,
}

impl<O: Sink> Visitor for MapLines<'_, O> {
    fn page(&mut self, page: Page) {
        if let Some(run) = self.pages.add(page) {
            self.run(&run);
        }
    }

    fn malformed(&mut self, entry: u64, virt: u64) {
        self.flush();
        line!(self.out, "malformed entry", entry, "for", virt);
    }

    fn again(&mut self, at: Phys, virt: u64) {
        self.flush();
        line!(self.out, "the table", at.0, "once more for", virt);
    }
}

impl<O: Sink> MapLines<'_, O> {
    fn flush(&mut self) {
        if let Some(run) = self.pages.flush() {
            self.run(&run);
        }
    }

    fn run(&mut self, run: &Run) {
        let (start, last, phys) = (run.first.virt, run.virt_last(), run.first.phys.0);
        let attributes = (&run.first, self.pat);
        if run.is_identity() {
            line!(self.out, "map", start, last, run.size(), attributes);
        } else {
            line!(
                self.out,
                "map",
                start,
                last,
                run.size(),
                attributes,
                "->",
                phys
            );
        }
    }
}

/// What a page is like, by this PAT.
impl Part for (&Page, u64) {
    fn say(&self, out: &mut impl Sink) {
        let (page, pat) = *self;
        out.text(memory_type(pat, page.pat));
        for (is, word) in [
            (!page.rights.write, ",ro"),
            (!page.rights.execute, ",nx"),
            (page.rights.user, ",user"),
            (page.global, ",global"),
        ] {
            if is {
                out.text(word);
            }
        }
    }
}

/// What entry number `index` of the PAT says (Intel SDM vol. 3, table 13-10).
fn memory_type(pat: u64, index: u8) -> &'static str {
    match (pat >> ((index & 7) << 3)) & 0xff {
        0 => "UC",
        1 => "WC",
        4 => "WT",
        5 => "WP",
        6 => "WB",
        7 => "UC-",
        _ => "?",
    }
}
