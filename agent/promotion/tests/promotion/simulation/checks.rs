//! The invariants of what is written and said.

use jiff::SignedDuration;
use voxsync_crds::{
    CodeReference,
    code_release::CodeReleaseSpec,
    code_sync::{CandidateStatus, CodeSyncStatus, PromotionStatus, StagePhase, Trigger},
    reference::is_same_code,
};
use voxsync_promotion::{Action, ObservedTarget, Step, TargetWrite, step};

use super::{AGE_SECONDS, Simulation, Snapshot, tag, version_of};
use crate::world::Target;

const STATUS_LIMIT_BYTES: usize = 64 * 1024;

impl Simulation {
    /// No target goes back to a lower version than our record says, unless a person pinned that version, or what it
    /// runs has failed, or a person said to try that version again.
    pub(super) fn check_backwards(&self, before: &Target, code: &str) {
        let uid = &self.world.observed.uid;
        let record = before.applied.as_ref().filter(|applied| applied.code_sync == *uid);
        let from = record.and_then(|record| version_of(record.reference.as_deref()?));
        if let Some((from, to)) = from.zip(version_of(code)).filter(|(from, to)| to < from) {
            let mut releases = self.world.releases.iter();
            let has_failed = releases.any(|release| {
                release.outcome.is_failure() && version_of(&release.candidate.reference) == Some(from)
            });
            let is_pinned = self.pinned_ever.contains(&tag(to));
            let is_wanted = has_failed || is_pinned || self.is_tried_again(before, code);
            assert!(is_wanted, "{} went back from {from} to {to}", before.key);
        }
    }

    /// Whether a person said to try again the code that failed, which is what gave the target back what it has: somebody
    /// else's, which may be higher. The row of the failure names that way, and it asks for the rights of a promotion.
    fn is_tried_again(&self, before: &Target, code: &str) -> bool {
        let is_by_hand = |it: &PromotionStatus| {
            it.outcome.is_none()
                && it.trigger == Trigger::Resume
                && is_same_code(&it.candidate.reference, code)
        };
        let record = before.applied.as_ref();
        let given_back = record.filter(|record| record.reference == record.previous);
        let of_it = |release: &&CodeReleaseSpec| {
            release.outcome.is_failure() && is_same_code(&release.candidate.reference, code)
        };
        let mut failed = self.world.releases.iter().filter(of_it);
        self.world.status.promotion.as_ref().is_some_and(is_by_hand)
            && given_back.is_some_and(|record| failed.any(|release| release.promotion == record.promotion))
    }

    pub(super) fn note_digests(&mut self) {
        let status = &self.world.status;
        let mut known: std::collections::BTreeSet<_> =
            status.history.iter().map(|release| release.name.clone()).collect();
        known.extend(status.deployed.iter().map(|deployed| deployed.name.clone()));
        let references = status.stages.iter().filter_map(|stage| stage.reference.as_deref());
        known.extend(references.filter_map(version_of).map(tag));
        if let Some(promotion) = &status.promotion {
            let CandidateStatus { name, digest, .. } = promotion.candidate.clone();
            self.first_digests.entry(name.clone()).or_insert(digest);
            known.insert(name);
        }
        self.first_digests.retain(|name, _| known.contains(name));
    }

    /// A tag that was pushed again is not deployed, unless a person named it.
    pub(super) fn check_digest(&self, code: &str) {
        let reference = CodeReference::parse(code).unwrap();
        let tag = reference.tag().unwrap();
        let first = self.first_digests.get(tag).map(String::as_str);
        let is_first = first.is_none() || first == reference.digest();
        assert!(self.pinned_ever.contains(tag) || is_first, "{tag} was pushed again: {code}");
    }

    pub(super) fn check_step(&mut self, snapshot: &Snapshot, taken: &Step) {
        let again = step(&snapshot.spec, &snapshot.status, &snapshot.observed, self.world.now);
        assert_eq!(&again, taken, "the same world, another decision");
        let stored = &snapshot.status;
        if taken.status != *stored {
            let json = serde_json::to_string(&taken.status).unwrap();
            assert!(json.len() < STATUS_LIMIT_BYTES);
            assert_eq!(serde_json::from_str::<CodeSyncStatus>(&json).unwrap(), taken.status);
        }
        for action in &taken.actions {
            match action {
                Action::Event { reason, .. } => {
                    assert_ne!(&taken.status, stored, "{reason} is told though nothing changed");
                }
                Action::Write(write) => {
                    let reference = write.applied.reference.as_deref().unwrap_or_default();
                    let kept = taken.status.quarantine.iter().find(|it| reference.ends_with(&it.digest));
                    assert_eq!(kept, None, "it is in quarantine, and written: {write:?}");
                    let is_leaving = snapshot.observed.is_leaving;
                    assert!(!snapshot.spec.suspend || is_leaving, "a write while suspended");
                    let id = &write.applied.promotion;
                    let known = stored.promotion.iter().any(|promotion| promotion.id == *id)
                        || stored.stages.iter().any(|stage| stage.promotion.as_ref() == Some(id));
                    assert!(known, "a write before its promotion is stored");
                    Self::check_reach(snapshot, write);
                    self.check_gated(snapshot, write);
                    self.check_verified(snapshot, taken, write);
                }
                Action::Finalizer(wanted) => assert_ne!(*wanted, snapshot.observed.has_finalizer),
                Action::Record(_) => {}
            }
        }
        self.check_age(snapshot, taken);
        Self::check_starts(snapshot, taken);
        self.check_takeover(snapshot, taken);
        Self::check_released(snapshot, taken);
        let status = &taken.status;
        let Some(ready) = status.conditions.iter().find(|condition| condition.kind == "Ready") else {
            return;
        };
        let under_way = status.promotion.as_ref().is_some_and(|promotion| promotion.outcome.is_none());
        let is_left_alone = snapshot.observed.is_leaving && !snapshot.observed.has_finalizer;
        if under_way && !is_left_alone {
            assert!(!status.waiting.is_empty(), "a promotion is under way and does not say why: {status:#?}");
            assert_ne!(ready.reason, "Deployed");
        }
        for stage in &status.stages {
            let says = |reason: &str| status.waiting.iter().any(|row| row.reason == reason);
            match stage.phase {
                StagePhase::Gating => assert!(says("Gating"), "{status:#?}"),
                StagePhase::RollingBack => assert!(says("RollingBack"), "{status:#?}"),
                _ => {}
            }
        }
    }

    /// The source's candidate is as old as it must be, or was taken before, or runs everywhere already.
    fn check_age(&self, snapshot: &Snapshot, taken: &Step) {
        let Some(candidate) = taken.status.candidate.as_ref().filter(|it| it.source_revision.is_some())
        else {
            return;
        };
        let before = &snapshot.status;
        let known = before.candidate.iter().chain(before.promotion.iter().map(|it| &it.candidate));
        let mut references =
            known.map(|it| &it.reference).chain(before.deployed.iter().map(|it| &it.reference));
        let is_taken = references.any(|reference| is_same_code(reference, &candidate.reference));
        let has_it = |target: &ObservedTarget| {
            let live = target.live.as_ref().ok().and_then(|live| live.image.as_deref());
            live.is_some_and(|live| is_same_code(live, &candidate.reference))
        };
        if is_taken
            || snapshot.spec.minimum_age.is_none()
            || snapshot.observed.stages.iter().flatten().all(has_it)
        {
            return;
        }
        let age = self.world.now.duration_since(self.seen[&candidate.digest]);
        assert!(age >= SignedDuration::from_secs(AGE_SECONDS), "{} is only {age:#} old", candidate.name);
    }

    /// What does not let the CodeSync in, is not there or is another CodeSync's is not written.
    fn check_reach(snapshot: &Snapshot, write: &TargetWrite) {
        let mut targets = snapshot.observed.stages.iter().flatten();
        let target = targets.find(|target| target.key == write.target).expect("it is a target at all");
        assert!(target.live.is_ok(), "out of reach, and written: {target:#?}");
        assert_eq!(target.claims, None, "another CodeSync has it: {target:#?}");
    }

    /// Nobody is blamed who did nothing.
    pub(super) fn check_holds(&self) {
        for hold in &self.world.status.holds {
            let touched = self.touched.get(&hold.target).copied().unwrap_or_default();
            let (stage, index) = self.place(&hold.target).unwrap();
            let target = &self.targets(stage)[index];
            // The write that mended it may have just been carried out; the hold goes with the next step.
            let by_us = target.writer.as_ref().is_some_and(|writer| writer.manager == "voxsync");
            assert!(touched.at_all || by_us, "a false hold: {hold:#?}, {target:#?}");
        }
    }
}
