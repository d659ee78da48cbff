//! Versions, read as tolerantly as Masterminds/semver v3 reads them and ordered exactly as semver 2.0 says.
//!
//! It only reads strings; it never rounds: a number that does not fit 64 bits is not a version, and numbers inside
//! prereleases are compared by their digits, however many there are.

use std::{borrow::Cow, cmp::Ordering};

use crate::digits::Piece;

/// How many digits the lone number of `v5` has at most; more are a date or a build.
const MAX_LONE_DIGITS: usize = 4;

/// A version without its build metadata, which has no part in precedence.
///
/// The derived order is the precedence of semver 2.0, item 11: fields from top to bottom, a prerelease below its
/// release.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version<'a> {
    /// Major, minor and patch; what the text leaves out is zero.
    pub(crate) numbers: [u64; 3],
    pub(crate) maturity: Maturity<'a>,
}

/// Whether a version is a release. The order of the variants is the precedence.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Maturity<'a> {
    Prerelease(Identifiers<'a>),
    Release,
}

/// The dot-separated parts of a prerelease, compared part by part. Without leading zeros equal parts have equal texts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Identifiers<'a>(Cow<'a, str>);

impl<'a> Version<'a> {
    /// Reads a version: an optional `v`, one to three numbers, an optional prerelease and build metadata.
    pub fn parse(text: &'a str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let text = match text.split_once('+') {
            Some((text, build)) => build.split('.').all(is_identifier).then_some(text)?,
            None => text,
        };
        let (core, maturity) = match text.split_once('-') {
            Some((core, prerelease)) => (core, Maturity::prerelease(prerelease)?),
            None => (text, Maturity::Release),
        };
        let mut numbers = [0; 3];
        let mut places = numbers.iter_mut();
        for part in core.split('.') {
            *places.next()? = number(part)?;
        }
        Some(Self { numbers, maturity })
    }

    /// Reads a whole tag as a version.
    ///
    /// Stricter than [`Version::parse`] in one point: without a `v` there must be a dot in the numbers. `5`, `20240101`
    /// and a commit hash that happens to have no letters are build numbers, dates and hashes, not versions; and so is
    /// `v20240101`.
    pub fn from_tag(tag: &'a str) -> Option<Self> {
        let core = tag.split(['-', '+']).next().unwrap_or(tag);
        let is_short = core.strip_prefix('v').is_some_and(|number| number.len() <= MAX_LONE_DIGITS);
        if is_short || core.contains('.') { Self::parse(tag) } else { None }
    }

    /// Whether this is a prerelease such as `1.2.3-rc.1`.
    pub fn is_prerelease(&self) -> bool {
        self.maturity != Maturity::Release
    }
}

impl<'a> Maturity<'a> {
    /// Reads what follows the hyphen. `None` where an identifier is empty, has other characters than letters, digits
    /// and hyphens, or is a number with a leading zero.
    pub(crate) fn prerelease(text: &'a str) -> Option<Self> {
        let is_padded = |part: &str| part.len() > 1 && part.starts_with('0') && is_digits(part);
        let is_right = text.split('.').all(|part| is_identifier(part) && !is_padded(part));
        is_right.then_some(Self::Prerelease(Identifiers(Cow::Borrowed(text))))
    }

    /// The same, which needs its text no longer.
    pub(crate) fn into_owned(self) -> Maturity<'static> {
        match self {
            Self::Prerelease(Identifiers(text)) => {
                Maturity::Prerelease(Identifiers(Cow::Owned(text.into_owned())))
            }
            Self::Release => Maturity::Release,
        }
    }
}

impl Identifiers<'_> {
    fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        self.0.split('.').map(Piece::of)
    }
}

impl Ord for Identifiers<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.pieces().cmp(other.pieces())
    }
}

impl PartialOrd for Identifiers<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Leading zeros are accepted, as in `2024.01`: calendar-like tags have long been read this way.
fn number(text: &str) -> Option<u64> {
    is_digits(text).then(|| text.parse().ok())?
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| is_identifier_character(byte.into()))
}

pub(crate) fn is_identifier_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '-'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1.2.3", true)]
    #[case("v1.2.3-rc.1+build.7", true)]
    #[case("1.2.3+test.01", true)]
    #[case("1.2.3-alpha.-1", true)]
    #[case("v1", true)]
    #[case("1.10", true)]
    #[case("1.2-5", true)]
    #[case("1.2.3-0abc123", true)]
    #[case("01.1.1", true)]
    #[case("18446744073709551615.0.0", true)]
    #[case("18446744073709551616.0.0", false)]
    #[case("1.2.3-99999999999999999999999999", true)]
    #[case("V1.2.3", false)]
    #[case("", false)]
    #[case("v", false)]
    #[case("1.", false)]
    #[case(".1", false)]
    #[case("1..2", false)]
    #[case("1.2.3.4", false)]
    #[case("1.2.beta", false)]
    #[case("1.2.3-", false)]
    #[case("1.2.3-beta.01", false)]
    #[case("1.0.0-alpha_beta", false)]
    #[case("1.0.0-alpha..1", false)]
    #[case("1.1.2+.123", false)]
    #[case("9.8.7+meta+meta", false)]
    #[case("1.+2", false)]
    #[case("\n1.2", false)]
    #[case("١.٢.٣", false)]
    fn reads_what_masterminds_reads(#[case] text: &str, #[case] is_version: bool) {
        assert_eq!(Version::parse(text).is_some(), is_version);
    }

    #[rstest]
    #[case("v1", true)]
    #[case("1.10", true)]
    #[case("1.10-rc.1", true)]
    #[case("2024.1.5", true)]
    #[case("5", false)]
    #[case("20240101", false)]
    #[case("20221209-update-v4.1", false)]
    #[case("1234567", false)]
    #[case("7d3e5a1", false)]
    #[case("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", false)]
    #[case("r69", false)]
    #[case("latest", false)]
    fn bare_numbers_and_hashes_are_no_versions(#[case] tag: &str, #[case] is_version: bool) {
        assert_eq!(Version::from_tag(tag).is_some(), is_version);
    }

    /// The chain of semver 2.0, item 11, with more of the same.
    #[test]
    fn precedence_is_that_of_semver() {
        let ascending = [
            "1.0.0-0",
            "1.0.0-1",
            "1.0.0-2",
            "1.0.0-11",
            "1.0.0-18446744073709551616",
            "1.0.0-99999999999999999999999",
            "1.0.0--",
            "1.0.0-BETA",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1-rc.1",
            "1.9.0",
            "1.10.0",
            "2.0.0",
        ];
        for (left, a) in ascending.iter().enumerate() {
            for (right, b) in ascending.iter().enumerate() {
                assert_eq!(Version::parse(a).cmp(&Version::parse(b)), left.cmp(&right), "{a} and {b}");
            }
        }
    }

    #[rstest]
    #[case("1.10", "1.10.0")]
    #[case("v1", "1.0.0")]
    #[case("1.2.3+a", "1.2.3+b")]
    #[case("01.2.3", "1.2.3")]
    fn equal_precedence(#[case] a: &str, #[case] b: &str) {
        assert_eq!(Version::parse(a).unwrap().cmp(&Version::parse(b).unwrap()), Ordering::Equal);
    }

    proptest! {
        #[test]
        fn a_greater_number_wins(numbers: [u64; 3], others: [u64; 3]) {
            let text = |[major, minor, patch]: [u64; 3]| format!("{major}.{minor}.{patch}");
            let (a, b) = (text(numbers), text(others));
            let (a, b) = (Version::parse(&a).unwrap(), Version::parse(&b).unwrap());
            prop_assert_eq!(a.cmp(&b), numbers.cmp(&others));
        }
    }
}
