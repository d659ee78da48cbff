//! Whether a candidate is verified, where `spec.verify` asks for it: the last line before a write.
//!
//! The verdict itself is given where signatures are read; it comes with the candidate, and names the rules and the keys
//! that it was given by. A verdict by other rules or other keys is none, nor is one after the time until which it is good.
//! One that the status kept counts until other keys are known or something is judged otherwise, so that an outage or a
//! restart stops nothing that is under way.
//!
//! What a target had before, what its stage passed with, and what a person goes back to ran already: that is never held up.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};
use voxsync_crds::{
    code_sync::{CandidateStatus, CodeSyncStatus, ConditionStatus, VerifiedStatus, Verify},
    reference::is_same_code,
    time::Time,
};

use crate::{
    candidate::{Sight, Wanted, is_same},
    decided::{EventKind, TargetWrite},
    manual_rollback,
    observed::Unverified,
    rows::{Row, Weight},
    view::View,
};

/// The reason of the row that says that a signature is waited for.
pub(crate) const SIGNATURE: &str = "Signature";

/// What names the rules in a verdict: SHA-256 of `spec.verify`, in hexadecimal.
pub fn verify_rules(verify: &Verify) -> String {
    hex::encode(Sha256::digest(serde_json::to_string(verify).unwrap_or_default()))
}

/// What has the good verdict on a candidate, if there is one by the present rules and keys: the candidate itself, or the
/// same image as it was found or judged otherwise. The verdict stands on what named that.
pub(crate) fn verdict<'c>(view: &View<'c>, candidate: &'c CandidateStatus) -> Option<&'c CandidateStatus> {
    let rules = view.rules.as_ref()?;
    let source = &view.observed.source;
    let pinned = view.observed.pin.iter().flatten();
    let promoted = view.before.promotion.iter().map(|promotion| &promotion.candidate);
    let known = [candidate].into_iter().chain(&source.candidate).chain(&source.next_best).chain(pinned);
    let known = known.chain(&view.observed.judged).chain(&view.before.candidate).chain(promoted);
    let counts = |verified: &VerifiedStatus| {
        verified.rules == *rules
            && view.observed.keys.as_ref().is_none_or(|keys| *keys == verified.keys)
            && verified.until.is_none_or(|until| view.now < until)
    };
    let mut good =
        known.filter(|known| is_same(known, candidate) && known.verified.as_ref().is_some_and(counts));
    good.find(|known| !refusals(view, candidate).any(|unverified| unverified.strikes(known)))
}

/// When the next verdict ends that something stands on: from then on it counts no more.
pub(crate) fn ends_at(view: &View<'_>, after: &CodeSyncStatus) -> Option<Time> {
    let promoted = after.promotion.iter().map(|promotion| &promotion.candidate);
    let verdicts = after.candidate.iter().chain(promoted).filter_map(|known| known.verified.as_ref());
    verdicts.filter_map(|verified| verified.until).filter(|until| *until > view.now).min()
}

/// Whether a candidate may be written, as far as signatures are concerned.
pub(crate) fn may_run(view: &View<'_>, candidate: &CandidateStatus) -> bool {
    view.rules.is_none() || verdict(view, candidate).is_some() || manual_rollback::is_target(view, candidate)
}

/// What should run, if it may.
pub(crate) fn trusted<'s>(view: &View<'_>, sight: &'s Sight) -> Option<&'s Wanted> {
    sight.wanted().filter(|wanted| may_run(view, &wanted.candidate))
}

/// Whether a write is of something verified, or of what ran already.
pub(crate) fn lets_through(view: &View<'_>, after: &CodeSyncStatus, write: &TargetWrite) -> bool {
    let Some(reference) = write.applied.reference.as_deref().filter(|_| view.rules.is_some()) else {
        return true;
    };
    let active = after.promotion.as_ref().filter(|it| it.outcome.is_none() && it.ending.is_none());
    if let Some(promoted) = active.filter(|it| is_same_code(&it.candidate.reference, reference)) {
        return may_run(view, &promoted.candidate);
    }
    let is_given_back = write.applied.previous.as_deref() == Some(reference);
    let stages = view.before.stages.iter().filter_map(|stage| stage.reference.as_deref());
    let mut ran = stages.chain(view.before.deployed.iter().map(|deployed| deployed.reference.as_str()));
    is_given_back || ran.any(|ran| is_same_code(ran, reference))
}

/// What is not verified, and why.
pub(crate) struct Doubt<'d> {
    candidate: &'d CandidateStatus,
    /// A word for programs.
    pub reason: &'d str,
    /// A sentence for people.
    pub message: Cow<'d, str>,
}

impl Doubt<'_> {
    fn needs_somebody(&self) -> bool {
        self.reason == Unverified::REFUSED
    }
}

/// What is said of a candidate that is not verified.
pub(crate) fn doubt<'d>(view: &View<'d>, candidate: &'d CandidateStatus) -> Option<Doubt<'d>> {
    if may_run(view, candidate) {
        return None;
    }
    let said = refusals(view, candidate).next().map(|why| (why.reason.as_str(), why.message.as_str()));
    // Until the first look after a restart, what was said before stays.
    let is_known =
        view.is_same_spec() && view.before.candidate.as_ref().is_some_and(|it| is_same(it, candidate));
    let said_before = || {
        let was = view.before.condition_that_is("Verified", ConditionStatus::False).filter(|_| is_known)?;
        Some((was.reason.as_str(), was.message.as_str()))
    };
    let (reason, message) = said.or_else(said_before).map_or_else(
        || {
            let name = &candidate.name;
            let sentence =
                format!("{name}: its signatures were not judged by the present rules and keys yet");
            ("NotJudged", Cow::Owned(sentence))
        },
        |(reason, message)| (reason, Cow::Borrowed(message)),
    );
    Some(Doubt { candidate, reason, message })
}

/// What is promoted or should be and is not verified, as a row.
pub(crate) fn row(view: &View<'_>, sight: &Sight, after: &CodeSyncStatus) -> Option<Row> {
    let active = after.promotion.as_ref().filter(|it| it.outcome.is_none() && it.ending.is_none());
    let promoted = active.and_then(|promotion| doubt(view, &promotion.candidate));
    // A pin that may not run yet stops what is under way.
    let is_under_way = active.is_some() && promoted.is_none() && !view.is_chosen();
    let wanted = || doubt(view, &sight.wanted()?.candidate);
    let doubt = promoted.or_else(wanted)?;
    let (weight, reason) = match doubt.needs_somebody() {
        _ if is_under_way => (Weight::Tells, SIGNATURE),
        true => (Weight::Blocks, Unverified::REFUSED),
        false => (Weight::Waits, SIGNATURE),
    };
    let name = &doubt.candidate.name;
    let brief = if doubt.needs_somebody() {
        format!("{name} is not verified")
    } else {
        format!("signature of {name}")
    };
    Some(Row {
        weight,
        stage: None,
        reason: reason.to_owned(),
        message: doubt.message.into_owned(),
        brief,
        until: None,
    })
}

/// What people are told of signatures: only what this step changed.
pub(crate) fn news<'s>(
    before: &CodeSyncStatus,
    after: &'s CodeSyncStatus,
) -> Option<(EventKind, &'static str, &'s str)> {
    fn said(status: &CodeSyncStatus) -> Option<(&str, &str)> {
        let verified = status.condition("Verified")?;
        Some((verified.reason.as_str(), verified.message.as_str()))
    }
    let (reason, message) = said(after).filter(|now| said(before).as_ref() != Some(now))?;
    match reason {
        "Verified" => Some((EventKind::Normal, "Verified", message)),
        Unverified::MISSING => Some((EventKind::Normal, Unverified::MISSING, message)),
        Unverified::REFUSED => Some((EventKind::Warning, Unverified::REFUSED, message)),
        _ => None,
    }
}

fn refusals<'v>(view: &View<'v>, candidate: &CandidateStatus) -> impl Iterator<Item = &'v Unverified> {
    view.observed.unverified.iter().filter(|unverified| {
        let is_it =
            |what: &String| *what == candidate.digest || Some(what) == candidate.source_revision.as_ref();
        unverified.repository.as_ref().is_none_or(|repository| *repository == candidate.repository)
            && unverified.what.as_ref().is_none_or(is_it)
    })
}
