//! The life of a promotion: started, superseded, ended, recorded, started again.
//!
//! A promotion that starts here is only put into the status; its writes are decided by a later step, which finds it
//! stored.

use voxsync_crds::code_sync::{
    CandidateStatus, CodeSyncStatus, DeployedStatus, Outcome, PromotionFailure, PromotionStatus,
    ReleaseSummary, Trigger,
};

use crate::{
    adoption::{adopt, adoption, waits_for_target},
    candidate::{self, Sight, Wanted, is_deployed, is_pinned, is_same_code},
    gates::{is_half_way, is_held_back},
    text::{NAME_LIMIT_BYTES, cut, fingerprint},
    verified::trusted,
    view::View,
    walk::{Planned, Walk, is_settled, plan},
};

/// How many releases the status keeps in short.
const HISTORY_LIMIT: usize = 5;
/// The longest name that a CodeRelease gets, in characters; it is a label value, too.
const RELEASE_NAME_LIMIT_CHARACTERS: usize = 63;
const FINGERPRINT_CHARACTERS: usize = 10;

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
    let resumed = take_resume(view, frozen, after);
    if frozen {
        return Turn { fresh: false, resumed };
    }
    let wanted = trusted(view, sight);
    let next = match &after.promotion {
        Some(promotion) if promotion.outcome.is_none() => {
            if let Some(wanted) = newer(wanted, promotion) {
                supersede(view, after, &wanted.candidate);
            }
            None
        }
        Some(failed) if failed.recorded => after_failure(failed, wanted, resumed),
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
        start(view, after, wanted);
    }
    Turn { fresh, resumed }
}

/// Several tags may name one image: what is deployed is called as what should run is, or a table would show two names for
/// the same code.
fn rename(view: &View<'_>, candidate: &CandidateStatus, after: &mut CodeSyncStatus) {
    let deployed = after.deployed.as_mut().filter(|deployed| is_deployed(view, candidate, deployed));
    if let Some(deployed) = deployed.filter(|_| candidate.tag.is_some()) {
        deployed.name.clone_from(&candidate.name);
    }
}

/// Ends the promotion under way if the stages say so. What goes back is finished whatever froze the rest, unless
/// nothing may be written at all.
pub(crate) fn conclude(view: &View<'_>, walk: &Walk, frozen: bool, after: &mut CodeSyncStatus) {
    let Some(promotion) = after.promotion.as_mut().filter(|promotion| promotion.outcome.is_none()) else {
        return;
    };
    if let Some(ending) = promotion.ending {
        if !walk.is_giving_back && !view.is_suspended() {
            let failure = promotion.failure.clone();
            end(view, after, ending, failure);
        }
    } else if frozen {
        // Nothing is decided.
    } else if let Some(failure) = walk.failure.clone() {
        if walk.rolls_back {
            promotion.ending = Some(Outcome::RolledBack);
            promotion.failure = Some(failure);
        } else {
            end(view, after, Outcome::Failed, Some(failure));
        }
    } else if walk.passed_all {
        end(view, after, Outcome::Released, None);
    }
}

/// What should run instead of what is promoted, if it is something else.
pub(crate) fn newer<'w>(wanted: Option<&'w Wanted>, promotion: &PromotionStatus) -> Option<&'w Wanted> {
    wanted.filter(|wanted| !is_same_code(&wanted.candidate, &promotion.candidate))
}

/// Another candidate takes the place of the one that is promoted. Half-way through the order of a stage, the source's
/// waits until the stage is through; a person's does not: the stage goes back first.
fn supersede(view: &View<'_>, after: &mut CodeSyncStatus, newer: &CandidateStatus) {
    let Some(promotion) = after.promotion.as_ref().filter(|promotion| promotion.ending.is_none()) else {
        return;
    };
    if !is_half_way(view, after, promotion) {
        end(view, after, Outcome::Superseded, None);
    } else if is_pinned(newer) || is_pinned(&promotion.candidate) {
        ends_with(after, Outcome::Superseded);
    }
}

/// The CodeSync is deleted: what is held back gets what it had first; all else stays as it is.
fn leave(view: &View<'_>, after: &mut CodeSyncStatus) {
    let is_open = |it: &&PromotionStatus| it.outcome.is_none() && it.ending.is_none();
    let Some(promotion) = after.promotion.as_ref().filter(is_open) else { return };
    if is_held_back(view, after, promotion) {
        ends_with(after, Outcome::Abandoned);
    } else {
        end(view, after, Outcome::Abandoned, None);
    }
}

fn ends_with(after: &mut CodeSyncStatus, ending: Outcome) {
    if let Some(promotion) = &mut after.promotion {
        promotion.ending = Some(ending);
    }
}

/// Whether what is promoted is verified, by the present rules.
fn note_verdict(view: &View<'_>, after: &mut CodeSyncStatus) {
    if let Some(promotion) = after.promotion.as_mut().filter(|promotion| promotion.outcome.is_none()) {
        candidate::note_verdict(view, &mut promotion.candidate);
    }
}

fn note_record(view: &View<'_>, after: &mut CodeSyncStatus) {
    let Some(promotion) = &mut after.promotion else { return };
    if promotion.outcome.is_none() || !view.observed.recorded {
        return;
    }
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

/// What starts after a failure: another candidate, a pin, or the same again if a person says so.
fn after_failure(failed: &PromotionStatus, wanted: Option<&Wanted>, resumed: bool) -> Option<Wanted> {
    let other = wanted.filter(|wanted| {
        let newly_pinned = is_pinned(&wanted.candidate) && !is_pinned(&failed.candidate);
        newly_pinned || !is_same_code(&wanted.candidate, &failed.candidate)
    });
    other.cloned().or_else(|| {
        resumed.then(|| Wanted {
            candidate: failed.candidate.clone(),
            trigger: Trigger::Resume,
            reason: failed.reason.clone(),
        })
    })
}

/// Whether something is to be done for the candidate while no promotion is under way.
fn is_due(view: &View<'_>, wanted: &Wanted, after: &CodeSyncStatus) -> bool {
    let candidate = &wanted.candidate;
    let deployed = after.deployed.as_ref().is_some_and(|deployed| is_deployed(view, candidate, deployed));
    if !is_settled(after) || !deployed {
        return true;
    }
    // A target in a stage that no promotion ever passed (a new stage, an adopted one) has nothing to be written from.
    let passed = |planned: &Planned| {
        let mut stages = after.stages.iter().filter(|stage| stage.name == planned.stage);
        stages.any(|stage| stage.reference.is_some() && stage.promotion.is_some())
    };
    let planned = plan(view, after, &candidate.reference, candidate.tag.as_deref());
    planned.iter().any(|planned| !planned.writes.is_empty() && !passed(planned))
}

fn start(view: &View<'_>, after: &mut CodeSyncStatus, wanted: Wanted) {
    let deployed = after.deployed.as_ref();
    after.promotion = Some(PromotionStatus {
        id: id(view, after, &wanted),
        candidate: wanted.candidate,
        trigger: wanted.trigger,
        reason: wanted.reason,
        from_name: deployed.map(|deployed| deployed.name.clone()),
        from: deployed.map(|deployed| deployed.reference.clone()),
        started_at: view.now,
        ending: None,
        outcome: None,
        ended_at: None,
        failure: None,
        recorded: false,
    });
}

/// The name of a promotion and of its CodeRelease. The last release is part of it, so that two promotions that
/// start within a millisecond have different names.
fn id(view: &View<'_>, after: &CodeSyncStatus, wanted: &Wanted) -> String {
    let last = after.history.first().map_or("", |last| last.id.as_str());
    let fingerprint =
        fingerprint(&[&view.observed.uid, &view.now.to_string(), &wanted.candidate.reference, last]);
    let room = RELEASE_NAME_LIMIT_CHARACTERS - FINGERPRINT_CHARACTERS - 1;
    let name: String = view.observed.name.chars().take(room).collect();
    format!("{}-{fingerprint}", name.trim_end_matches(['-', '.']))
}

fn end(view: &View<'_>, after: &mut CodeSyncStatus, outcome: Outcome, failure: Option<PromotionFailure>) {
    let Some(promotion) = after.promotion.as_mut().filter(|promotion| promotion.outcome.is_none()) else {
        return;
    };
    promotion.outcome = Some(outcome);
    promotion.ended_at = Some(view.now);
    promotion.failure = failure;
    let candidate = &promotion.candidate;
    if outcome == Outcome::Released {
        after.deployed = Some(DeployedStatus {
            name: candidate.name.clone(),
            reference: candidate.reference.clone(),
            tag: candidate.tag.clone(),
            digest: Some(candidate.digest.clone()),
            commit: candidate.commit.clone(),
            promotion: Some(promotion.id.clone()),
            since: Some(view.now),
        });
    }
    let summary = ReleaseSummary {
        id: promotion.id.clone(),
        name: candidate.name.clone(),
        reference: candidate.reference.clone(),
        outcome,
        ended_at: view.now,
    };
    after.history.insert(0, summary);
    after.history.truncate(HISTORY_LIMIT);
}
