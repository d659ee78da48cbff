//! The invariants.

use jiff::SignedDuration;
use voxsync_crds::{
    CodeReference,
    annotations::Gate,
    code_sync::{CandidateStatus, CodeSyncStatus, PromotionStatus, StagePhase, StageStatus, Trigger},
    reference::is_same_code,
};
use voxsync_promotion::{Action, ObservedTarget, ServerRollout, Step, TargetWrite, step};
use voxsync_rollout::{
    order::{Member, Way, to_gate},
    state::RolloutState,
};

use super::{
    AGE_SECONDS, SOAK_SECONDS, Simulation, Snapshot,
    cluster::{Place, Pod},
    tag, version_of,
};
use crate::world::Target;

const STATUS_LIMIT_BYTES: usize = 64 * 1024;

impl Simulation {
    /// The truth that proofs are measured by: what the leader could see when it looked.
    pub(super) fn see_health(&mut self) {
        let now = self.world.now;
        for (index, stage) in self.world.observe().stages.iter().enumerate() {
            let live = |target: &ObservedTarget| target.live.clone().ok()?.image;
            let code = stage.first().and_then(live);
            let is_complete = |target: &ObservedTarget| {
                target.servers.iter().all(|server| matches!(server.state, RolloutState::Complete(_)))
            };
            let healthy = code.clone().filter(|code| {
                stage.iter().all(|target| {
                    live(target).is_some_and(|live| is_same_code(&live, code)) && is_complete(target)
                })
            });
            self.healthy[index] = match (healthy, self.healthy[index].take()) {
                (Some(code), Some((before, since))) if is_same_code(&code, &before) => Some((before, since)),
                (healthy, _) => healthy.map(|code| (code, now)),
            };
        }
        self.note_proofs();
    }

    fn note_proofs(&mut self) {
        for (index, healthy) in self.healthy.iter().enumerate() {
            let soak = if index == 2 { 0 } else { SOAK_SECONDS };
            if let Some((code, since)) = healthy
                && self.world.now.duration_since(*since) >= SignedDuration::from_secs(soak)
            {
                self.proven.insert((index, code.clone()));
            }
        }
    }

    /// A stage gets only what all stages before it have proven, or what it ran itself.
    pub(super) fn check_order(&mut self, stage: usize, code: &str) {
        self.note_proofs();
        let proven =
            |stage: usize| self.proven.iter().any(|(proven, by)| *proven == stage && is_same_code(by, code));
        assert!((0..stage).all(proven) || proven(stage), "stage {stage} was given {code} before its proof");
    }

    /// No target goes back to a lower version than our record says, unless a person pinned that version, or what it
    /// runs has failed.
    pub(super) fn check_backwards(&self, before: &Target, code: &str) {
        let uid = &self.world.observed.uid;
        let record = before.applied.as_ref().filter(|applied| applied.code_sync == *uid);
        let from = record.and_then(|record| version_of(record.reference.as_deref()?));
        if let Some((from, to)) = from.zip(version_of(code)).filter(|(from, to)| to < from) {
            let mut releases = self.world.releases.iter();
            let has_failed = releases.any(|release| {
                release.outcome.is_failure() && version_of(&release.candidate.reference) == Some(from)
            });
            let is_wanted = has_failed || self.pinned_ever.contains(&tag(to));
            assert!(is_wanted, "{} went back from {from} to {to}", before.key);
        }
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
                    self.check_gated(snapshot, write);
                    self.check_verified(snapshot, taken, write);
                }
                Action::Finalizer(wanted) => assert_ne!(*wanted, snapshot.observed.has_finalizer),
                Action::Record(_) => {}
            }
        }
        self.check_age(snapshot, taken);
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

    /// Nothing of a stage is written before all that has to be held back is.
    fn check_gated(&self, snapshot: &Snapshot, write: &TargetWrite) {
        let (stage, _) = self.place(&write.target.to_string());
        let spec = &snapshot.spec.stages.as_ref().unwrap()[stage];
        let under_way =
            |it: &&PromotionStatus| it.outcome.or(it.ending).is_none() && it.id == write.applied.promotion;
        let Some(promotion) = snapshot.status.promotion.as_ref().filter(under_way) else { return };
        let last = snapshot.status.stages.get(stage);
        let has_passed = last.is_some_and(|last| last.promotion.as_ref() == Some(&promotion.id));
        if spec.allow_unordered || has_passed {
            return;
        }
        let candidate = &promotion.candidate.reference;
        if write.applied.reference.as_ref().is_none_or(|reference| !is_same_code(reference, candidate)) {
            // Deleted or superseded in this step, it gives back.
            return;
        }
        let mut servers: Vec<(&ServerRollout, Way)> = Vec::new();
        for target in &snapshot.observed.stages[stage] {
            let live = target.live.as_ref().ok().and_then(|live| live.image.as_deref());
            let has_it = live.is_some_and(|live| is_same_code(live, candidate));
            let way = if has_it { Way::Under } else { Way::Before };
            servers.extend(target.servers.iter().map(|server| (server, way)));
        }
        let member = |(server, way): &(&'_ ServerRollout, Way)| -> (String, bool, Way) {
            (server.name.clone(), server.is_authority, *way)
        };
        let named: Vec<_> = servers.iter().map(member).collect();
        let members: Vec<Member<'_>> = named
            .iter()
            .map(|(name, is_authority, way)| Member {
                name,
                is_authority: *is_authority,
                is_gated: false,
                has_pods: true,
                way: *way,
            })
            .collect();
        let needed = to_gate(&members, self.most(stage));
        let asks = |phase| matches!(phase, StagePhase::Gating | StagePhase::Writing | StagePhase::Rolling);
        let may_be_lifted = !needed.is_empty() && !last.is_some_and(|last| asks(last.phase));
        assert!(!may_be_lifted, "{} is written, and nobody asked for gates: {last:?}", write.target);
        let is_ours = |gate: &Gate| gate.code_sync == snapshot.observed.uid && gate.promotion == promotion.id;
        for (server, _) in servers.iter().filter(|(server, _)| needed.contains(server.name.as_str())) {
            let is_held = server.gate().is_some_and(is_ours);
            assert!(is_held, "{} is written, and {} is not held back", write.target, server.name);
        }
    }

    /// A Deployment goes over to new code.
    pub(super) fn check_start(&self, place: Place) {
        let name = self.name(place);
        let deployment = &self.deployments[&name];
        let spec = &self.world.spec.stages.as_ref().unwrap()[place.stage];
        let Some(code) = deployment.newest.as_deref() else { return };
        if deployment.is_excused || deployment.excused_template.is_some() || spec.allow_unordered {
            return;
        }
        let others: Vec<Place> = self
            .places()
            .into_iter()
            .filter(|other| other.stage == place.stage && self.name(*other) != name)
            .collect();
        let has_run = |ran: &String| is_same_code(ran, code);
        let stage_ran = self.ran.iter().any(|(stage, ran)| *stage == place.stage && has_run(ran));
        let has_company = others.iter().any(|other| !self.is_authority(*other));
        if self.is_authority(place) && has_company {
            assert!(stage_ran, "the authority {name} starts {code}, which nobody of its stage has run");
        }
        let promotion = self.world.status.promotion.as_ref();
        // Nothing is held back for a part of a stage: who joins one that passed, or whose turn is to come, keeps no order.
        let is_its_turn = |it: &PromotionStatus| {
            let has_passed = |stage: &StageStatus| stage.promotion.as_ref() == Some(&it.id);
            let mut stages = self.world.status.stages.iter();
            let open = match it.trigger {
                Trigger::Rollback => stages.rposition(|stage| !has_passed(stage)),
                _ => stages.position(|stage| !has_passed(stage)),
            };
            open == Some(place.stage)
        };
        let is_candidate = promotion.is_some_and(|it| {
            let is_open = it.outcome.or(it.ending).is_none() && is_its_turn(it);
            is_open && is_same_code(&it.candidate.reference, code)
        });
        // On the way back, those who ran it well follow those who did not.
        let target = &self.world.stages[place.stage][place.target];
        let is_given_back = promotion.is_some_and(|it| {
            let record = target.applied.as_ref().filter(|record| record.promotion == it.id);
            let is_back = record.is_some_and(|record| {
                record.reference == record.previous && record.reference.as_deref() == Some(code)
            });
            let stage = self.world.status.stages.get(place.stage);
            is_back
                && it.outcome.is_none()
                && stage.is_some_and(|stage| stage.phase == StagePhase::RollingBack)
                && !deployment.went_back_at_once
        });
        if let Some(most) = self.most(place.stage).filter(|_| is_candidate || is_given_back) {
            let starts = |other: &&Place| {
                let other = &self.deployments[&self.name(**other)];
                let is_same = other.newest.as_deref().is_some_and(|newest| is_same_code(newest, code));
                matches!(other.pod, Pod::Starts | Pod::Sticks) && is_same && !other.is_excused
            };
            let rolling = 1 + others.iter().filter(starts).count();
            assert!(rolling <= most.get() as usize, "{rolling} of stage {} roll at once", spec.name);
        }
    }

    /// Nobody is blamed who did nothing.
    pub(super) fn check_holds(&self) {
        for hold in &self.world.status.holds {
            let touched = self.touched.get(&hold.target).copied().unwrap_or_default();
            let (stage, index) = self.place(&hold.target);
            let target = &self.world.stages[stage][index];
            // The write that mended it may have just been carried out; the hold goes with the next step.
            let by_us = target.writer.as_ref().is_some_and(|writer| writer.manager == "voxsync");
            assert!(touched.at_all || by_us, "a false hold: {hold:#?}, {target:#?}");
        }
    }
}
