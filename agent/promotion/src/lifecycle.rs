//! The life of a promotion: started, superseded, ended, recorded, started again.
//!
//! A promotion that starts here is only put into the status; its writes are decided by a later step, which finds it
//! stored.

mod end;
mod start;

use voxsync_crds::code_sync::{CandidateStatus, CodeSyncStatus, Outcome, PromotionStatus, Trigger};

use crate::{
    adoption::{adopt, adoption, waits_for_target},
    after_release, approvals,
    candidate::{self, Sight, Wanted, is_deployed, is_same_code},
    manual_rollback, quarantine,
    text::{NAME_LIMIT_BYTES, cut},
    verified::trusted,
    view::View,
};
pub(crate) use end::conclude;
use end::{leave, supersede};
use start::{after_failure, is_due, start};

/// Whether a promotion waits for no window, approval, soak, age and check: a person says that it is urgent. An emergency
/// lasts as long as the pin that says so.
pub(crate) fn is_hurried(view: &View<'_>, promotion: &PromotionStatus) -> bool {
    let says_so = view.spec.pin.as_ref().is_some_and(|pin| pin.emergency);
    (promotion.emergency && says_so) || promotion.trigger == Trigger::Rollback
}

/// What this step began.
#[derive(Clone, Copy, Default)]
pub(crate) struct Turn {
    /// A promotion was started: nothing of it may be written before it is stored.
    pub fresh: bool,
    /// A person said to go on.
    pub resumed: bool,
}

/// Decides which promotion is under way, before the stages are looked at.
pub(crate) fn turn(view: &View<'_>, sight: &Sight, frozen: bool, after: &mut CodeSyncStatus) -> Turn {
    note_record(view, after);
    if view.observed.is_leaving {
        leave(view, after);
        return Turn::default();
    }
    note_verdict(view, after);
    if let Some(wanted) = sight.wanted().filter(|_| view.observed.invalid.is_none()) {
        adopt(view, wanted, after);
        rename(view, &wanted.candidate, after);
    }
    let released = quarantine::take_release(view, after);
    if manual_rollback::take(view, after) || manual_rollback::ends_by_pin(view, after) {
        // What should run is another thing as soon as this is stored.
        return Turn { fresh: true, resumed: false };
    }
    if manual_rollback::ends_by_itself(after) {
        return Turn { fresh: true, resumed: false };
    }
    let resumed = take_resume(view, frozen, after);
    // What is held may be held against going back: that is gone on with first.
    let is_held = view.before.holds.iter().any(|hold| !hold.resumed);
    if resumed && !is_held && !has_failed_to_go_back(after) && after.rollback.take().is_some() {
        return Turn { fresh: true, resumed: false };
    }
    if frozen {
        return Turn { fresh: false, resumed };
    }
    if after_release::goes_back(view, after) {
        return Turn { fresh: true, resumed };
    }
    let wanted = eligible(view, sight, after);
    let next = match &after.promotion {
        Some(promotion) if promotion.outcome.is_none() => {
            if let Some(wanted) = newer(wanted, promotion) {
                supersede(view, after, &wanted.candidate);
            } else {
                hurry(wanted, after);
            }
            None
        }
        Some(failed) if failed.recorded => after_failure(failed, wanted, resumed || released),
        Some(_) => None,
        None if adoption(view, after, sight.wanted()).is_some()
            || waits_for_target(view, after, sight.wanted()).is_some() =>
        {
            None
        }
        None => wanted.filter(|wanted| is_due(view, wanted, after)).cloned(),
    };
    let fresh = next.is_some();
    if let Some(wanted) = next {
        if wanted.trigger == Trigger::Resume {
            // A person said to try it again.
            quarantine::release(view, after, &wanted.candidate.digest);
        }
        start(view, after, wanted);
    }
    Turn { fresh, resumed }
}

/// Whether what a person went back to could not run: to go on means to try that again.
fn has_failed_to_go_back(after: &CodeSyncStatus) -> bool {
    let failed = after.promotion.as_ref().filter(|it| it.outcome.is_some_and(Outcome::is_failure));
    failed.is_some_and(|failed| failed.trigger == Trigger::Rollback)
}

/// Whether nothing is decided and written: people said so, the spec is not valid, or what they pinned may not run, and
/// nothing else is to go on in its place. A rollback needs no more of the spec than its targets.
pub(crate) fn is_frozen(view: &View<'_>, sight: &Sight) -> bool {
    let before = view.before;
    let is_invalid = view.observed.invalid.is_some() && before.rollback.is_none();
    let pin_is_open = || {
        let others = before.promotion.as_ref().filter(|promotion| promotion.outcome.is_none());
        let wanted = trusted(view, sight);
        let is_banned = |wanted: &Wanted| quarantine::of(before, &wanted.candidate).is_some();
        let stops_another = others.is_some_and(|it| newer(wanted.filter(|it| is_banned(it)), it).is_some());
        view.spec.pin.is_some() && (wanted.is_none() || stops_another)
    };
    !view.observed.is_leaving && (view.spec.suspend || is_invalid || pin_is_open())
}

/// What should run, if it may: it is verified, and not in quarantine.
fn eligible<'s>(view: &View<'_>, sight: &'s Sight, after: &CodeSyncStatus) -> Option<&'s Wanted> {
    trusted(view, sight).filter(|wanted| quarantine::of(after, &wanted.candidate).is_none())
}

/// Several tags may name one image: what is deployed is called as what should run is, or a table would show two names for
/// the same code.
fn rename(view: &View<'_>, candidate: &CandidateStatus, after: &mut CodeSyncStatus) {
    let deployed = after.deployed.as_mut().filter(|deployed| is_deployed(view, candidate, deployed));
    if let Some(deployed) = deployed.filter(|_| candidate.tag.is_some()) {
        deployed.name.clone_from(&candidate.name);
    }
}

/// What should run instead of what is promoted, if it is something else.
pub(crate) fn newer<'w>(wanted: Option<&'w Wanted>, promotion: &PromotionStatus) -> Option<&'w Wanted> {
    wanted.filter(|wanted| !is_same_code(&wanted.candidate, &promotion.candidate))
}

/// A person says of what is promoted already that it is an emergency.
fn hurry(wanted: Option<&Wanted>, after: &mut CodeSyncStatus) {
    let promotion = after.promotion.as_mut().filter(|promotion| promotion.ending.is_none());
    if let Some((promotion, wanted)) = promotion.zip(wanted.filter(|wanted| wanted.emergency))
        && !promotion.emergency
    {
        promotion.emergency = true;
        if promotion.trigger == Trigger::Source {
            promotion.trigger = wanted.trigger;
        }
        promotion.reason.clone_from(&wanted.reason);
    }
}

/// Whether what is promoted is verified, by the present rules.
fn note_verdict(view: &View<'_>, after: &mut CodeSyncStatus) {
    if let Some(promotion) = after.promotion.as_mut().filter(|promotion| promotion.outcome.is_none()) {
        candidate::note_verdict(view, &mut promotion.candidate);
    }
}

fn note_record(view: &View<'_>, after: &mut CodeSyncStatus) {
    let Some(promotion) = &after.promotion else { return };
    if promotion.outcome.is_none() || !view.observed.recorded {
        return;
    }
    let (digest, until) = (promotion.candidate.digest.clone(), promotion.ended_at.unwrap_or(view.now));
    if !promotion.recorded
        && (promotion.outcome == Some(Outcome::RolledBack) || quarantine::entry(after, &digest).is_some())
    {
        approvals::spend(after, &digest, until);
    }
    let Some(promotion) = &mut after.promotion else { return };
    promotion.recorded = true;
    if !promotion.outcome.is_some_and(Outcome::is_failure) {
        after.promotion = None;
    }
}

/// Takes a new token of `voxsync.dev/resume`, as soon as what it asks for can be started.
fn take_resume(view: &View<'_>, frozen: bool, after: &mut CodeSyncStatus) -> bool {
    let Some(token) = view.observed.resume.as_deref().map(|token| cut(token, NAME_LIMIT_BYTES)) else {
        return false;
    };
    if after.last_handled_resume.as_ref() == Some(&token) {
        return false;
    }
    // An object without status was restored or copied, with a token that was meant for another life.
    let restored = view.before.observed_generation.is_none();
    let is_ending = |it: &PromotionStatus| it.ending.or(it.outcome).is_some() && !it.recorded;
    let is_ending = after.promotion.as_ref().is_some_and(is_ending);
    if !restored && (frozen || is_ending) {
        return false;
    }
    after.last_handled_resume = Some(token);
    !restored
}
