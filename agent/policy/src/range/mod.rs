//! Version ranges in the language of Masterminds/semver v3, which users of Flux, Kargo and Helm know.
//!
//! `||` is or; a comma or a space is and; operators are `=`, `!=`, `>`, `<`, `>=`, `<=` (also `=>`, `=<`), `~`, `~>` and
//! `^`; `1.2 - 3.4.5` is a range with both ends in it; `x`, `X` and `*` stand for any number, and so does a number that
//! is left out (`1.2` is `1.2.x`). Prereleases are admitted only by an and-group that names one: `>=1.2.0-0` admits all.
//!
//! Where that library's answers contradict its own documentation the documentation is followed: a lone `*` means any
//! version after every operator but `>`, `<` and `!=`, which then admit none.

mod parse;

use std::{fmt, str::FromStr};

pub use parse::RangeError;

use crate::version::Version;

/// A range of versions, as in `>=1.2.0 <2.0.0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Range {
    text: String,
    alternatives: Vec<Vec<Comparator>>,
}

/// One operator with its version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Comparator {
    operator: Operator,
    /// The version with zeros for what was left out.
    floor: Version<'static>,
    /// How many numbers were given, from 0 (`*`) to 3 (`1.2.3`).
    given: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Tilde,
    Caret,
}

impl Range {
    /// Whether any prerelease could be in the range.
    pub(crate) fn names_prereleases(&self) -> bool {
        self.alternatives.iter().any(|group| names_prerelease(group))
    }

    /// Whether the version is in the range.
    pub fn admits(&self, version: &Version<'_>) -> bool {
        self.alternatives.iter().any(|group| {
            (names_prerelease(group) || !version.is_prerelease())
                && group.iter().all(|comparator| comparator.admits(version))
        })
    }
}

/// Whether one of the comparators has a prerelease, so that they admit prereleases.
fn names_prerelease(group: &[Comparator]) -> bool {
    group.iter().any(|comparator| comparator.floor.is_prerelease())
}

impl FromStr for Range {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        Ok(Self { text: text.to_owned(), alternatives: parse::alternatives(text)? })
    }
}

/// The range as it was written.
impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Comparator {
    fn admits(&self, version: &Version<'_>) -> bool {
        let whole = self.given == self.floor.numbers.len();
        match self.operator {
            Operator::Equal if whole => *version == self.floor,
            Operator::Equal | Operator::Tilde => self.tilde(version),
            Operator::NotEqual if whole => *version != self.floor,
            Operator::NotEqual => !self.covers(version),
            Operator::Greater if whole => *version > self.floor,
            Operator::Greater => leading(version, self.given) > leading(&self.floor, self.given),
            Operator::Less => *version < self.floor,
            Operator::GreaterOrEqual => *version >= self.floor,
            Operator::LessOrEqual if whole => *version <= self.floor,
            Operator::LessOrEqual => leading(version, self.given) <= leading(&self.floor, self.given),
            Operator::Caret => self.caret(version),
        }
    }

    /// Patch updates where a minor number is given, minor updates otherwise. `~0.0.0` is special in the language: any
    /// version.
    fn tilde(&self, version: &Version<'_>) -> bool {
        let anything = self.given == 3 && self.floor.numbers == [0; 3];
        *version >= self.floor && (anything || self.agrees(version, self.given.min(2)))
    }

    /// Updates that keep the leftmost number that is not zero.
    fn caret(&self, version: &Version<'_>) -> bool {
        let leftmost = self.floor.numbers.iter().take(self.given).position(|number| *number != 0);
        let kept = leftmost.map_or(self.given, |index| index + 1);
        *version >= self.floor && self.agrees(version, kept)
    }

    /// Whether a partial version stands for this one too. With a minor number given, its prerelease counts as well.
    fn covers(&self, version: &Version<'_>) -> bool {
        self.agrees(version, self.given) && (self.given < 2 || version.maturity == self.floor.maturity)
    }

    fn agrees(&self, version: &Version<'_>, count: usize) -> bool {
        leading(version, count) == leading(&self.floor, count)
    }
}

/// The first `count` numbers; with the rest as zero they compare like those alone.
fn leading(version: &Version<'_>, count: usize) -> [u64; 3] {
    let mut numbers = version.numbers;
    numbers.iter_mut().skip(count).for_each(|number| *number = 0);
    numbers
}

#[cfg(test)]
mod tests;
