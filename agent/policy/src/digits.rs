//! Whole numbers of any length, compared by their digits: nothing is rounded and nothing overflows.

use std::cmp::Ordering;

/// A whole number. Leading zeros are not part of it: `007` and `7` are equal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Digits<'a>(&'a str);

impl<'a> Digits<'a> {
    /// Reads ASCII digits; `None` for anything else.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| Self(text.trim_start_matches('0')))
    }

    /// As a small number; `None` where it is too large to be a part of a date.
    pub(crate) fn small(self) -> Option<i16> {
        if self.0.is_empty() { Some(0) } else { self.0.parse().ok() }
    }
}

impl Ord for Digits<'_> {
    /// Without leading zeros the longer number is the greater one.
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(other.0))
    }
}

impl PartialOrd for Digits<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A text in which numbers count as numbers: `rc2` comes before `rc10`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Natural<'a>(pub(crate) &'a str);

/// A piece of a text. The order of the variants is the order of the pieces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Piece<'a> {
    Number(Digits<'a>),
    Text(&'a str),
}

impl<'a> Piece<'a> {
    /// Reads a whole piece.
    pub(crate) fn of(text: &'a str) -> Self {
        Digits::parse(text).map_or(Self::Text(text), Self::Number)
    }
}

impl<'a> Natural<'a> {
    fn pieces(self) -> impl Iterator<Item = Piece<'a>> {
        let is_digit = |character: char| character.is_ascii_digit();
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let is_number = is_digit(rest.chars().next()?);
            let end = rest.find(|character| is_digit(character) != is_number).unwrap_or(rest.len());
            let (piece, behind) = rest.split_at(end);
            rest = behind;
            Some(Piece::of(piece))
        })
    }
}

impl Ord for Natural<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.pieces().cmp(other.pieces())
    }
}

impl PartialOrd for Natural<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Natural<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Natural<'_> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_in_their_order() {
        let ascending =
            ["", "0", "9", "10", "10.1", "a", "a1", "a1b", "a2", "a10", "a18446744073709551616", "ab", "b"];
        for (left, a) in ascending.iter().enumerate() {
            for (right, b) in ascending.iter().enumerate() {
                assert_eq!(Natural(a).cmp(&Natural(b)), left.cmp(&right), "{a} and {b}");
            }
        }
    }

    proptest! {
        #[test]
        fn numbers_compare_as_numbers(one: u128, other: u128, zeros in "0{0,3}") {
            let (text, other_text) = (format!("{zeros}{one}"), other.to_string());
            let order = Digits::parse(&text).unwrap().cmp(&Digits::parse(&other_text).unwrap());
            prop_assert_eq!(order, one.cmp(&other));
        }
    }
}
