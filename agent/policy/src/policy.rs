//! A tag rule with the patterns that say which tags it may see, and which part of a tag is the version.

use std::cmp::Ordering;

use regex::{Regex, RegexBuilder};

use crate::{Election, TagRule, range::RangeError};

const MAX_PATTERN_BYTES: usize = 1024;
const MAX_COMPILED_PATTERN_BYTES: usize = 1 << 20;
const MAX_IGNORE_PATTERNS: usize = 32;
const MAX_SHOWN_CHARACTERS: usize = 100;

/// Which tag of a repository is wanted.
#[derive(Debug, Clone)]
pub struct TagPolicy {
    pub(crate) rule: TagRule,
    matching: Option<Regex>,
    ignore: Vec<Regex>,
}

/// Why strings do not make a policy. Each message names the field of the `CodeSync`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// `tag.semver` cannot be read.
    #[error("tag.semver: {0}")]
    Semver(#[from] RangeError),
    /// `tag.follow` is not a tag.
    #[error(
        "tag.follow: {shown:?} is not a tag: up to 128 letters, digits, \"_\", \".\" and \"-\", the first no \".\" or \
         \"-\"; for example \"stable\""
    )]
    Follow {
        /// The start of the text.
        shown: String,
    },
    /// `match` or one of `ignore` is not a regular expression.
    #[error(
        "{field}: {shown:?} is not a regular expression that can be used ({reason}); for example {example:?}"
    )]
    Pattern {
        /// `match` or `ignore[0]`.
        field: String,
        /// The start of the text.
        shown: String,
        /// What the regular expression library says, in one line.
        reason: String,
        /// What would be right.
        example: &'static str,
    },
    /// `ignore` has too many patterns.
    #[error("ignore: {count} patterns are more than {MAX_IGNORE_PATTERNS}; join some with \"|\"")]
    TooManyPatterns {
        /// How many there are.
        count: usize,
    },
}

impl PolicyError {
    pub(crate) fn follow(tag: &str) -> Self {
        Self::Follow { shown: start_of(tag) }
    }
}

/// What of a tag is compared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'a> {
    pub(crate) tag: &'a str,
    /// The group `version` of `match`, or the whole tag.
    pub(crate) text: &'a str,
    /// Somebody said that this part is the version, so that a bare number is one too.
    pub(crate) extracted: bool,
}

impl TagPolicy {
    /// Makes a policy of a rule and the patterns of `match` and `ignore`. Patterns match anywhere in a tag unless they
    /// have `^` and `$`.
    pub fn new(rule: TagRule, matching: Option<&str>, ignore: &[String]) -> Result<Self, PolicyError> {
        if ignore.len() > MAX_IGNORE_PATTERNS {
            return Err(PolicyError::TooManyPatterns { count: ignore.len() });
        }
        let matching = matching.map(|text| pattern("match", text, "^v(?<version>.+)$")).transpose()?;
        let ignore = ignore.iter().enumerate();
        let ignore = ignore.map(|(index, text)| pattern(&format!("ignore[{index}]"), text, r"-rc\d+$"));
        Ok(Self { rule, matching, ignore: ignore.collect::<Result<_, _>>()? })
    }

    /// Chooses among the tags of a repository. Their order does not matter.
    pub fn elect<'a>(&self, tags: impl IntoIterator<Item = &'a str>) -> Election {
        Election::of(self, tags)
    }

    /// The order of two tags under this policy, with ties broken by the plain tag; `None` if one of them has no place in
    /// it. The range, `ignore` and a `match` without the group `version` are not asked: a tag that was deployed under an
    /// earlier policy is still lower or higher than another.
    pub fn compare(&self, left: &str, right: &str) -> Option<Ordering> {
        let rank = |tag| self.rule.rank(self.value(tag)?);
        Some(rank(left)?.cmp(&rank(right)?).then_with(|| left.cmp(right)))
    }

    /// Whether `match` and `ignore` let the tag through.
    pub(crate) fn wants(&self, tag: &str) -> bool {
        self.matching.as_ref().is_none_or(|matching| matching.is_match(tag))
            && !self.ignore.iter().any(|ignored| ignored.is_match(tag))
    }

    /// `None` where `match` has a group `version` and the tag has none.
    pub(crate) fn value<'a>(&self, tag: &'a str) -> Option<Value<'a>> {
        let whole = Value { tag, text: tag, extracted: false };
        let Some(matching) = &self.matching else { return Some(whole) };
        if !matching.capture_names().flatten().any(|name| name == "version") {
            return Some(whole);
        }
        let text = matching.captures(tag)?.name("version")?.as_str();
        Some(Value { tag, text, extracted: true })
    }
}

fn pattern(field: &str, text: &str, example: &'static str) -> Result<Regex, PolicyError> {
    let refused = |reason: String| PolicyError::Pattern {
        field: field.to_owned(),
        shown: start_of(text),
        reason,
        example,
    };
    if text.len() > MAX_PATTERN_BYTES {
        return Err(refused(format!("it is longer than {MAX_PATTERN_BYTES} bytes")));
    }
    let built = RegexBuilder::new(text).size_limit(MAX_COMPILED_PATTERN_BYTES).build();
    built.map_err(|error| refused(last_line(&error.to_string())))
}

/// The library draws the place over several lines; its last one says what is wrong.
fn last_line(message: &str) -> String {
    let line = message.lines().last().unwrap_or(message);
    line.strip_prefix("error: ").unwrap_or(line).trim_end_matches('.').to_owned()
}

fn start_of(text: &str) -> String {
    text.chars().take(MAX_SHOWN_CHARACTERS).collect()
}

#[cfg(test)]
mod tests;
