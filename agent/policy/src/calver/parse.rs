//! Reads the text of a format, and says why it cannot.

use std::str::FromStr;

use super::format::{Format, Part, Unit, WORDS, Word};

const MAX_FORMAT_BYTES: usize = 128;
const MAX_SHOWN_CHARACTERS: usize = 100;

/// A text that is not a format; the message shows why and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a calver format ({problem}); for example \"YYYY.0M.0D\", \"YY.0M.MICRO\"")]
pub struct FormatError {
    text: String,
    problem: Problem,
}

/// What is wrong. Positions count characters from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error("it is empty")]
    Empty,
    #[error("it is longer than {MAX_FORMAT_BYTES} bytes")]
    TooLong,
    #[error(
        "unexpected \"{}\" at {position}: words are YYYY YY 0Y MM 0M WW 0W DD 0D MAJOR MINOR MICRO MODIFIER, and between \
         them \".\", \"-\", \"_\" and lower-case letters stand for themselves",
        .character.escape_debug()
    )]
    Unexpected { character: char, position: usize },
    #[error("it has no year: one of YYYY, YY and 0Y; months without a year begin again every January")]
    NoYear,
    #[error("{first} and {second} say the same twice")]
    Twice { first: &'static str, second: &'static str },
    #[error("{day} needs MM or 0M with it")]
    DayWithoutMonth { day: &'static str },
    #[error("{week} is a week of the year: it goes with neither months nor days")]
    WeekWithMonth { week: &'static str },
    #[error(
        "{first} and {second} have nothing between them, so that 111 could be 1 and 11 or 11 and 1; write {padded} for \
         {first}, or put a separator between them"
    )]
    Ambiguous { first: &'static str, second: &'static str, padded: &'static str },
    #[error(
        "{first} and {second} have nothing between them, so that nobody knows where the first one ends; put a separator between them"
    )]
    Endless { first: &'static str, second: &'static str },
    #[error("MODIFIER is any text, so that it must be the last word")]
    ModifierNotLast,
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        let refused =
            |problem| FormatError { text: text.chars().take(MAX_SHOWN_CHARACTERS).collect(), problem };
        let (parts, words) = read(text).map_err(refused)?;
        check(&parts, &words).map_err(refused)?;
        Ok(Self { text: text.to_owned(), parts: with_slots(parts, &words) })
    }
}

/// What stands for itself before each word; a last one without a word.
type Parts = Vec<(String, Option<Word>)>;

fn read(text: &str) -> Result<(Parts, Vec<Word>), Problem> {
    if text.is_empty() {
        return Err(Problem::Empty);
    }
    if text.len() > MAX_FORMAT_BYTES {
        return Err(Problem::TooLong);
    }
    let (mut parts, mut words, mut before, mut rest) = (Parts::new(), Vec::new(), String::new(), text);
    while let Some(character) = rest.chars().next() {
        if let Some((word, behind)) =
            WORDS.iter().find_map(|word| Some((*word, rest.strip_prefix(word.text)?)))
        {
            parts.push((std::mem::take(&mut before), Some(word)));
            words.push(word);
            rest = behind;
        } else if character.is_ascii_lowercase() || matches!(character, '.' | '-' | '_') {
            before.push(character);
            rest = rest.get(1..).unwrap_or_default();
        } else {
            // All that was read is ASCII, so bytes are characters.
            return Err(Problem::Unexpected { character, position: text.len() - rest.len() });
        }
    }
    if !before.is_empty() {
        parts.push((before, None));
    }
    Ok((parts, words))
}

fn check(parts: &Parts, words: &[Word]) -> Result<(), Problem> {
    for (index, second) in words.iter().enumerate() {
        let first = words.iter().take(index).find(|first| first.unit == second.unit);
        if let Some(first) = first {
            return Err(Problem::Twice { first: first.text, second: second.text });
        }
    }
    let word_of = |unit| words.iter().find(|word| word.unit == unit).map(|word| word.text);
    if word_of(Unit::Year).is_none() {
        return Err(Problem::NoYear);
    }
    let (month, day) = (word_of(Unit::Month), word_of(Unit::Day));
    if let (Some(week), true) = (word_of(Unit::Week), month.is_some() || day.is_some()) {
        return Err(Problem::WeekWithMonth { week });
    }
    if let (Some(day), None) = (day, month) {
        return Err(Problem::DayWithoutMonth { day });
    }
    for pair in parts.windows(2) {
        let [(_, Some(first)), (between, second)] = pair else { continue };
        if first.unit == Unit::Modifier {
            return Err(Problem::ModifierNotLast);
        }
        let Some(second) = second.filter(|second| second.width().is_some()) else { continue };
        if between.is_empty() && first.is_open() {
            return Err(unclear(*first, second));
        }
    }
    Ok(())
}

/// Two numbers with nothing between them, of which the first may be longer or shorter.
fn unclear(first: Word, second: Word) -> Problem {
    let is_padded = |word: &&Word| word.unit == first.unit && word.text.starts_with('0');
    match WORDS.iter().find(is_padded) {
        Some(padded) => Problem::Ambiguous { first: first.text, second: second.text, padded: padded.text },
        None => Problem::Endless { first: first.text, second: second.text },
    }
}

/// Says of each word where its number counts: the date as a whole at the place of its first word.
fn with_slots(parts: Parts, words: &[Word]) -> Vec<Part> {
    let mut date: Vec<Unit> = words.iter().map(|word| word.unit).filter(|unit| unit.is_of_a_date()).collect();
    date.sort_unstable();
    let mut order = Vec::new();
    for unit in words.iter().map(|word| word.unit) {
        if unit.is_of_a_date() { order.append(&mut date) } else { order.push(unit) }
    }
    let slot_of = |unit| order.iter().position(|other| *other == unit).unwrap_or_default();
    let part = |(before, word): (String, Option<Word>)| Part {
        before,
        word: word.map(|word| (word, slot_of(word.unit))),
        ends_optionally: word.is_some_and(|word| word.unit == Unit::Modifier),
    };
    parts.into_iter().map(part).collect()
}
