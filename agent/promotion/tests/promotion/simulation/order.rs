//! The invariants of order: stage after stage, gates before writes, certificate authorities last.

use jiff::SignedDuration;
use voxsync_crds::{
    annotations::Gate,
    code_sync::{PromotionStatus, StagePhase, StageStatus, Trigger},
    reference::is_same_code,
};
use voxsync_promotion::{ObservedTarget, ServerRollout, TargetWrite};
use voxsync_rollout::{
    order::{Member, Way, to_gate},
    state::RolloutState,
};

use super::{
    SOAK_SECONDS, Simulation, Snapshot,
    cluster::{Place, Pod},
    foreign::OUTSIDE,
};

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

    pub(super) fn note_proofs(&mut self) {
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

    /// Nothing of a stage is written before all that has to be held back is.
    pub(super) fn check_gated(&self, snapshot: &Snapshot, write: &TargetWrite) {
        let (stage, _) = self.place(&write.target.to_string()).unwrap();
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
        if place.stage == OUTSIDE {
            return;
        }
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
        let is_counted =
            (is_candidate || is_given_back) && !self.is_out_of_reach(place) && !deployment.is_joiner;
        if let Some(most) = self.most(place.stage).filter(|_| is_counted) {
            let starts = |other: &&Place| {
                let is_seen = !self.is_out_of_reach(**other);
                let other = &self.deployments[&self.name(**other)];
                let is_same = other.newest.as_deref().is_some_and(|newest| is_same_code(newest, code));
                matches!(other.pod, Pod::Starts | Pod::Sticks) && is_same && !other.is_excused && is_seen
            };
            let rolling = 1 + others.iter().filter(starts).count();
            let stage = &spec.name;
            assert!(
                rolling <= most.get() as usize,
                "{rolling} of stage {stage} roll at once to {code}: {name}"
            );
        }
    }
}
