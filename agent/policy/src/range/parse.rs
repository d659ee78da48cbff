//! Reads the text of a range into comparators, and says where and why it cannot.
//!
//! A hand-made reader with one cursor: every character is looked at once, so hostile text costs no more than its length.

use std::fmt;

use super::{Comparator, Operator};
use crate::version::{Maturity, Version, is_identifier_character};

const MAX_RANGE_BYTES: usize = 1024;

/// Longest first, so that `>=` is not read as `>`.
const OPERATORS: [(&str, Operator); 11] = [
    (">=", Operator::GreaterOrEqual),
    ("=>", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    ("=<", Operator::LessOrEqual),
    ("!=", Operator::NotEqual),
    ("~>", Operator::Tilde),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
];

/// A text that is not a version range; the message shows the place and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a version range ({problem}); for example \">=1.2.0 <2.0.0\", \"^1.2\", \"1.x\"")]
pub struct RangeError {
    text: String,
    problem: Problem,
}

/// What is wrong. Positions count characters from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    Empty,
    TooLong,
    EndsTooEarly,
    Unexpected { character: char, position: usize },
    NumberTooLarge { position: usize },
    Prerelease { text: String, position: usize },
    Build { position: usize },
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(formatter, "it is empty; \"*\" is any release"),
            Self::TooLong => write!(formatter, "it is longer than {MAX_RANGE_BYTES} bytes"),
            Self::EndsTooEarly => write!(formatter, "a version is missing at its end"),
            Self::Unexpected { character, position } => {
                write!(formatter, "unexpected \"{}\" at {position}", character.escape_debug())
            }
            Self::NumberTooLarge { position } => write!(formatter, "the number at {position} is too large"),
            Self::Prerelease { text, position } => {
                write!(formatter, "{text:?} at {position} is not a prerelease such as \"rc.1\" or \"0\"")
            }
            Self::Build { position } => write!(formatter, "unexpected build metadata at {position}"),
        }
    }
}

/// Reads the whole text: and-groups separated by `||`.
pub(super) fn alternatives(text: &str) -> Result<Vec<Vec<Comparator>>, RangeError> {
    let shown = || text.chars().take(MAX_SHOWN_CHARACTERS).collect();
    read(text).map_err(|problem| RangeError { text: shown(), problem })
}

const MAX_SHOWN_CHARACTERS: usize = 100;

fn read(text: &str) -> Result<Vec<Vec<Comparator>>, Problem> {
    if text.len() > MAX_RANGE_BYTES {
        return Err(Problem::TooLong);
    }
    if text.trim().is_empty() {
        return Err(Problem::Empty);
    }
    let mut cursor = Cursor { rest: text, position: 0 };
    let mut alternatives = vec![group(&mut cursor)?];
    while cursor.take("||") {
        alternatives.push(group(&mut cursor)?);
    }
    Ok(alternatives)
}

/// Comparators that must all hold, up to `||` or the end.
fn group(cursor: &mut Cursor<'_>) -> Result<Vec<Comparator>, Problem> {
    let mut comparators = Vec::new();
    cursor.skip_spaces();
    loop {
        comparator(cursor, &mut comparators)?;
        let separated = cursor.skip_spaces();
        if cursor.rest.is_empty() || cursor.rest.starts_with("||") {
            return Ok(comparators);
        }
        if cursor.take(",") {
            cursor.skip_spaces();
        } else if !separated {
            return Err(cursor.unexpected());
        }
    }
}

fn comparator(cursor: &mut Cursor<'_>, comparators: &mut Vec<Comparator>) -> Result<(), Problem> {
    if let Some((_, operator)) = OPERATORS.iter().find(|(sign, _)| cursor.take(sign)) {
        cursor.skip_spaces();
        comparators.push(partial(cursor, *operator)?);
        return Ok(());
    }
    let mut first = partial(cursor, Operator::Equal)?;
    let last = if cursor.take_hyphen() { Some(partial(cursor, Operator::LessOrEqual)?) } else { None };
    if last.is_some() {
        first.operator = Operator::GreaterOrEqual;
    }
    comparators.push(first);
    comparators.extend(last);
    Ok(())
}

/// A version of which the right end may be left out or a wildcard.
fn partial(cursor: &mut Cursor<'_>, operator: Operator) -> Result<Comparator, Problem> {
    cursor.take("v");
    let mut numbers = [0; 3];
    let mut given = 0;
    let mut open = false;
    for (index, place) in numbers.iter_mut().enumerate() {
        if index > 0 && !cursor.take(".") {
            break;
        }
        let number = number_or_wildcard(cursor)?;
        open |= number.is_none();
        if let (Some(number), false) = (number, open) {
            *place = number;
            given += 1;
        }
    }
    let mut maturity = Maturity::Release;
    if cursor.take("-") {
        let position = cursor.position;
        let text = cursor.take_identifiers();
        maturity = Maturity::prerelease(text)
            .ok_or_else(|| Problem::Prerelease { text: text.to_owned(), position })?
            .into_owned();
    }
    if cursor.take("+") {
        let position = cursor.position;
        if cursor.take_identifiers().split('.').any(str::is_empty) {
            return Err(Problem::Build { position });
        }
    }
    Ok(Comparator { operator, floor: Version { numbers, maturity }, given })
}

/// `None` is a wildcard.
fn number_or_wildcard(cursor: &mut Cursor<'_>) -> Result<Option<u64>, Problem> {
    if ["x", "X", "*"].iter().any(|wildcard| cursor.take(wildcard)) {
        return Ok(None);
    }
    let position = cursor.position;
    let digits = cursor.take_while(|character| character.is_ascii_digit());
    if digits.is_empty() {
        return Err(cursor.unexpected());
    }
    digits.parse().map(Some).map_err(|_| Problem::NumberTooLarge { position })
}

/// What is still to be read. All that was read is ASCII, so bytes are characters.
struct Cursor<'a> {
    rest: &'a str,
    position: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, expected: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(expected) else { return false };
        self.rest = rest;
        self.position += expected.len();
        true
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|character| !wanted(character)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.position += end;
        taken
    }

    fn take_identifiers(&mut self) -> &'a str {
        self.take_while(|character| is_identifier_character(character) || character == '.')
    }

    fn skip_spaces(&mut self) -> bool {
        !self.take_while(|character| character.is_ascii_whitespace()).is_empty()
    }

    /// The hyphen of `1.2 - 3.4` has space on both sides; without, it starts a prerelease.
    fn take_hyphen(&mut self) -> bool {
        let trimmed = self.rest.trim_ascii_start();
        let after =
            trimmed.strip_prefix('-').filter(|after| after.starts_with(|c: char| c.is_ascii_whitespace()));
        if after.is_none() || trimmed.len() == self.rest.len() {
            return false;
        }
        self.skip_spaces();
        self.take("-");
        self.skip_spaces()
    }

    fn unexpected(&self) -> Problem {
        match self.rest.chars().next() {
            Some(character) => Problem::Unexpected { character, position: self.position },
            None => Problem::EndsTooEarly,
        }
    }
}
