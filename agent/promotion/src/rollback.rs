//! Giving back: a promotion that ends half-way returns to its targets what they had before it.
//!
//! Only what still carries this promotion's record is given back. What somebody else changed since is held, as
//! everywhere: it is skipped and named.

use voxsync_crds::{
    code_sync::{Outcome, PromotionStatus, StagePhase, StageStatus},
    reference::is_same_code,
};

use crate::{
    gate_age::limit,
    gates::held,
    observed::{Live, ObservedTarget},
    rows::{ROLLING_BACK, Row, Weight},
    standings::Standings,
    target::{Goal, Reach, reference_before_change},
    text::{names, short_code},
    view::View,
    visit::{Visit, aside},
    walk::Walk,
};

/// Whether a target was given the candidate by this promotion, and had something else before.
pub(crate) fn carries(view: &View<'_>, target: &ObservedTarget, promotion: &PromotionStatus) -> bool {
    let is_candidate = |reference: Option<&String>| {
        reference.is_some_and(|reference| is_same_code(reference, &promotion.candidate.reference))
    };
    view.record_on(target).is_some_and(|record| {
        record.promotion == promotion.id
            && is_candidate(record.reference.as_ref())
            && !is_candidate(record.previous.as_ref())
    })
}

/// What a target of a stage that is rolled back should say: what it had before the promotion.
pub(crate) fn goal<'v>(
    view: &View<'v>,
    target: &'v ObservedTarget,
    promotion: &'v PromotionStatus,
) -> Option<Goal<'v>> {
    let record = view.record_on(target).filter(|record| record.promotion == promotion.id)?;
    let reference = record.previous.as_deref();
    Some(Goal { reference, tag: None, promotion: &promotion.id, reach: Reach::Written })
}

/// What a target can be given back: what it last held in its stage. What is ours and never proved itself there does not
/// count, nor what somebody else wrote over ours; what was there before us does.
pub(crate) fn previous(
    view: &View<'_>,
    target: &ObservedTarget,
    stage: Option<&StageStatus>,
    live: &Live,
) -> Option<String> {
    let Some(record) = view.record_on(target) else {
        let before_change =
            reference_before_change(view, target, stage).map(|[deployed, _]| deployed.to_owned());
        return before_change.or_else(|| live.image.clone());
    };
    let deployed = view.before.deployed.as_ref().map(|deployed| deployed.reference.as_str());
    let proven = stage.and_then(|stage| stage.reference.as_deref()).into_iter().chain(deployed);
    let is_proven = |reference: &str| proven.clone().any(|proven| is_same_code(proven, reference));
    let kept =
        if record.reference.as_deref().is_none_or(is_proven) { &record.reference } else { &record.previous };
    kept.clone()
}

/// What of the targets is not given back, as the end of a sentence.
pub(crate) fn but_for(left: &[String]) -> String {
    if left.is_empty() {
        return String::new();
    }
    format!(", but for {}", names(left.iter().map(String::as_str)))
}

/// Whose a target is by now, so that nothing is given back to it.
fn taken(target: &ObservedTarget) -> Option<&'static str> {
    let has_claim = target.live.as_ref().is_ok_and(|live| live.claim.is_some());
    match () {
        () if target.claims.is_some() => Some("another CodeSync has it"),
        () if has_claim => Some("its code is a claim"),
        () if target.paused => Some("a person paused it"),
        () => None,
    }
}

impl Visit<'_, '_> {
    /// What a promotion that is over leaves as it wrote it, each with the reason.
    pub(crate) fn left(&self, promotion: &PromotionStatus) -> Vec<String> {
        let left = self.targets.iter().filter(|target| carries(self.view, target, promotion));
        let said = |target: &ObservedTarget| {
            let recorded = self.view.record_on(target).and_then(|record| record.reference.as_deref());
            let live = target.live.as_ref().ok().and_then(|live| live.image.as_deref());
            let is_ours = live.zip(recorded).is_some_and(|(live, recorded)| is_same_code(live, recorded));
            let other = if is_ours { "it could not be written" } else { "somebody else changed it" };
            format!("{} ({})", target.key, taken(target).unwrap_or(other))
        };
        left.map(said).collect()
    }

    /// The phase of a stage whose targets are given back what they had.
    pub(crate) fn roll_back(
        &self,
        promotion: &PromotionStatus,
        standings: &Standings<'_>,
        walk: &mut Walk,
    ) -> StagePhase {
        // What only somebody else can let go of is skipped, and named.
        let is_left = |target: &ObservedTarget| {
            let is_held = standings.held.iter().any(|held| held.key == target.key);
            is_held || taken(target).is_some()
        };
        let mine = || self.targets.iter().filter(|target| !is_left(target));
        let carrying: Vec<_> = mine().filter(|target| carries(self.view, target, promotion)).collect();
        let gated = held(self.view, mine());
        let since = self.since(StagePhase::RollingBack).unwrap_or(self.view.now);
        let patience_ends = limit(since);
        // What cannot be written by then is left and named; what the reconciler cannot let go of it tells people of.
        if (carrying.is_empty() && gated.is_empty()) || (self.view.now >= patience_ends && !self.frozen) {
            walk.left.extend(self.left(promotion));
            return aside(standings);
        }
        if !self.frozen {
            walk.wake_by(patience_ends);
        }
        walk.is_giving_back = true;
        let back = carrying.iter().map(|target| {
            let previous = self.view.record_on(target).and_then(|record| record.previous.as_deref());
            format!("{} ({})", target.key, short_code(previous))
        });
        let back: Vec<String> = back.collect();
        let what = if back.is_empty() {
            format!(
                "its targets have what they had; still held back until that is in their Deployments: {}. A reconciler \
                 with --reconciler=full lifts them",
                names(gated.iter().copied())
            )
        } else {
            format!("what its targets had is given back: {}", names(back.iter().map(String::as_str)))
        };
        walk.rows.push(self.rolling_back_row(promotion, &what));
        StagePhase::RollingBack
    }

    fn rolling_back_row(&self, promotion: &PromotionStatus, what: &str) -> Row {
        let (name, candidate) = (&self.stage.name, &promotion.candidate.name);
        let why = match (&promotion.failure, promotion.ending) {
            (Some(failure), _) => format!(
                "{candidate} failed in stage {}: Server {}: {}: {}",
                failure.stage, failure.server, failure.reason, failure.message
            ),
            (None, Some(Outcome::Abandoned)) => {
                format!("the CodeSync is deleted while {candidate} is under way")
            }
            (None, _) => format!("{candidate} makes way for another candidate while stage {name} rolls"),
        };
        self.row(Weight::Moves, ROLLING_BACK, format!("{why}; {what}"), format!("{name} {candidate}"))
    }
}
