//! What the source has to do with what is waited for: whether it names it, and whether it ever may again. Pure.

use std::cmp::Ordering;

use voxsync_policy::TagPolicy;

use super::{
    answer::{Known, Verdict},
    record::superseded,
    selector::{Facts, Selector},
    verdict::Asked,
};

/// The reason of the agent's row about what is too young.
const MINIMUM_AGE: &str = "MinimumAge";

impl Asked<'_> {
    /// What is to say of something that no record answers for; `past` is what a record said of it.
    pub(super) fn unknown(&self, was_seen: bool, past: Option<&str>) -> Known {
        if let Some(stays) = self.stays().filter(|_| past.is_none()) {
            return stays;
        }
        let what = self.question.selector.sentence();
        let candidate = self.candidate();
        if let Some(candidate) = candidate.filter(|_| was_seen && !self.is_to_come()) {
            let says = format!("{what} {}", superseded(Some(candidate)));
            return Known::new(Verdict::Superseded, says);
        }
        if let Some(candidate) = candidate.filter(|_| self.is_lower()) {
            let says = format!(
                "no record is about {what}, and {candidate} is higher, which the source names; {}",
                self.now()
            );
            return Known::new(Verdict::Superseded, says);
        }
        let source = self.status.source.clone().unwrap_or_default();
        let problem = source.message.map_or_else(String::new, |message| format!(": {message}"));
        if let Some(since) = source.unreachable_since {
            return Known::new(Verdict::Unseen, format!("the source cannot be asked since {since}{problem}"));
        }
        if self.is_seen_by_source() {
            let age = self.status.waiting.iter().find(|row| row.reason == MINIMUM_AGE && self.ripens());
            let why = age.map_or(problem, |row| format!(": {}", row.message));
            let says = format!("the source names {what}, which is no candidate yet{why}");
            return Known::new(Verdict::Waiting, says);
        }
        let seen = source.revision.unwrap_or_default();
        let names = if seen.is_empty() { "nothing".to_owned() } else { seen };
        if let Some(past) = past {
            let names = candidate.unwrap_or(&names);
            let what = if let Selector::Tag(tag, _) = &self.question.selector { tag } else { &what };
            let message = format!(
                "{past}; the source names {names} now: waiting for it to name {what} again (to ask for one commit: \
                 --commit){problem}"
            );
            return Known::new(Verdict::Unseen, message);
        }
        let since = source.changed_at.map_or_else(String::new, |at| format!(" since {at}"));
        Known::new(
            Verdict::Unseen,
            format!("the source has not named {what} yet; it names {names}{since}{problem}"),
        )
    }

    /// The name of what is to run.
    pub(super) fn candidate(&self) -> Option<&String> {
        self.status.candidate.as_ref().map(|candidate| &candidate.name)
    }

    /// The policy by which the source orders its tags: then none of them comes back by itself.
    fn order(&self) -> Option<TagPolicy> {
        let source = &self.code_sync.spec.source;
        if let Some(registry) = source.registry.as_ref().filter(|registry| registry.tag.follow.is_none()) {
            return TagPolicy::of(registry).ok();
        }
        TagPolicy::of_git(source.git.as_ref()?.revision.tag.as_ref()?).ok()
    }

    pub(super) fn is_ordered(&self) -> bool {
        self.order().is_some()
    }

    /// Whether a record of the past is about what is waited for. What an image was by another tag is no answer to one that
    /// is to come.
    pub(super) fn is_about(&self, facts: &Facts) -> bool {
        let selector = &self.question.selector;
        selector.fits(facts) && !(selector.fits_image_only(facts) && self.is_to_come())
    }

    /// Whether what is waited for is likely to be the next candidate: the source names it, or its tag is higher. While
    /// something is pinned, or a person went back, nothing of the source comes.
    pub(super) fn is_to_come(&self) -> bool {
        let is_free = self.code_sync.spec.pin.is_none() && self.status.rollback.is_none();
        is_free && !self.is_lower() && (self.is_seen_by_source() || self.is_higher())
    }

    /// Whether the source named it when it was looked at last, or before, and it is too young.
    fn is_seen_by_source(&self) -> bool {
        let revision = self.status.source.as_ref().and_then(|source| source.revision.as_ref());
        let is_last = revision.is_some_and(|it| self.question.selector.fits(&Facts::of_source(it)));
        is_last || self.ripens()
    }

    fn ripens(&self) -> bool {
        self.status.ripening.iter().any(|candidate| self.question.selector.fits(&candidate.into()))
    }

    /// Whether the source orders its tags, and the candidate's is higher than the one that is waited for: that one will
    /// never be taken.
    fn is_lower(&self) -> bool {
        self.order_to_candidate().is_some_and(|(_, _, order)| order == Ordering::Less)
    }

    /// Whether the source takes the tag that is waited for, once it is there.
    fn is_higher(&self) -> bool {
        self.order_to_candidate().is_some_and(|(policy, wanted, order)| {
            order == Ordering::Greater && policy.elect([wanted]).chosen.is_some()
        })
    }

    /// The order of the tag that is waited for to the candidate's.
    fn order_to_candidate(&self) -> Option<(TagPolicy, &str, Ordering)> {
        let Selector::Tag(wanted, _) = &self.question.selector else { return None };
        let policy = self.order()?;
        let candidate = Facts::from(self.status.candidate.as_ref()?);
        let tag = candidate.ordering_tag(self.code_sync.spec.source.git.is_some())?;
        let order = policy.compare(wanted, tag)?;
        Some((policy, wanted, order))
    }
}
