//! Whether what is waited for is in quarantine, or something else stays until a person resumes. Pure.

use voxsync_crds::code_sync::{Quarantined, Waiting};

use super::{
    answer::{Known, Verdict},
    selector::{Facts, Selector},
    verdict::Asked,
};
use crate::kinds::named_of;

/// The reason of the agent's row about a rollback that was asked for in vain.
const NO_EARLIER_RELEASE: &str = "NoEarlierRelease";

impl Asked<'_> {
    /// What is said of what is not taken again until a person releases it.
    pub(super) fn quarantined(&self) -> Option<Known> {
        let quarantine = &self.status.quarantine;
        let kept = quarantine.iter().find(|kept| self.is_asked_for(kept))?;
        let Quarantined { digest, name, reason, since } = kept;
        let named = named_of(self.code_sync);
        let says = format!(
            "is in quarantine since {since}: {reason}; `voxsync release-quarantine {named} {digest}` lets it be taken again"
        );
        Some(Known::of(name, Verdict::Quarantined, says))
    }

    /// What is said to who went back, where there is nothing to go back to.
    pub(super) fn refused_rollback(&self) -> Option<Known> {
        let is_refusal = |row: &&Waiting| row.reason == NO_EARLIER_RELEASE;
        let row = self.status.waiting.iter().find(is_refusal)?;
        let still =
            self.status.deployed.as_ref().map_or_else(String::new, |it| format!("; {} stays", it.name));
        let says = format!("{}{still}", row.message);
        Some(Known::new(Verdict::Failed, says))
    }

    fn is_asked_for(&self, kept: &Quarantined) -> bool {
        let selector = &self.question.selector;
        let is_kept = |facts: &Facts| facts.has_digest(&kept.digest);
        let candidate = self.status.candidate.as_ref().map(Facts::from);
        if *selector == Selector::Present {
            return candidate.as_ref().is_some_and(is_kept);
        }
        // The tag may have been pushed again.
        let deployed = self.status.deployed.as_ref().map(Facts::from);
        let mut known = candidate.into_iter().chain(deployed).filter(|facts| selector.fits(facts));
        let facts = Facts::from(kept);
        match known.next() {
            Some(first) => is_kept(&first) || known.any(|facts| is_kept(&facts)),
            None => selector.fits(&facts),
        }
    }

    /// Why nothing of the source comes: a person went back to an earlier release, or a check that failed after the release
    /// did.
    pub(super) fn stays(&self) -> Option<Known> {
        let rollback = self.status.rollback.as_ref()?;
        let reason = rollback.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
        let (from, to, at) = (&rollback.from_name, &rollback.candidate.name, rollback.at);
        let says = if rollback.failure.is_some() {
            format!(
                "it goes back from {from} to {to} since {at}{reason}: nothing else comes before all stages run {to}"
            )
        } else {
            let named = named_of(self.code_sync);
            format!(
                "a person went back from {from} to {to} at {at}{reason}: nothing else comes before `voxsync resume {named}`"
            )
        };
        Some(Known::new(Verdict::Waiting, says))
    }
}
