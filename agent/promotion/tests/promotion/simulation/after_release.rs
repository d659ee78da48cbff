//! Checks after the release: in every other story they are asked for two hours, and what was good may turn sour.
//!
//! It has chances of its own, so that the rest of a story stays as it was.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use serde_json::json;
use voxsync_crds::code_sync::{self, AfterReleaseAction, CheckStanding, CodeSyncSpec, StagePhase};
use voxsync_promotion::{CheckRun, Step};

use super::{Chance, Simulation, Snapshot};

const HOURS: i64 = 2;
/// How long a check that failed has to hold.
const RECOVERY_SECONDS: i64 = 600;

/// What turns sour, and what is known of it.
pub(super) struct AfterRelease {
    chance: Chance,
    /// Promotions of which a check fails after the release, until a person mends what it asks.
    sour: BTreeSet<String>,
    /// At the end of a story, all of them fail.
    is_the_end: bool,
}

impl AfterRelease {
    pub(super) fn new(seed: u64) -> Self {
        let chance = Chance::apart(seed, 41);
        Self { chance, sour: BTreeSet::new(), is_the_end: false }
    }
}

/// What is done with checks after the release.
pub(super) fn after_release(seed: u64) -> Option<code_sync::AfterRelease> {
    let mut chance = Chance::apart(seed, 37);
    let action = if chance.percent(75) { "Rollback" } else { "Report" };
    let wanted = json!({"duration": format!("{HOURS}h"), "action": action});
    chance.percent(60).then(|| serde_json::from_value(wanted).unwrap())
}

fn action(spec: &CodeSyncSpec) -> Option<AfterReleaseAction> {
    Some(spec.rollback.as_ref()?.after_release.as_ref()?.action.unwrap_or_default())
}

impl Simulation {
    /// Whether a check fails after the release of what it passed before.
    pub(super) fn sours(&mut self, run: &CheckRun, reliably: bool) -> bool {
        let deployed = self.world.status.deployed.as_ref().and_then(|deployed| deployed.promotion.as_ref());
        if deployed != Some(&run.promotion) || reliably {
            return self.after_release.is_the_end && deployed == Some(&run.promotion);
        }
        let AfterRelease { chance, sour, .. } = &mut self.after_release;
        if !sour.contains(&run.promotion) && chance.percent(40) {
            sour.insert(run.promotion.clone());
        } else if chance.percent(10) {
            sour.remove(&run.promotion);
        }
        sour.contains(&run.promotion)
    }

    /// At rest, the checks of what was released fail: it goes back where that is asked for, and is told where it is not.
    pub(super) fn turns_sour(&mut self) {
        let good = self.world.deployed().to_owned();
        self.releases_the_next();
        let next = self.world.deployed().to_owned();
        let is_asked = self.world.status.stages.iter().any(|stage| stage.healthy_since.is_some());
        self.tell("what was released turns sour");
        self.after_release.is_the_end = true;
        self.rest();
        self.after_release.is_the_end = false;
        match action(&self.world.spec).filter(|_| is_asked) {
            Some(AfterReleaseAction::Rollback) => {
                self.is_at_rest_on(&good);
                assert_eq!(self.world.condition("Ready"), "False Quarantined");
                assert_eq!(self.world.status.rollback, None, "it ends by itself");
                self.releases_the_next();
            }
            Some(AfterReleaseAction::Report) => {
                self.is_at_rest_on(&next);
                assert_eq!(self.world.condition("Ready"), "False CheckFailed");
                self.rest();
                assert_eq!(self.world.condition("Ready"), "False CheckFailed", "it may fail again");
                self.world.passes(RECOVERY_SECONDS);
                self.rest();
                assert_eq!(self.world.condition("Ready"), "True Deployed");
            }
            None => self.is_at_rest_on(&next),
        }
    }

    /// Nothing is asked after a release but as long as that is wanted, of what all stages run.
    pub(super) fn check_asked_after_release(&mut self, snapshot: &Snapshot, run: &CheckRun) {
        let Snapshot { spec, status, .. } = snapshot;
        assert!(
            action(spec).is_some() && !spec.suspend,
            "asked after the release, which nobody wants: {run:?}"
        );
        let deployed = status.deployed.as_ref().expect("only what was released is asked about");
        assert_eq!(deployed.promotion.as_ref(), Some(&run.promotion), "{run:?}");
        assert!(!self.backwards.was_asked_for(&run.promotion), "a rollback is asked about: {run:?}");
        let stage = status.stages.iter().find(|stage| stage.name == run.stage).unwrap();
        assert_eq!(stage.promotion.as_ref(), Some(&run.promotion), "another release of the stage: {run:?}");
        let ends = deployed.since.unwrap().timestamp() + SignedDuration::from_hours(HOURS);
        let fails = stage.checks.iter().any(|check| check.name == run.check);
        let answers = &snapshot.observed.checks;
        let just_failed = answers.iter().any(|answer| {
            (&answer.stage, &answer.check) == (&run.stage, &run.check)
                && answer.standing == CheckStanding::Failed
        });
        assert!(self.world.now < ends || fails || just_failed, "asked for ever: {run:?}");
        self.coverage.saw("checks asked after the release");
    }

    /// A release goes back only where that is asked for and a check of it failed; what failed is not taken again.
    pub(super) fn check_after_release(&mut self, snapshot: &Snapshot, taken: &Step) {
        let fails = |stages: &[code_sync::StageStatus]| {
            let rests = stages.iter().filter(|stage| stage.phase == StagePhase::Deployed);
            rests.map(|stage| stage.checks.len()).sum::<usize>()
        };
        let (before, after) = (fails(&snapshot.status.stages), fails(&taken.status.stages));
        let is_same = snapshot.status.deployed == taken.status.deployed;
        let is_under_way = taken.status.promotion.is_some() || snapshot.status.promotion.is_some();
        if is_same && !is_under_way {
            self.coverage.saw_times("checks that failed after the release", after.saturating_sub(before));
            self.coverage.saw_times("checks that held again after the release", before.saturating_sub(after));
        }
        let failure = taken.status.rollback.as_ref().and_then(|rollback| rollback.failure.as_ref());
        let Some(failure) = failure.filter(|_| snapshot.status.rollback.is_none()) else { return };
        self.coverage.saw("rolled back after the release");
        assert_eq!(action(&snapshot.spec), Some(AfterReleaseAction::Rollback), "nobody asked for it");
        let left = snapshot.status.deployed.as_ref().expect("something was released");
        let promotion = left.promotion.as_ref().unwrap();
        assert!(!self.backwards.was_asked_for(promotion), "a rollback is rolled back: {left:#?}");
        let stage = snapshot.status.stages.iter().find(|stage| stage.name == failure.stage).unwrap();
        let has_failed = stage.checks.iter().any(|check| {
            Some(&check.name) == failure.check.as_ref() && check.standing == CheckStanding::Failed
        });
        assert!(has_failed && stage.promotion.as_ref() == Some(promotion), "{failure:?}, {stage:#?}");
        let is_kept = taken.status.quarantine.iter().any(|it| Some(&it.digest) == left.digest.as_ref());
        assert!(is_kept, "it may be taken again: {left:#?}");
        let writes = taken.actions.iter().filter(|it| matches!(it, voxsync_promotion::Action::Write(_)));
        assert_eq!(writes.count(), 0, "a write before it is stored what is gone back to");
    }
}
