//! The words of a format, and where each of them counts.

use std::fmt;

/// The most numbers that a format can have: year, month, day, MAJOR, MINOR and MICRO.
pub(super) const MAX_NUMBERS: usize = 6;

/// A format that makes sense: it has a year, and there is only one way to read a tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Format {
    pub(super) text: String,
    pub(super) parts: Vec<Part>,
}

/// What stands for itself, then a word.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Part {
    pub(super) before: String,
    /// The word and where its number counts, 0 the most; none at the end of a format.
    pub(super) word: Option<(Word, usize)>,
    /// Whether a tag may end before this part.
    pub(super) ends_optionally: bool,
}

/// A word of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Word {
    pub(super) unit: Unit,
    pub(super) text: &'static str,
}

/// What a word stands for. The order of the first four is that of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Unit {
    Year,
    Month,
    Week,
    Day,
    Major,
    Minor,
    Micro,
    Modifier,
}

/// How many digits a number has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Width {
    pub(super) least: usize,
    pub(super) most: usize,
}

/// All words, a longer one before its beginning.
pub(super) const WORDS: [Word; 13] = [
    Word { text: "YYYY", unit: Unit::Year },
    Word { text: "YY", unit: Unit::Year },
    Word { text: "0Y", unit: Unit::Year },
    Word { text: "MM", unit: Unit::Month },
    Word { text: "0M", unit: Unit::Month },
    Word { text: "WW", unit: Unit::Week },
    Word { text: "0W", unit: Unit::Week },
    Word { text: "DD", unit: Unit::Day },
    Word { text: "0D", unit: Unit::Day },
    Word { text: "MAJOR", unit: Unit::Major },
    Word { text: "MINOR", unit: Unit::Minor },
    Word { text: "MICRO", unit: Unit::Micro },
    Word { text: "MODIFIER", unit: Unit::Modifier },
];

impl Unit {
    pub(super) fn is_of_a_date(self) -> bool {
        self <= Self::Day
    }
}

impl Word {
    /// `None` for what is no number.
    pub(super) fn width(self) -> Option<Width> {
        let (least, most) = match (self.unit, self.text) {
            (Unit::Modifier, _) => return None,
            (_, "YYYY") => (4, 4),
            (_, "YY") => (1, 3),
            (_, text) if text.starts_with('0') => (2, 2),
            (Unit::Major | Unit::Minor | Unit::Micro, _) => (1, usize::MAX),
            _ => (1, 2),
        };
        Some(Width { least, most })
    }

    /// Whether it is not clear without what comes after where its number ends.
    pub(super) fn is_open(self) -> bool {
        self.width().is_some_and(|width| width.least != width.most)
    }
}

impl Format {
    pub(super) fn words(&self) -> impl Iterator<Item = (Word, usize)> {
        self.parts.iter().filter_map(|part| part.word)
    }

    pub(super) fn slot_of(&self, unit: Unit) -> Option<usize> {
        self.words().find(|(word, _)| word.unit == unit).map(|(_, slot)| slot)
    }

    /// What is added to the year that a tag has.
    pub(super) fn first_year(&self) -> i16 {
        if self.words().any(|(word, _)| word.text == "YYYY") { 0 } else { 2000 }
    }
}

/// The format as it was written.
impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}
