//! What the source has to do with what is waited for: whether it names it, and whether it ever may again. Pure.

use std::cmp::Ordering;

use voxsync_policy::TagPolicy;

use super::{
    answer::{Known, Verdict},
    record::superseded,
    selector::{Facts, Selector},
    verdict::Asked,
};

impl Asked<'_> {
    /// What is to say of something that no record answers for; `past` is what a record said of it.
    pub(super) fn unknown(&self, was_seen: bool, past: Option<&str>) -> Known {
        let what = self.question.selector.sentence();
        let candidate = self.candidate();
        if let Some(candidate) = candidate.filter(|_| was_seen) {
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
        let revision = source.revision.map(|revision| Facts::of_source(&revision));
        if revision.as_ref().is_some_and(|revision| self.question.selector.fits(revision)) {
            return Known::new(
                Verdict::Waiting,
                format!("the source names {what}, which is no candidate yet{problem}"),
            );
        }
        let seen = revision.map_or(String::new(), |revision| revision.name);
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

    /// Whether the source orders its tags, and the candidate's is higher than the one that is waited for: that one will
    /// never be taken.
    fn is_lower(&self) -> bool {
        let Selector::Tag(wanted, _) = &self.question.selector else { return false };
        let Some(policy) = self.order() else { return false };
        let is_git = self.code_sync.spec.source.git.is_some();
        let candidate = self.status.candidate.as_ref().map(Facts::from);
        let tag = candidate.as_ref().and_then(|facts| facts.ordering_tag(is_git));
        tag.is_some_and(|tag| policy.compare(wanted, tag) == Some(Ordering::Less))
    }
}
