//! A number in hexadecimal, without a prefix.

use std::num::ParseIntError;
use std::str::FromStr;

use parse_display::Display;

/// Such a number.
#[derive(Clone, Copy, Debug, Display, Default, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
#[display("{0:x}")]
pub struct Hex(pub u64);

impl FromStr for Hex {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}
