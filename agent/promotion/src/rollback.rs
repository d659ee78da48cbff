//! Giving back: a promotion that fails, or ends half-way, returns to its targets what they had before it.
//!
//! One stage after the other, the last one first; in each by the same order as forth: who runs the candidate is held back
//! first, and is let go in its turn, certificate authorities last and alone. Who does not run it goes back at once.
//! Only what still carries this promotion's record is given back. What somebody else changed since is held, as
//! everywhere: it is skipped and named.
//!
//! Here is which stage is given back, and for how long; what of a target is, is in `target`, and what a stage does in `stage`.

mod stage;
mod target;

use voxsync_crds::{
    code_sync::{
        CodeSyncSpec, CodeSyncStatus, Outcome, PromotionStatus, RollbackMode, StagePhase, StageStatus,
    },
    reference::is_same_code,
    time::Time,
};
use voxsync_rollout::state::RolloutState;

use crate::{
    candidate,
    gate_age::limit,
    gates::held,
    observed::{ObservedTarget, ServerRollout},
    proof::failure_of,
    text::names,
    view::View,
};
use target::{Back, back};
pub(crate) use target::{carries, goal, previous};

/// Whether what fails is given back everywhere, and not only where a stage is half-way through its order.
pub(crate) fn is_automatic(spec: &CodeSyncSpec) -> bool {
    let mode = spec.rollback.as_ref().and_then(|rollback| rollback.mode);
    mode.unwrap_or_default() == RollbackMode::Automatic
}

/// What of the targets is not given back, as the end of a sentence.
pub(crate) fn but_for(left: &[String]) -> String {
    if left.is_empty() {
        return String::new();
    }
    format!(", but for {}", names(left.iter().map(String::as_str)))
}

/// A stage of a promotion that ends, as far as it is given back.
struct GivingBack<'t> {
    due: Vec<&'t ObservedTarget>,
    gated: Vec<&'t str>,
    /// They were given it back, and do not run it yet.
    settling: Vec<&'t ServerRollout>,
}

impl<'t> GivingBack<'t> {
    fn of(
        view: &View<'_>,
        targets: &'t [ObservedTarget],
        last: Option<&StageStatus>,
        promotion: &PromotionStatus,
    ) -> Self {
        let judged = || targets.iter().map(|target| (target, back(view, target, last, promotion)));
        let is = move |wanted| {
            move |(target, back): (&'t ObservedTarget, Back)| (back == wanted).then_some(target)
        };
        let mine = judged().filter(|(_, back)| !matches!(back, Back::Left(_))).map(|(target, _)| target);
        let given = judged().filter_map(is(Back::Given));
        Self {
            due: judged().filter_map(is(Back::Due)).collect(),
            gated: held(view, mine).into_iter().collect(),
            settling: given.flat_map(|target| &target.servers).filter(|server| is_settling(server)).collect(),
        }
    }
}

/// Whether a Server is still on its way. What a person paused, or what cannot be told, is not waited for.
pub(crate) fn is_settling(server: &ServerRollout) -> bool {
    use RolloutState::{Complete, Impossible, PausedByPerson};
    server.serves_code && !matches!(server.state, Complete(_) | PausedByPerson | Impossible { .. })
}

/// Whether a stage is given back: all are where a promotion failed, but those that it passed only then.
fn is_meant(view: &View<'_>, last: Option<&StageStatus>, promotion: &PromotionStatus) -> bool {
    let has_passed = last.is_some_and(|last| last.promotion.as_ref() == Some(&promotion.id));
    !has_passed || (promotion.failure.is_some() && is_automatic(view.spec))
}

/// The stage that is given back now; none where all is as it was, or nothing more can be done about it.
pub(crate) fn place(view: &View<'_>, after: &CodeSyncStatus, promotion: &PromotionStatus) -> Option<usize> {
    let last = |name: &str| after.stages.iter().find(|last| last.name == name);
    let is_rolling_back =
        |last: Option<&StageStatus>| last.is_some_and(|it| it.phase == StagePhase::RollingBack);
    let mut has_begun_before = false;
    let mut place = None;
    for (index, (stage, targets)) in view.stages().enumerate() {
        let last = last(&stage.name);
        if is_meant(view, last, promotion) {
            let GivingBack { due, gated, settling } = GivingBack::of(view, targets, last, promotion);
            // Once the stage before it began, its pods are looked at no more; nor where the CodeSync is deleted.
            let is_awaited = !settling.is_empty() && !has_begun_before && !view.observed.is_leaving;
            let is_open = !due.is_empty() || !gated.is_empty() || is_awaited;
            let is_stuck = is_awaited && settling.iter().any(|server| failure_of(stage, server).is_some());
            match is_over(view, last, targets) {
                // What cannot run what it had is no reason to give more of it back.
                true if is_stuck => place = None,
                false if is_open => place = Some(index),
                _ => {}
            }
        }
        has_begun_before |= is_rolling_back(last);
    }
    place
}

/// Whether a stage has been given back for as long as it may take.
fn is_over(view: &View<'_>, last: Option<&StageStatus>, targets: &[ObservedTarget]) -> bool {
    let begun = last.filter(|last| last.phase == StagePhase::RollingBack);
    let ends = begun.and_then(|last| patience_ends(view, last, targets));
    !view.is_suspended() && ends.is_some_and(|ends| ends <= view.now)
}

/// Until when a stage may go on giving back: an hour after it began, or after a Deployment was let go.
fn patience_ends(view: &View<'_>, last: &StageStatus, targets: &[ObservedTarget]) -> Option<Time> {
    let gates = last.gates.as_ref();
    if gates.is_some_and(|gates| gates.held as usize != held(view, targets).len()) {
        return None;
    }
    let since = last.since.max(gates.and_then(|gates| gates.since))?;
    Some(limit(since))
}

/// What a promotion that is over leaves as it wrote it, each with the reason.
pub(crate) fn left(view: &View<'_>, promotion: &PromotionStatus) -> Vec<String> {
    let last = |name: &str| view.before.stages.iter().find(|last| last.name == name);
    let meant = view.stages().filter(|(stage, _)| is_meant(view, last(&stage.name), promotion));
    let said = meant.flat_map(|(stage, targets)| {
        let last = last(&stage.name);
        targets.iter().filter_map(move |target| match back(view, target, last, promotion) {
            Back::Left(why) => Some(format!("{} ({why})", target.key)),
            Back::Due if target.refused.is_some() => {
                Some(format!("{} (it could not be written)", target.key))
            }
            Back::Due => Some(format!("{} (its turn did not come)", target.key)),
            Back::Untouched | Back::Given => None,
        })
    });
    said.collect()
}

/// A promotion was given back everywhere: no stage passed with it any more, but runs what its targets had.
pub(crate) fn forget(view: &View<'_>, after: &mut CodeSyncStatus) {
    let Some(promotion) = &after.promotion else { return };
    let was_open = view.before.promotion.as_ref().is_some_and(|before| before.outcome.is_none());
    if !was_open || promotion.outcome != Some(Outcome::RolledBack) || !is_automatic(view.spec) {
        return;
    }
    let deployed = after.deployed.as_ref();
    let is_deployed =
        |reference: &String| deployed.filter(|deployed| is_same_code(&deployed.reference, reference));
    // What was deployed before runs on in the stages that it passed before.
    let ran = deployed.filter(|deployed| candidate::is_deployed(view, &promotion.candidate, deployed));
    for (stage, targets) in view.stages() {
        let mut passed = after.stages.iter_mut();
        let is_it = |last: &&mut StageStatus| {
            last.name == stage.name && last.promotion.as_ref() == Some(&promotion.id)
        };
        let Some(last) = passed.find(is_it) else { continue };
        // Followers take over what a stage runs: what stands on a target of another namespace is taken for it only if it
        // is known from elsewhere.
        let mut given = targets.iter().filter_map(|target| {
            let record = view.record_on(target).filter(|record| {
                record.promotion == promotion.id && !record.gives_back(promotion, view.before)
            })?;
            let reference = record.reference.clone()?;
            (target.key.namespace.is_none() || has_run(view, promotion, &reference)).then_some(reference)
        });
        if let Some(deployed) = ran {
            last.promotion.clone_from(&deployed.promotion);
            continue;
        }
        last.reference = given.next();
        last.promotion = last.reference.as_ref().and_then(is_deployed).and_then(|it| it.promotion.clone());
    }
}

/// Whether something is known to have run before a promotion: by the status, whatever targets say.
fn has_run(view: &View<'_>, promotion: &PromotionStatus, reference: &str) -> bool {
    let deployed = view.before.deployed.iter().map(|deployed| &deployed.reference);
    let released = view.before.history.iter().filter(|last| last.outcome == Outcome::Released);
    let mut known = promotion.from.iter().chain(deployed).chain(released.map(|last| &last.reference));
    known.any(|known| is_same_code(known, reference))
}
