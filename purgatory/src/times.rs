//! How long each part of the hand-over takes, by the time stamp counter.
//!
//! To say something on a serial port takes milliseconds. A part has the lines in it that are said at its end,
//! but for the verification of the image: that is nothing but hashing.

use rkexec_bare::text::Sink;

/// What the counter was at the end of each part. A part that was not reached has 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamps {
    /// When the hand-over began.
    pub entered: u64,
    /// The page tables are verified, and in use.
    pub tables: u64,
    /// The copy list is verified, low memory is saved, and all is in its place.
    pub copied: u64,
    /// The image is verified.
    pub verified: u64,
    /// The next kernel is about to be entered.
    pub leaving: u64,
}

impl Stamps {
    /// Says how long each part has taken, and all of them: in microseconds if the counter is known to tick
    /// `khz` times in a millisecond, else in its ticks.
    pub fn tell(&self, sink: &mut impl Sink, khz: u64) {
        let micros = |ticks: u64| ticks.saturating_mul(1000).checked_div(khz);
        sink.text(match khz {
            0 => "rkexec: times in ticks: ",
            _ => "rkexec: times in us: ",
        });
        for (name, from, to) in [
            ("tables ", self.entered, self.tables),
            (", copied ", self.tables, self.copied),
            (", verified ", self.copied, self.verified),
            (", total ", self.entered, self.leaving),
        ] {
            let ticks = to.saturating_sub(from);
            sink.text(name);
            sink.decimal(micros(ticks).unwrap_or(ticks));
        }
        sink.text("\n");
    }
}
