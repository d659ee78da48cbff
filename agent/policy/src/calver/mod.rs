//! Dates in a format of <https://calver.org>: `YYYY.0M.0D`, `YY.0M.MICRO`, `YYYY0M0D-MODIFIER`.
//!
//! What is read of a tag:
//! - `YYYY` is a year of four digits, `YY` and `0Y` count from 2000, and all must be real dates: month 1 to 12, a day that
//!   the month has, week 1 to 53.
//! - `0Y`, `0M`, `0W` and `0D` have exactly two digits. `MM`, `WW`, `DD` and `YY` have as many as they need, and may be padded
//!   all the same: many formats are written so and meant padded, and to skip `2027.01.05` after `2026.12.30` would silently
//!   stop at the year's end.
//! - `MAJOR`, `MINOR` and `MICRO` are whole numbers of any length.
//! - `MODIFIER` is any text at the end. A tag may end before it, and before what separates it.
//! - Lower-case letters, `.`, `-` and `_` stand for themselves.
//!
//! The order: words from left to right. The date counts as a whole, at the place of its first word: year before month or
//! week before day, also in `DD.MM.YYYY`. Modifiers come last: those of prereleases (`dev`, `alpha`, `beta`, `rc`, …) are
//! before a tag without, all others (build numbers) after it; numbers in them count as numbers.

mod format;
mod parse;

pub(crate) use format::Format;
pub use parse::FormatError;

use crate::digits::{Digits, Natural};

/// Modifiers of what comes before a release; compared without case, by their first letters.
const PRERELEASES: [&str; 10] =
    ["a", "alpha", "b", "beta", "dev", "milestone", "pre", "preview", "rc", "snapshot"];

/// What a tag says, in the order of significance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Date<'a> {
    numbers: [Digits<'a>; format::MAX_NUMBERS],
    modifier: Modifier<'a>,
}

/// The end of a tag. The order of the variants is the order of the tags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Modifier<'a> {
    Before(Natural<'a>),
    None,
    After(Natural<'a>),
}

impl<'a> Modifier<'a> {
    fn new(text: &'a str) -> Self {
        let is_letter = |character: char| character.is_ascii_alphabetic();
        let (letters, rest) = text.split_at(text.find(|it| !is_letter(it)).unwrap_or(text.len()));
        let is_prerelease = PRERELEASES.iter().any(|word| word.eq_ignore_ascii_case(letters));
        // `a1b2c3d` is a commit and no alpha.
        let is_numbered = rest.trim_start_matches(['.', '-', '_']).bytes().all(|byte| byte.is_ascii_digit());
        if is_prerelease && (letters.len() > 1 || is_numbered) {
            Self::Before(Natural(text))
        } else {
            Self::After(Natural(text))
        }
    }
}

impl Format {
    /// Reads a tag; `None` where it is not of this format, or no real date.
    pub(crate) fn read<'a>(&self, tag: &'a str) -> Option<Date<'a>> {
        let mut numbers = [Digits::default(); format::MAX_NUMBERS];
        let mut modifier = Modifier::None;
        let mut rest = tag;
        for part in &self.parts {
            if part.ends_optionally && rest.is_empty() {
                break;
            }
            rest = rest.strip_prefix(part.before.as_str())?;
            let Some((word, slot)) = part.word else { continue };
            let Some(width) = word.width() else {
                if rest.is_empty() {
                    return None;
                }
                modifier = Modifier::new(std::mem::take(&mut rest));
                continue;
            };
            let digits = rest.bytes().take(width.most).take_while(u8::is_ascii_digit).count();
            if digits < width.least {
                return None;
            }
            let (number, behind) = rest.split_at(digits);
            *numbers.get_mut(slot)? = Digits::parse(number)?;
            rest = behind;
        }
        (rest.is_empty() && self.is_real(&numbers)).then_some(Date { numbers, modifier })
    }

    /// Whether the numbers are a date of the calendar.
    fn is_real(&self, numbers: &[Digits<'_>]) -> bool {
        use format::Unit::{Day, Month, Week, Year};
        let number =
            |unit| self.slot_of(unit).map(|slot| numbers.get(slot).and_then(|digits| digits.small()));
        let year = match number(Year) {
            Some(Some(year)) => year + self.first_year(),
            _ => return false,
        };
        let small =
            |unit, otherwise| number(unit).unwrap_or(Some(otherwise)).and_then(|it| i8::try_from(it).ok());
        let (Some(month), Some(day), Some(week)) = (small(Month, 1), small(Day, 1), small(Week, 1)) else {
            return false;
        };
        (1..=53).contains(&week) && jiff::civil::Date::new(year, month, day).is_ok()
    }
}

#[cfg(test)]
mod tests;
