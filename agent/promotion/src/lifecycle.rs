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
    after_release, approvals,
    candidate::{self, Sight, Wanted, is_deployed, is_pinned, is_same_code},
    gates::{is_half_way, is_held_back},
    manual_rollback, quarantine,
    rollback::is_automatic,
    rows::Rows,
    target::changes_ours,
    text::{NAME_LIMIT_BYTES, cut, fingerprint},
    verified::trusted,
    view::View,
    walk::{Planned, Walk, WayBack, is_settled, plan, through_stages},
};

/// How many releases the status keeps in short.
const HISTORY_LIMIT: usize = 5;
/// The longest name that a CodeRelease gets, in characters; it is a label value, too.
const RELEASE_NAME_LIMIT_CHARACTERS: usize = 63;
const FINGERPRINT_CHARACTERS: usize = 10;

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
    quarantine::take_release(view, after);
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

/// Ends the promotion under way if the stages say so. What goes back is finished whatever froze the rest, unless
/// nothing may be written at all.
pub(crate) fn conclude(
    view: &View<'_>,
    sight: &Sight,
    walk: &Walk,
    frozen: bool,
    after: &mut CodeSyncStatus,
) {
    let is_replaced = is_replaced(view, sight, after);
    let Some(promotion) = after.promotion.as_mut().filter(|promotion| promotion.outcome.is_none()) else {
        return;
    };
    if let Some(ending) = promotion.ending {
        let is_over = match walk.way_back {
            WayBack::Done => true,
            WayBack::Going => false,
            WayBack::Stuck => is_replaced,
        };
        if is_over && !view.is_suspended() {
            let failure = promotion.failure.clone();
            end(view, after, ending, failure);
        }
    } else if frozen {
        // Nothing is decided.
    } else if let Some(failure) = walk.failure.clone() {
        if walk.rolls_back {
            promotion.ending = Some(Outcome::RolledBack);
            promotion.failure = Some(failure);
            if is_automatic(view.spec) {
                let failed = promotion.clone();
                quarantine::add_failed(view, after, &failed);
            }
        } else {
            end(view, after, Outcome::Failed, Some(failure));
        }
    } else if walk.passed_all {
        end(view, after, Outcome::Released, None);
    }
}

/// Whether something else waits for what ends: another candidate, or a person who said to go on.
fn is_replaced(view: &View<'_>, sight: &Sight, after: &CodeSyncStatus) -> bool {
    let Some(promotion) = after.promotion.as_ref().filter(|_| !view.observed.is_leaving) else {
        return false;
    };
    let token = view.observed.resume.as_deref().map(|token| cut(token, NAME_LIMIT_BYTES));
    let is_told = token.is_some() && token != after.last_handled_resume;
    is_told || newer(eligible(view, sight, after), promotion).is_some()
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

/// Another candidate takes the place of the one that is promoted. Half-way through the order of a stage, the source's
/// waits until the stage is through; a person's does not: the stage goes back first. What passes its last stage at this
/// moment has nobody to make way for.
fn supersede(view: &View<'_>, after: &mut CodeSyncStatus, newer: &CandidateStatus) {
    let Some(promotion) = after.promotion.as_ref().filter(|promotion| promotion.ending.is_none()) else {
        return;
    };
    // It runs everywhere: it is released in this step, and a rollback knows it.
    if through_stages(view, after, Rows::default(), false).passed_all {
        return;
    }
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

/// What starts after a failure: another candidate, a pin, or the same again if a person says so.
fn after_failure(failed: &PromotionStatus, wanted: Option<&Wanted>, resumed: bool) -> Option<Wanted> {
    let other = wanted.filter(|wanted| {
        let newly_pinned = is_pinned(&wanted.candidate) && !is_pinned(&failed.candidate);
        // A rollback that could not be done says nothing against what it went back to.
        let chosen_anew = failed.trigger == Trigger::Rollback && wanted.trigger != Trigger::Rollback;
        newly_pinned || chosen_anew || !is_same_code(&wanted.candidate, &failed.candidate)
    });
    other.cloned().or_else(|| {
        let wanted = wanted.filter(|wanted| is_same_code(&wanted.candidate, &failed.candidate));
        let is_kept = wanted.is_some_and(|wanted| wanted.trigger == Trigger::Rollback);
        let went_back = failed.trigger == Trigger::Rollback;
        (resumed && went_back == is_kept).then(|| Wanted {
            candidate: failed.candidate.clone(),
            trigger: if is_kept { Trigger::Rollback } else { Trigger::Resume },
            reason: failed.reason.clone(),
            emergency: wanted.is_some_and(|wanted| wanted.emergency),
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
    // What had something else of ours is not written between two promotions, or all of its Servers would roll at once.
    let changes = |planned: &Planned| planned.writes.iter().any(|write| changes_ours(view, write));
    planned.iter().any(|planned| (!planned.writes.is_empty() && !passed(planned)) || changes(planned))
}

fn start(view: &View<'_>, after: &mut CodeSyncStatus, wanted: Wanted) {
    let deployed = after.deployed.as_ref();
    let deployed = deployed.map(|deployed| (deployed.name.clone(), Some(deployed.reference.clone())));
    // Who goes back leaves what may never have run in all stages.
    let left = after.rollback.as_ref().filter(|_| wanted.trigger == Trigger::Rollback);
    let left = left.map(|rollback| (rollback.from_name.clone(), rollback.from.clone()));
    let (from_name, from) = left.or(deployed).unzip();
    after.promotion = Some(PromotionStatus {
        id: id(view, after, &wanted),
        candidate: wanted.candidate,
        trigger: wanted.trigger,
        reason: wanted.reason,
        emergency: wanted.emergency,
        from_name,
        from: from.flatten(),
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
    let unnamed = |digest: Option<&String>, reference: &str| {
        digest.filter(|digest| !digest.is_empty() && !reference.contains('@')).cloned()
    };
    let is_replaced = |it: &&DeployedStatus| {
        Some(&it.reference) == promotion.from.as_ref() && promotion.trigger != Trigger::Rollback
    };
    let replaced = after.deployed.as_ref().filter(is_replaced);
    let from_digest = replaced.and_then(|it| unnamed(it.digest.as_ref(), &it.reference));
    if outcome == Outcome::Released {
        after.deployed = Some(DeployedStatus {
            name: candidate.name.clone(),
            reference: candidate.reference.clone(),
            tag: candidate.tag.clone(),
            // What was adopted by its tag alone is gone back to as it was.
            digest: Some(candidate.digest.clone()).filter(|digest| !digest.is_empty()),
            commit: candidate.commit.clone(),
            promotion: Some(promotion.id.clone()),
            since: Some(view.now),
        });
    }
    let summary = ReleaseSummary {
        id: promotion.id.clone(),
        name: candidate.name.clone(),
        reference: candidate.reference.clone(),
        digest: unnamed(Some(&candidate.digest), &candidate.reference),
        // What a person left is nothing to go back to.
        from: promotion.from.clone().filter(|_| promotion.trigger != Trigger::Rollback),
        from_digest,
        trigger: Some(promotion.trigger),
        outcome,
        ended_at: view.now,
    };
    after.history.insert(0, summary);
    after.history.truncate(HISTORY_LIMIT);
}
