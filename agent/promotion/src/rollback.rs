//! Giving back: a promotion that fails, or ends half-way, returns to its targets what they had before it.
//!
//! One stage after the other, the last one first; in each by the same order as forth: who runs the candidate is held back
//! first, and is let go in its turn, certificate authorities last and alone. Who does not run it goes back at once.
//! Only what still carries this promotion's record is given back. What somebody else changed since is held, as
//! everywhere: it is skipped and named.

use voxsync_crds::{
    annotations::{Applied, Beside},
    code_sync::{
        CodeSyncSpec, CodeSyncStatus, Outcome, PromotionFailure, PromotionStatus, RollbackMode, StagePhase,
        StageStatus, Trigger,
    },
    reference::is_same_code,
    time::Time,
};
use voxsync_rollout::state::RolloutState;

use crate::{
    candidate,
    gate_age::limit,
    gates::{Order, held},
    observed::{Live, ObservedTarget, ServerRollout, TargetProblem},
    proof::failure_of,
    rows::{ROLLING_BACK, Row, Weight},
    standings::Standings,
    target::{Goal, Reach, Standing, judge, reference_before_change},
    text::{names, short_code},
    view::View,
    visit::{Position, Visit, aside},
    walk::{Walk, WayBack},
};

/// Whether what fails is given back everywhere, and not only where a stage is half-way through its order.
pub(crate) fn is_automatic(spec: &CodeSyncSpec) -> bool {
    let mode = spec.rollback.as_ref().and_then(|rollback| rollback.mode);
    mode.unwrap_or_default() == RollbackMode::Automatic
}

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
    if record.reference.as_deref().is_none_or(is_proven) {
        return (record.reference.clone(), None);
    }
    (record.previous.clone(), record.beside.clone())
}

/// What of the targets is not given back, as the end of a sentence.
pub(crate) fn but_for(left: &[String]) -> String {
    if left.is_empty() {
        return String::new();
    }
    format!(", but for {}", names(left.iter().map(String::as_str)))
}

/// Where a target is on the way back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Back {
    /// The promotion changed nothing of it.
    Untouched,
    /// It is to be given back what it had.
    Due,
    /// It stays as it is: it is somebody else's by now, or what it had may not run.
    Left(&'static str),
    /// It says what it had.
    Given,
}

fn back(
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

impl Visit<'_, '_> {
    /// The phase of a stage of a promotion that ends, while another one is given back. What took too long stays as it is,
    /// and is not begun again.
    pub(crate) fn waits_to_go_back(&self, standings: &Standings<'_>, walk: &mut Walk) -> StagePhase {
        let promotion = self.after.promotion.as_ref();
        let Some(promotion) = promotion
            .filter(|_| walk.way_back != WayBack::Done && is_over(self.view, self.last, self.targets))
        else {
            return aside(standings);
        };
        let what =
            "it took too long to give back all that its targets had: the stages before it are given back now";
        walk.rows.push(self.rolling_back_row(promotion, what));
        StagePhase::RollingBack
    }

    /// Whether what fails here is given back. A rollback is not rolled back. By hand, only what must not stay between the
    /// two is; where a check fails, all run the candidate, and nothing is held back any more.
    pub(crate) fn gives_back_failure(&self, failure: &PromotionFailure) -> bool {
        let Position::Working(promotion) = self.position else { return false };
        let may_be_between = || failure.check.is_none() && self.gates_status().is_some();
        promotion.trigger != Trigger::Rollback && (is_automatic(self.view.spec) || may_be_between())
    }

    /// Whether a target is to be given back what it had, and says the candidate until then.
    pub(crate) fn is_to_go_back(&self, target: &ObservedTarget, promotion: &PromotionStatus) -> bool {
        let live = target.live.as_ref().ok().and_then(|live| live.image.as_deref());
        let is_to_leave =
            |record: &Applied| live.is_some_and(|live| promotion.is_to_leave(live, record, self.view.before));
        self.view.record_on(target).is_some_and(is_to_leave)
            && back(self.view, target, self.last, promotion) == Back::Due
    }

    /// The stage whose targets are given back what they had.
    pub(crate) fn roll_back(
        &self,
        promotion: &PromotionStatus,
        order: &Order<'_>,
        walk: &mut Walk,
    ) -> StagePhase {
        let GivingBack { due, gated, settling } =
            GivingBack::of(self.view, self.targets, self.last, promotion);
        walk.asks_for_gates = !self.frozen && !order.missing.is_empty();
        let last = self.last.filter(|last| last.phase == StagePhase::RollingBack);
        let ends = last
            .and_then(|last| patience_ends(self.view, last, self.targets))
            .unwrap_or(limit(self.view.now));
        if !self.frozen {
            walk.wake_by(ends);
        }
        let failure = settling.iter().find_map(|server| failure_of(self.stage, server));
        if let Some(failure) = failure {
            walk.way_back = WayBack::Stuck;
            walk.rows.push(self.stuck_row(promotion, &failure));
            return StagePhase::RollingBack;
        }
        let back = due.iter().map(|target| {
            let previous = self.view.record_on(target).and_then(|record| record.previous.as_deref());
            format!("{} ({})", target.key, short_code(previous))
        });
        let back: Vec<String> = back.collect();
        let missing = names(order.missing.iter().map(|server| server.name.as_str()));
        let what = if !missing.is_empty() {
            format!(
                "before what its targets had is given back, the Deployments of {missing} are held back, so that not all \
                 restart at once: a reconciler with --reconciler=full does it"
            )
        } else if !back.is_empty() {
            format!("what its targets had is given back: {}", names(back.iter().map(String::as_str)))
        } else if !gated.is_empty() {
            format!(
                "its targets have what they had; still held back until that is in their Deployments, and it is their \
                 turn: {}. A reconciler with --reconciler=full lifts them",
                names(gated.iter().copied())
            )
        } else {
            let servers = names(settling.iter().map(|server| server.name.as_str()));
            format!(
                "its targets have what they had; until they run it, nothing else is given back: {servers}"
            )
        };
        walk.rows.push(self.rolling_back_row(promotion, &what));
        StagePhase::RollingBack
    }

    /// What it had before cannot run either.
    fn stuck_row(&self, promotion: &PromotionStatus, failure: &PromotionFailure) -> Row {
        let name = &self.stage.name;
        let message = format!(
            "{}; and what stage {name} had before cannot run either: {}. Nothing more is given back: mend that, or take \
             another candidate",
            self.why_back(promotion),
            failure.cause()
        );
        self.row(Weight::Blocks, ROLLING_BACK, message, format!("{name} {}", failure.reason))
    }

    fn rolling_back_row(&self, promotion: &PromotionStatus, what: &str) -> Row {
        let (name, candidate) = (&self.stage.name, &promotion.candidate.name);
        let message = format!("{}; {what}", self.why_back(promotion));
        self.row(Weight::Moves, ROLLING_BACK, message, format!("{name} {candidate}"))
    }

    fn why_back(&self, promotion: &PromotionStatus) -> String {
        let (name, candidate) = (&self.stage.name, &promotion.candidate.name);
        match (&promotion.failure, promotion.ending) {
            (Some(failure), _) => {
                format!("{candidate} failed in stage {}: {}", failure.stage, failure.cause())
            }
            (None, Some(Outcome::Abandoned)) => {
                format!("the CodeSync is deleted while {candidate} is under way")
            }
            (None, _) => format!("{candidate} makes way for another candidate while stage {name} rolls"),
        }
    }
}
