//! How tags are ordered and which of them are wanted. One variant a rule; what a rule knows of values lives in a file
//! of its own: [`crate::version`] and [`crate::range`] for semver, `calver`, and `digits` for numbers.

use std::{cmp::Ordering, fmt};

use jiff::Timestamp;
use voxsync_crds::code_sync::{self, Select};

use crate::{
    Range, Version,
    calver::{Date, Format},
    digits::{Digits, Piece},
    policy::{PolicyError, Value},
};

const MAX_TAG_CHARACTERS: usize = 128;

/// Exactly one rule of `spec.source.registry.tag` (or of a Git source's `ref.tag`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TagRule(pub(crate) Rule);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Rule {
    /// The greatest version in a range.
    Semver(Range),
    /// The latest date.
    Calver(Format),
    /// The greatest or least whole number.
    Numerical(Select),
    /// The last or first in the order of the characters' codes.
    Alphabetical(Select),
    /// The image that was built last.
    NewestBuild,
    /// One mutable tag; its digest is what changes.
    Follow(String),
}

/// What a rule orders by. Ranks of different rules are never compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank<'a> {
    /// With the identifiers of the build metadata, which decide between versions of one precedence.
    Version(Version<'a>, Vec<Piece<'a>>),
    Date(Date<'a>),
    Number(Digits<'a>),
    Text(&'a str),
    Built(Timestamp),
    Followed,
}

impl TagRule {
    /// The rule that a `CodeSync` has.
    pub fn of(rule: &code_sync::TagRule) -> Result<Self, PolicyError> {
        let code_sync::TagRule { semver, calver, numerical, alphabetical, newest_build, follow } = rule;
        let rules = [
            semver.as_deref().map(Self::semver),
            calver.as_deref().map(Self::calver),
            numerical.map(|ordered| Ok(Self::numerical(ordered.select.unwrap_or_default()))),
            alphabetical.map(|ordered| Ok(Self::alphabetical(ordered.select.unwrap_or_default()))),
            newest_build.map(|_| Ok(Self::newest_build())),
            follow.as_deref().map(Self::follow),
        ];
        let mut given = rules.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(rule), None) => rule,
            _ => Err(PolicyError::NotOneRule),
        }
    }

    /// A rule for `tag.semver`.
    pub fn semver(range: &str) -> Result<Self, PolicyError> {
        Ok(Self(Rule::Semver(range.parse()?)))
    }

    /// A rule for `tag.calver`.
    pub fn calver(format: &str) -> Result<Self, PolicyError> {
        Ok(Self(Rule::Calver(format.parse()?)))
    }

    /// A rule for `tag.numerical`.
    pub fn numerical(select: Select) -> Self {
        Self(Rule::Numerical(select))
    }

    /// A rule for `tag.alphabetical`.
    pub fn alphabetical(select: Select) -> Self {
        Self(Rule::Alphabetical(select))
    }

    /// A rule for `tag.newestBuild`.
    pub fn newest_build() -> Self {
        Self(Rule::NewestBuild)
    }

    /// A rule for `tag.follow`: a tag as the OCI distribution specification has it.
    pub fn follow(tag: &str) -> Result<Self, PolicyError> {
        let word = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let valid = tag.starts_with(word)
            && tag.len() <= MAX_TAG_CHARACTERS
            && tag.chars().all(|character| word(character) || matches!(character, '.' | '-'));
        if valid { Ok(Self(Rule::Follow(tag.to_owned()))) } else { Err(PolicyError::follow(tag)) }
    }
}

/// The range, format or tag as it was written, or the word for the order.
impl fmt::Display for TagRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, select) = match &self.0 {
            Rule::Semver(range) => return range.fmt(formatter),
            Rule::Calver(format) => return format.fmt(formatter),
            Rule::Follow(tag) => return formatter.write_str(tag),
            Rule::NewestBuild => return formatter.write_str("newest build"),
            Rule::Numerical(select) => ("numerical", select),
            Rule::Alphabetical(select) => ("alphabetical", select),
        };
        formatter.write_str(word)?;
        if *select == Select::Lowest { formatter.write_str(", lowest") } else { Ok(()) }
    }
}

/// The identifiers of the build metadata of a version, in the order that those of a prerelease have; none comes first.
fn build(text: &str) -> Vec<Piece<'_>> {
    text.split_once('+').map(|(_, build)| build.split('.').map(Piece::of).collect()).unwrap_or_default()
}

impl Rule {
    /// Where a value stands in the rule's order; `None` for what has no place in it.
    pub(crate) fn rank<'a>(&self, value: Value<'a>, built: Option<Timestamp>) -> Option<Rank<'a>> {
        match self {
            Self::Semver(_) => {
                let read = if value.extracted { Version::parse } else { Version::from_tag };
                read(value.text).map(|version| Rank::Version(version, build(value.text)))
            }
            Self::Calver(format) => format.read(value.text).map(Rank::Date),
            Self::Numerical(_) => Digits::parse(value.text).map(Rank::Number),
            Self::Alphabetical(_) => Some(Rank::Text(value.text)),
            Self::NewestBuild => built.map(Rank::Built),
            Self::Follow(tag) => (tag == value.tag).then_some(Rank::Followed),
        }
    }

    /// Which of two tags is the better one: ties of ranks are broken by the plain tag.
    pub(crate) fn order(
        &self,
        (left, left_tag): (&Rank<'_>, &str),
        (right, right_tag): (&Rank<'_>, &str),
    ) -> Ordering {
        let order = left.cmp(right).then_with(|| left_tag.cmp(right_tag));
        match self {
            Self::Numerical(Select::Lowest) | Self::Alphabetical(Select::Lowest) => order.reverse(),
            _ => order,
        }
    }
}
