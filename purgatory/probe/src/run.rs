//! Runs: neighbouring pages that are alike.

use crate::entry::Page;
use crate::level::Level;

/// Pages with neighbouring addresses, virtual and physical, and the same in all else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub first: Page,
    /// The first byte behind the last page; 0 if that is the last byte there is.
    pub virt_end: u64,
}

impl Run {
    pub const fn virt_last(&self) -> u64 {
        self.virt_end.wrapping_sub(1)
    }

    /// Whether the pages are at their own addresses.
    pub const fn is_identity(&self) -> bool {
        self.first.virt == self.first.phys.0
    }

    /// `4K`, `2M` or `1G`.
    pub const fn size(&self) -> &'static str {
        match self.first.level {
            Level::PT => "4K",
            Level::PD => "2M",
            // No other level has pages.
            _ => "1G",
        }
    }

    const fn of(page: Page) -> Self {
        Self {
            first: page,
            virt_end: page.virt.wrapping_add(page.level.entry_bytes()),
        }
    }

    /// This run with `page` behind it, if it belongs there.
    fn and(self, page: Page) -> Option<Self> {
        let bytes = self.virt_end.wrapping_sub(self.first.virt);
        let next = Page {
            virt: self.virt_end,
            phys: self.first.phys.plus(bytes),
            ..self.first
        };
        (next == page).then_some(Self {
            virt_end: Self::of(page).virt_end,
            ..self
        })
    }
}

/// Makes runs of pages.
#[derive(Debug, Default)]
pub struct Joiner(Option<Run>);

impl Joiner {
    /// Takes the next page. Returns the run before it, when that is complete.
    pub fn add(&mut self, page: Page) -> Option<Run> {
        match self.0.and_then(|run| run.and(page)) {
            Some(longer) => {
                self.0 = Some(longer);
                None
            }
            None => self.0.replace(Run::of(page)),
        }
    }

    /// The run that is complete because nothing follows.
    pub fn flush(&mut self) -> Option<Run> {
        self.0.take()
    }
}
