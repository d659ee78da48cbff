//! How tags are ordered and which of them are wanted. One variant a rule; what a rule knows of values lives in a file
//! of its own ([`crate::version`] and [`crate::range`] for semver).

use crate::{
    Range, Version,
    policy::{PolicyError, Value},
};

const MAX_TAG_CHARACTERS: usize = 128;

/// Exactly one rule of `spec.source.registry.tag` (or of a Git source's `ref.tag`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagRule {
    /// The greatest version in a range.
    Semver(Range),
    /// One mutable tag; its digest is what changes.
    Follow(String),
}

/// What a rule orders by. Ranks of different rules are never compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Version(Version),
    Followed,
}

impl TagRule {
    /// A rule for `tag.semver`.
    pub fn semver(range: &str) -> Result<Self, PolicyError> {
        Ok(Self::Semver(range.parse()?))
    }

    /// A rule for `tag.follow`: a tag as the OCI distribution specification has it.
    pub fn follow(tag: &str) -> Result<Self, PolicyError> {
        let word = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let valid = tag.starts_with(word)
            && tag.len() <= MAX_TAG_CHARACTERS
            && tag.chars().all(|character| word(character) || matches!(character, '.' | '-'));
        if valid { Ok(Self::Follow(tag.to_owned())) } else { Err(PolicyError::follow(tag)) }
    }

    /// Where a value stands in the rule's order; `None` for what has no place in it.
    pub(crate) fn rank(&self, value: Value<'_>) -> Option<Rank> {
        match self {
            Self::Semver(_) if value.extracted => Version::parse(value.text).map(Rank::Version),
            Self::Semver(_) => Version::from_tag(value.text).map(Rank::Version),
            Self::Follow(tag) => (tag == value.tag).then_some(Rank::Followed),
        }
    }

    pub(crate) fn admits(&self, rank: &Rank) -> bool {
        match (self, rank) {
            (Self::Semver(range), Rank::Version(version)) => range.admits(version),
            _ => true,
        }
    }
}
