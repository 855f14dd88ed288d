//! Certifies finished tables: what a processor finds in them is what is wanted, and nothing else.
//!
//! A mistake of the builder's would be a next kernel that dies in its first instructions, on a machine that
//! nobody has tried. So each load has its tables certified, by code that has nothing of the builder's: neither its
//! sorting nor its runs, leaves and counts. It has [`walk`] read the tables, and asks for each page at which anything
//! can change what all that is said of it comes to, with all of that in hand. That takes the square of the number of
//! ranges, which is nothing for as many as there are.
//!
//! Only `rule.rs` is the builder's and the certifier's: it says what the map shall be.

use core::fmt;

use super::alias::Alias;
use super::leaves::LeafSize;
use super::level::Attr;
use super::paging::Paging;
use super::rule::{Origin, Rank, Rule};
use super::table::Table;
use super::walk::{walk, Mapping, Walked};
use super::LEGACY;
use crate::pure::addr::{Maddr, Mfn, PAGE_SIZE};
use crate::pure::memmap::E820Type;
use crate::pure::range::MaRange;

/// What is wrong with finished tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A page is not mapped that has to be.
    Missing(Maddr),
    /// A page is mapped that must not be.
    Stray(Maddr),
    /// A page is mapped in another way than it has to be.
    Attribute(Maddr),
    /// Something is mapped at another address than its own, or twice.
    Elsewhere(Maddr),
    /// A page is larger than it may be there.
    PageSize(Maddr),
    /// What is to be seen at another address too is not.
    NoAlias,
    /// Entries that the processor cannot read, or that say more or less than they have to.
    Entries(usize),
    /// The walk comes to more or fewer tables than there are.
    Tables {
        /// So many were come to.
        found: usize,
        /// So many there are.
        wanted: usize,
    },
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the page tables are wrong: ")?;
        match self {
            Self::Missing(at) => write!(f, "{at} is not mapped"),
            Self::Stray(at) => write!(f, "{at} is mapped, and is no memory"),
            Self::Attribute(at) => write!(f, "{at} has the wrong memory type"),
            Self::Elsewhere(at) => write!(f, "{at} is mapped at another address"),
            Self::PageSize(at) => write!(f, "{at} is in too large a page"),
            Self::NoAlias => f.write_str("the control page is not mapped where it runs"),
            Self::Entries(number) => write!(f, "{number} entries make no sense"),
            Self::Tables { found, wanted } => write!(f, "{found} are linked, of {wanted}"),
        }?;
        f.write_str(" (a bug)")
    }
}

impl core::error::Error for Flaw {}

/// Finished tables, and what is known of them beside what is in them.
pub struct Finished<T> {
    /// The frame of the root.
    pub root: Mfn,
    /// Their shape.
    pub paging: Paging,
    /// How many there are.
    pub number: usize,
    /// The one thing that is mapped at another address too, if there is one.
    pub alias: Option<Alias>,
    /// The table in a frame, if there is one of them in it.
    pub table_at: T,
}

impl<'t, T: Fn(Mfn) -> Option<&'t Table>> Finished<T> {
    /// Certifies that they map [`LEGACY`] and all that is `said`, as `rule.rs` wants it.
    ///
    /// # Errors
    ///
    /// The first [`Flaw`] from the lowest address up.
    pub fn certify<S, I>(self, said: S) -> Result<(), Flaw>
    where
        S: Fn() -> I,
        I: Iterator<Item = (Origin, MaRange)>,
    {
        let Self { root, paging, .. } = self;
        let mut check = Check {
            wanted: Wanted { said },
            paging,
            alias: self.alias,
            at: Maddr::ZERO,
        };
        let mut flaw = None;
        let walked = walk(root, paging.levels, self.table_at, |mapping| {
            if flaw.is_none() {
                flaw = check.mapping(mapping).err();
            }
        });
        if let Some(flaw) = flaw {
            return Err(flaw);
        }
        check.nothing_until(Maddr::END)?;
        let Walked {
            tables,
            broken,
            unusual,
        } = walked;
        if check.alias.is_some() {
            return Err(Flaw::NoAlias);
        }
        match broken.saturating_add(unusual) {
            0 if tables == self.number => Ok(()),
            0 => Err(Flaw::Tables {
                found: tables,
                wanted: self.number,
            }),
            number => Err(Flaw::Entries(number)),
        }
    }
}

/// How far the tables have been compared with what is wanted.
struct Check<S> {
    wanted: Wanted<S>,
    paging: Paging,
    /// What has not been found yet.
    alias: Option<Alias>,
    /// All below has been compared.
    at: Maddr,
}

impl<S, I> Check<S>
where
    S: Fn() -> I,
    I: Iterator<Item = (Origin, MaRange)>,
{
    fn mapping(&mut self, mapping: Mapping) -> Result<(), Flaw> {
        let run = mapping.run;
        let start = run.range.start();
        if !mapping.is_identity() {
            let is_alias = self.alias.take().is_some_and(|alias| {
                let page = MaRange::from_len(alias.page.start(), PAGE_SIZE);
                mapping.virt == alias.at.raw()
                    && Some(run.range) == page
                    && (run.size, run.attr) == (LeafSize::Kib4, Attr::WriteBack)
            });
            return match is_alias {
                true => Ok(()),
                false => Err(Flaw::Elsewhere(start)),
            };
        }
        self.nothing_until(start)?;
        // Types that the fixed-range MTRRs tell apart, and pages that the processor does not have.
        let too_low = run.size != LeafSize::Kib4 && start.raw() < LeafSize::Mib2.bytes();
        if too_low || run.size == LeafSize::Gib1 && !self.paging.gib_pages {
            return Err(Flaw::PageSize(start));
        }
        self.until(run.range.end(), Some(run.attr))
    }

    /// Nothing is mapped from here to there: nothing may be wanted.
    fn nothing_until(&mut self, end: Maddr) -> Result<(), Flaw> {
        self.until(end, None)
    }

    /// It is mapped so from here to there, or not at all: that must be what is wanted of each page.
    fn until(&mut self, end: Maddr, is: Option<Attr>) -> Result<(), Flaw> {
        while self.at < end {
            let (wanted, next) = self.wanted.of(self.at);
            if wanted != is {
                return Err(match (wanted, is) {
                    (Some(_), None) => Flaw::Missing(self.at),
                    (None, _) => Flaw::Stray(self.at),
                    (Some(_), Some(_)) => Flaw::Attribute(self.at),
                });
            }
            self.at = next.min(end);
        }
        Ok(())
    }
}

/// All that is said.
struct Wanted<S> {
    said: S,
}

impl<S, I> Wanted<S>
where
    S: Fn() -> I,
    I: Iterator<Item = (Origin, MaRange)>,
{
    /// How the page that begins at `at` is to be mapped, and where the next page begins of which something else may
    /// be said.
    fn of(&self, at: Maddr) -> (Option<Attr>, Maddr) {
        let Some(page) = MaRange::from_len(at, PAGE_SIZE) else {
            return (None, Maddr::END);
        };
        let mut next = Maddr::END;
        let mut deciding: Option<Rule> = None;
        let always = core::iter::once((Origin::Device, LEGACY));
        for (origin, range) in (self.said)().chain(always) {
            if range.is_empty() {
                continue;
            }
            for edge in [range.start(), range.end()] {
                for change in [Some(edge.align_down(PAGE_SIZE)), edge.align_up(PAGE_SIZE)] {
                    next = change.filter(|it| at < *it).map_or(next, |it| it.min(next));
                }
            }
            if range.overlaps(page) {
                deciding = deciding.max(Some(Rule::of(origin)));
            }
        }
        let attr = deciding.and_then(|rule| match rule.rank {
            Rank::Ram if !self.is_ram(page) => None,
            _ => rule.attr,
        });
        (attr, next)
    }

    /// Whether each byte of the page is called RAM by something.
    fn is_ram(&self, page: MaRange) -> bool {
        // From byte to byte, as far as one entry carries; that is further each time.
        let ram = || (self.said)().filter(|(origin, _)| *origin == Origin::Map(E820Type::Ram));
        let mut at = page.start();
        let mut reached = core::iter::from_fn(|| {
            let here = ram().filter(|(_, range)| range.contains(at));
            at = here.map(|(_, range)| range.end()).max()?;
            Some(at)
        });
        reached.any(|at| at >= page.end())
    }
}
