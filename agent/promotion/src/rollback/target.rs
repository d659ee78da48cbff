//! What one target is given back, and whether it is to have it.

use voxsync_crds::{
    annotations::Beside,
    code_sync::{Outcome, PromotionStatus, StageStatus},
    reference::is_same_code,
};

use crate::{
    observed::{Live, ObservedTarget, TargetProblem},
    target::{Goal, Reach, Standing, judge, reference_before_change},
    view::View,
};

/// Whether a target was given the candidate by this promotion, and had something else before.
pub(crate) fn carries(view: &View<'_>, target: &ObservedTarget, promotion: &PromotionStatus) -> bool {
    view.record_on(target).is_some_and(|record| record.gives_back(promotion, view.before))
}

/// What a target of a stage that is rolled back should say: what it had before the promotion.
pub(crate) fn goal<'v>(
    view: &View<'v>,
    target: &'v ObservedTarget,
    promotion: &'v PromotionStatus,
) -> Option<Goal<'v>> {
    let record = view.record_on(target).filter(|record| record.is_of(promotion, view.before))?;
    let reference = record.previous.as_deref();
    Some(Goal { reference, tag: None, promotion: &promotion.id, reach: Reach::Written })
}

/// What a target can be given back: what it last held in its stage, with what stood beside it if we changed that. What is
/// ours and never proved itself there does not count, nor what somebody else wrote over ours; what was there before us does.
pub(crate) fn previous(
    view: &View<'_>,
    target: &ObservedTarget,
    stage: Option<&StageStatus>,
    live: &Live,
) -> (Option<String>, Option<Beside>) {
    let Some(record) = view.record_on(target) else {
        let before_change =
            reference_before_change(view, target, stage).map(|[deployed, _]| deployed.to_owned());
        return (before_change.or_else(|| live.image.clone()), None);
    };
    let deployed = view.before.deployed.as_ref().map(|deployed| deployed.reference.as_str());
    let proven = stage.and_then(|stage| stage.reference.as_deref()).into_iter().chain(deployed);
    let is_proven = |reference: &str| proven.clone().any(|proven| is_same_code(proven, reference));
    let had = (record.previous.clone(), record.beside.clone());
    let Some(reference) = record.reference.as_deref().filter(|reference| !is_proven(reference)) else {
        return (record.reference.clone(), None);
    };
    let is_good = || was_released(view, &record.promotion) && !view.before.bans(reference);
    if !record.previous.as_deref().is_some_and(is_proven) && is_good() {
        return (record.reference.clone(), None);
    }
    had
}

/// Whether the promotion that wrote a target was released. A target may come from a stage that is gone, or was in none for
/// a while: of what was written before all that is known, it ran the whole time.
fn was_released(view: &View<'_>, promotion: &str) -> bool {
    let before = view.before;
    let is_last = before.promotion.as_ref().is_some_and(|last| last.id == promotion);
    let ended = before.history.iter().find(|ended| ended.id == promotion);
    !is_last && ended.map_or(!before.history.is_empty(), |ended| ended.outcome == Outcome::Released)
}

/// Where a target is on the way back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Back {
    /// The promotion changed nothing of it.
    Untouched,
    /// It is to be given back what it had.
    Due,
    /// It stays as it is: it is somebody else's by now, or what it had may not run.
    Left(&'static str),
    /// It says what it had.
    Given,
}

pub(super) fn back(
    view: &View<'_>,
    target: &ObservedTarget,
    last: Option<&StageStatus>,
    promotion: &PromotionStatus,
) -> Back {
    let Some(record) = view.record_on(target).filter(|record| record.is_of(promotion, view.before)) else {
        return Back::Untouched;
    };
    if !record.gives_back(promotion, view.before) {
        return if record.reference == record.previous { Back::Given } else { Back::Untouched };
    }
    if let Some(why) = taken(target) {
        return Back::Left(why);
    }
    if !record.may_go_back(view.before) {
        return Back::Left("what it had before is in quarantine");
    }
    match judge(view, target, last, goal(view, target, promotion), None).standing {
        Standing::Held(_) => Back::Left("somebody else changed it"),
        _ => Back::Due,
    }
}

/// Whose a target is by now, so that nothing is given back to it.
fn taken(target: &ObservedTarget) -> Option<&'static str> {
    let has_claim = target.live.as_ref().is_ok_and(|live| live.claim.is_some());
    let is_shut = target.live.as_ref().is_err_and(TargetProblem::is_shut);
    match () {
        () if is_shut => Some("it does not let this CodeSync in any more"),
        () if target.claims.is_some() => Some("another CodeSync has it"),
        () if has_claim => Some("its code is a claim"),
        () if target.paused => Some("a person paused it"),
        () => None,
    }
}
