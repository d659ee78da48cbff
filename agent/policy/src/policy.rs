//! A tag rule with the patterns that say which tags it may see, and which part of a tag is the version.

use std::cmp::Ordering;

use jiff::Timestamp;
use regex::{Regex, RegexBuilder};
use voxsync_crds::code_sync::{GitTag, RegistrySource};

use crate::{
    Election, LeftOut, TagRule, Verdict, attachment::is_attachment, calver::FormatError, range::RangeError,
    rule::Rule,
};

const MAX_PATTERN_BYTES: usize = 1024;
const MAX_COMPILED_PATTERN_BYTES: usize = 1 << 20;
const MAX_IGNORE_PATTERNS: usize = 32;
const MAX_SHOWN_CHARACTERS: usize = 100;
/// Other tools compare what a group holds, whatever it is called.
const NAMELESS_GROUP: &str =
    "; `match` has a group without a name: call it `(?<version>…)` if only that is to be compared";

/// Which tag of a repository is wanted.
#[derive(Debug, Clone)]
pub struct TagPolicy {
    pub(crate) rule: Rule,
    pub(crate) matching: Option<Matching>,
    pub(crate) ignore: Vec<Regex>,
}

/// The pattern of `match`.
#[derive(Debug, Clone)]
pub(crate) struct Matching {
    pub(crate) pattern: Regex,
    /// Whether it has a group named `version`.
    pub(crate) extracts: bool,
    /// Whether it has a group without a name, and no other.
    is_nameless: bool,
}

/// Why strings do not make a policy. Each message names the field of the `CodeSync`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// `tag` has no rule, or several.
    #[error("tag: give exactly one of semver, calver, numerical, alphabetical, newestBuild and follow")]
    NotOneRule,
    /// `tag.semver` cannot be read.
    #[error("tag.semver: {0}")]
    Semver(#[from] RangeError),
    /// `tag.calver` cannot be read.
    #[error("tag.calver: {0}")]
    Calver(#[from] FormatError),
    /// `tag.follow` is not a tag.
    #[error(
        "tag.follow: {shown:?} is not a tag: up to 128 letters, digits, \"_\", \".\" and \"-\", the first no \".\" or \
         \"-\"; for example \"stable\""
    )]
    Follow {
        /// The start of the text.
        shown: String,
    },
    /// `tag.follow` has patterns beside it.
    #[error("tag.follow takes one tag as it is: leave match and ignore out")]
    FollowWithPatterns,
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
    /// `match` names a part of the tag that nothing asks for.
    #[error(
        "match: the group {group:?} is not asked for; call the group `version` whose text is to be compared, for example \
         \"^main-[0-9a-f]+-(?<version>\\d+)$\""
    )]
    Group {
        /// Its name.
        group: String,
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
        if matches!(rule.0, Rule::Follow(_)) && (matching.is_some() || !ignore.is_empty()) {
            return Err(PolicyError::FollowWithPatterns);
        }
        if ignore.len() > MAX_IGNORE_PATTERNS {
            return Err(PolicyError::TooManyPatterns { count: ignore.len() });
        }
        let matching = matching.map(|text| pattern("match", text, "^v(?<version>.+)$")).transpose()?;
        let matching = matching.map(|pattern| {
            let mut names = pattern.capture_names().flatten();
            match (names.clone().any(|name| name == "version"), names.next()) {
                // Somebody meant a part of the tag: to compare the whole one instead would take another tag.
                (false, Some(group)) => Err(PolicyError::Group { group: start_of(group) }),
                (extracts, _) => {
                    let is_nameless = !extracts && pattern.captures_len() > 1;
                    Ok(Matching { pattern: pattern.clone(), extracts, is_nameless })
                }
            }
        });
        let matching = matching.transpose()?;
        let ignore = ignore.iter().enumerate();
        let ignore = ignore.map(|(index, text)| pattern(&format!("ignore[{index}]"), text, r"-rc\d+$"));
        Ok(Self { rule: rule.0, matching, ignore: ignore.collect::<Result<_, _>>()? })
    }

    /// The policy of a registry source.
    pub fn of(source: &RegistrySource) -> Result<Self, PolicyError> {
        Self::new(TagRule::of(&source.tag)?, source.matching.as_deref(), &source.ignore)
    }

    /// The policy of a Git source that follows tags.
    pub fn of_git(tag: &GitTag) -> Result<Self, PolicyError> {
        Self::new(TagRule::semver(&tag.semver)?, tag.matching.as_deref(), &tag.ignore)
    }

    /// Chooses among the tags of a repository. Their order does not matter.
    pub fn elect<'a>(&self, tags: impl IntoIterator<Item = &'a str>) -> Election {
        self.elect_best(tags, 1, |_| None)
    }

    /// Chooses the best `count` of the tags, by the times at which their images were built where the rule asks for them.
    /// A tag whose time is not known cannot be chosen by `newestBuild`.
    pub fn elect_best<'a>(
        &self,
        tags: impl IntoIterator<Item = &'a str>,
        count: usize,
        built: impl Fn(&str) -> Option<Timestamp>,
    ) -> Election {
        Election::of(self, tags, count, built)
    }

    /// Says of every tag what becomes of it: first those that fit, the best one first; then the others by reason and
    /// name. A tag that comes twice is said once.
    pub fn verdicts<'a>(
        &self,
        tags: impl IntoIterator<Item = &'a str>,
        built: impl Fn(&str) -> Option<Timestamp>,
    ) -> Vec<Verdict<'a>> {
        Verdict::of_all(self, tags, built)
    }

    /// The order of two tags under this policy, with ties broken by the plain tag: the greater one is the better one, also
    /// where the lowest is selected. `None` if one of them has no place in it, which is so for all with `newestBuild`:
    /// that orders images, not tags. The range, `ignore` and a `match` without the group `version` are not asked: a tag
    /// that was deployed under an earlier policy is still lower or higher than another.
    pub fn compare(&self, left: &str, right: &str) -> Option<Ordering> {
        let rank = |tag| self.rule.rank(self.value(tag).ok()?, None);
        let (left_rank, right_rank) = (rank(left)?, rank(right)?);
        Some(self.rule.order((&left_rank, left), (&right_rank, right)))
    }

    /// Whether the rule orders images by the time at which they were built.
    pub fn asks_build_time(&self) -> bool {
        self.rule == Rule::NewestBuild
    }

    /// Whether the tag is no signature or the like, and `match` and `ignore` let it through: only of such tags the build
    /// time is of interest.
    pub fn wants(&self, tag: &str) -> bool {
        !is_attachment(tag)
            && self.matching.as_ref().is_none_or(|matching| matching.pattern.is_match(tag))
            && !self.ignore.iter().any(|ignored| ignored.is_match(tag))
    }

    /// What may be wrong where the rule can read no tag.
    pub(crate) fn advice(&self) -> &'static str {
        let is_nameless = self.matching.as_ref().is_some_and(|matching| matching.is_nameless);
        if is_nameless { NAMELESS_GROUP } else { "" }
    }

    /// What of a tag is compared. The pattern of `match` is asked only where it says which part that is.
    pub(crate) fn value<'a>(&self, tag: &'a str) -> Result<Value<'a>, LeftOut> {
        let Some(matching) = self.matching.as_ref().filter(|matching| matching.extracts) else {
            return Ok(Value { tag, text: tag, extracted: false });
        };
        let captures = matching.pattern.captures(tag).ok_or(LeftOut::NotMatched)?;
        let text = captures.name("version").ok_or(LeftOut::Unreadable)?.as_str();
        Ok(Value { tag, text, extracted: true })
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
