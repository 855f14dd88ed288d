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

use crate::memory::{Memory, Phys};
use crate::run::{Joiner, Run};
use crate::state::State;
use crate::translate::Root;
use crate::walk::{walk, Page, Tables, TooManyTables, Visitor};

/// Says all there is to say about a processor in the state `state`.
pub fn report(state: &State, memory: &mut impl Memory, tables: Tables<'_>, out: &mut impl Sink) {
    let root = Root::new(state.cr3, state.cr4);
    out.text("probe: entered\n");
    registers(state, out);
    descriptors(state, root, memory, out);
    out.text("probe: return address ");
    word(root.read(memory, state.rsp), "unmapped", out);
    map(state.pat, root, memory, tables, out);
}

fn registers(state: &State, out: &mut impl Sink) {
    state.each(|name, value| {
        out.text("probe: register ");
        out.text(name);
        out.text(" ");
        word(Some(value), "", out);
    });
}

fn descriptors(state: &State, root: Root, memory: &mut impl Memory, out: &mut impl Sink) {
    let mut say = |name, selector| {
        out.text("probe: descriptor ");
        out.text(name);
        out.text(" ");
        word(descriptor(state, root, memory, selector), "none", out);
    };
    say("cs", state.cs);
    say("ds", state.ds);
    say("es", state.es);
    say("fs", state.fs);
    say("gs", state.gs);
    say("ss", state.ss);
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

/// Says a word that may not be there, and ends the line.
fn word(value: Option<u64>, none: &str, out: &mut impl Sink) {
    match value {
        Some(value) => out.hex_digits(value, 16),
        None => out.text(none),
    }
    out.text("\n");
}

fn map(
    pat: u64,
    root: Root,
    memory: &mut impl Memory,
    mut tables: Tables<'_>,
    out: &mut impl Sink,
) {
    let mut lines = MapLines {
        pat,
        pages: Joiner::default(),
        out,
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
        Err(TooManyTables) => out.text("probe: there are more tables than the probe can take\n"),
    }
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
        self.out.text("probe: malformed entry ");
        self.out.hex_digits(entry, 16);
        self.out.text(" for ");
        self.out.hex_digits(virt, 16);
        self.out.text("\n");
    }

    fn again(&mut self, at: Phys, virt: u64) {
        self.flush();
        self.out.text("probe: the table ");
        self.out.hex_digits(at.0, 16);
        self.out.text(" once more for ");
        self.out.hex_digits(virt, 16);
        self.out.text("\n");
    }
}

impl<O: Sink> MapLines<'_, O> {
    fn flush(&mut self) {
        if let Some(run) = self.pages.flush() {
            self.run(&run);
        }
    }

    fn run(&mut self, run: &Run) {
        self.out.text("probe: map ");
        self.out.hex_digits(run.first.virt, 16);
        self.out.text(" ");
        self.out.hex_digits(run.virt_last(), 16);
        self.out.text(" ");
        self.out.text(run.size());
        self.out.text(" ");
        self.attributes(&run.first);
        if !run.is_identity() {
            self.out.text(" -> ");
            self.out.hex_digits(run.first.phys.0, 16);
        }
        self.out.text("\n");
    }

    fn attributes(&mut self, page: &Page) {
        self.out.text(memory_type(self.pat, page.pat));
        let mut unusual = |is, word| {
            if is {
                self.out.text(word);
            }
        };
        unusual(!page.rights.write, ",ro");
        unusual(!page.rights.execute, ",nx");
        unusual(page.rights.user, ",user");
        unusual(page.global, ",global");
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
