//! A reconciler as the contract wants it: it brings code into pod templates, holds Deployments back while a stage
//! is gating, and lets them go when it is their turn, or when nobody holds them back any more.

use voxsync_crds::{
    annotations::{Applied, Gate},
    code_sync::{CodeSyncStatus, PromotionStatus, StagePhase, StageStatus, Trigger},
    reference::is_same_code,
};
use voxsync_rollout::{
    order::{Member, Way, to_gate, to_lift},
    state::RolloutState,
};

use super::{Simulation, Snapshot, cluster::Place};
use crate::world::Target;

/// Which way a stage goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heading {
    Forth,
    Back,
}

/// What the reconciler holds back for.
struct Work<'s> {
    stage: usize,
    promotion: &'s PromotionStatus,
    heading: Heading,
    status: &'s CodeSyncStatus,
}

impl Simulation {
    /// One pass over all Servers; reliably, or as chance wants it. Tells whether something changed.
    pub(super) fn reconcile(&mut self, reliably: bool) -> bool {
        if reliably || self.chance.percent(60) {
            self.seen_by_reconciler = self.snapshot();
        }
        let mut changed = false;
        let names: Vec<(Place, String)> =
            self.places().into_iter().map(|place| (place, self.name(place))).collect();
        for (place, name) in &names {
            if reliably || self.chance.percent(70) {
                changed |= self.write_template(*place, name);
            }
            if reliably || self.chance.percent(70) {
                changed |= self.mind_gate(*place, name, &names);
            }
        }
        self.show();
        changed
    }

    fn write_template(&mut self, place: Place, name: &str) -> bool {
        let live = self.live(place);
        let is_paused = self.targets(place.stage)[place.target].paused;
        let deployment = self.deployment(name);
        // A person's pause is the operator's and ours.
        let is_other = deployment.template != live && !is_paused;
        if !is_other {
            return false;
        }
        deployment.template = live;
        deployment.excused_template = None;
        true
    }

    /// The stage that the promotion works on, and which way.
    fn work(seen: &Snapshot) -> Option<Work<'_>> {
        let promotion = seen.status.promotion.as_ref().filter(|promotion| promotion.outcome.is_none())?;
        let heading = if promotion.ending.is_some() { Heading::Back } else { Heading::Forth };
        if seen.observed.is_leaving && heading == Heading::Forth {
            return None;
        }
        let mut stages = seen.status.stages.iter();
        let is_open = |stage: &StageStatus| stage.promotion.as_ref() != Some(&promotion.id);
        let stage = match (heading, promotion.trigger) {
            (Heading::Back, _) => stages.position(|stage| stage.phase == StagePhase::RollingBack),
            (Heading::Forth, Trigger::Rollback) => stages.rposition(is_open),
            (Heading::Forth, _) => stages.position(is_open),
        }?;
        Some(Work { stage, promotion, heading, status: &seen.status })
    }

    /// Whether a Server is of the stage, and within reach.
    fn is_of(&self, work: &Work<'_>, place: Place) -> bool {
        place.stage == work.stage && !self.is_out_of_reach(place)
    }

    /// Whether a Server's target says what the stage goes to.
    fn is_given(&self, work: &Work<'_>, place: Place) -> bool {
        let target = &self.world.stages[place.stage][place.target];
        let candidate = &work.promotion.candidate.reference;
        let has_it = target.live.image.as_deref().is_some_and(|live| is_same_code(live, candidate));
        match work.heading {
            Heading::Forth => has_it,
            Heading::Back => {
                let ours = target.applied.as_ref().filter(|it| it.code_sync == self.world.observed.uid);
                let goes_back = |record: &Applied| {
                    record.gives_back(work.promotion, work.status) && record.may_go_back(work.status)
                };
                target.paused || !has_it || !ours.is_some_and(goes_back)
            }
        }
    }

    /// The members of a stage, as the reconciler sees them.
    fn members<'n>(&self, work: &Work<'_>, names: &'n [(Place, String)]) -> Vec<Member<'n>> {
        let of_stage = names.iter().filter(|(place, _)| self.is_of(work, *place));
        let member = |(place, name): &'n (Place, String)| {
            let live = self.live(*place);
            let way = match self.way(name, live.as_deref()) {
                _ if !self.is_given(work, *place) => Way::Before,
                Way::Stopped if work.heading == Heading::Back && self.is_paused_by_person(name) => {
                    Way::Missing
                }
                way => way,
            };
            let is_gated = self.deployments[name].is_gated();
            Member { name, is_authority: self.is_authority(*place), is_gated, has_pods: true, way }
        };
        of_stage.map(member).collect()
    }

    fn is_paused_by_person(&self, name: &str) -> bool {
        self.deployments[name].is_paused && self.deployments[name].gate.is_none()
    }

    fn mind_gate(&mut self, place: Place, name: &str, names: &[(Place, String)]) -> bool {
        let seen = self.seen_by_reconciler.clone();
        if let Some(gate) = self.wanted_gate(&seen, place, name, names) {
            let deployment = &self.deployments[name];
            let is_between = deployment.newest != deployment.template;
            match &deployment.gate {
                Some(present) if deployment.is_paused => {
                    if present.code_sync == gate.code_sync && present.promotion != gate.promotion {
                        let since = present.since;
                        self.deployment(name).gate = Some(Gate { since, ..gate });
                        self.tell(format!("{name} is held back for another promotion"));
                        return true;
                    }
                }
                _ if deployment.is_paused || is_between => {}
                _ => {
                    self.coverage.saw("gates placed");
                    let deployment = self.deployment(name);
                    (deployment.gate, deployment.is_paused) = (Some(gate), true);
                    self.tell(format!("{name} is held back"));
                    return true;
                }
            }
        }
        let deployment = &self.deployments[name];
        let Some(gate) = deployment.gate.clone() else { return false };
        if !deployment.is_paused {
            self.deployment(name).gate = None;
            return true;
        }
        if !self.may_lift(&seen, place, &gate, names) {
            return false;
        }
        // What looks orphaned is asked for first.
        self.seen_by_reconciler = self.snapshot();
        let seen = self.seen_by_reconciler.clone();
        let may = self.may_lift(&seen, place, &gate, names);
        if may {
            // The node of an authority that cannot pull is what nobody can see before its turn.
            let strands = self.is_authority(place) && self.chance.percent(self.strands_percent);
            self.deployment(name).is_stranded |= strands;
            self.tell(format!("{name} is let go"));
            self.coverage.saw("gates lifted");
            let deployment = self.deployment(name);
            (deployment.gate, deployment.is_paused) = (None, false);
        }
        may
    }

    fn wanted_gate(
        &self,
        seen: &Snapshot,
        place: Place,
        name: &str,
        names: &[(Place, String)],
    ) -> Option<Gate> {
        let work = Self::work(seen)?;
        let (stage, promotion) = (work.stage, work.promotion);
        let spec = &seen.spec.stages.as_ref().unwrap()[stage];
        let asks = match work.heading {
            Heading::Forth => StagePhase::Gating,
            Heading::Back => StagePhase::RollingBack,
        };
        let places = seen.status.stages[stage].phase == asks
            && seen.observed.has_finalizer
            && (!seen.spec.suspend || seen.observed.is_leaving)
            && !spec.allow_unordered;
        let mut members = self.members(&work, names);
        let of_stage = names.iter().filter(|(place, _)| self.is_of(&work, *place));
        for (member, (place, name)) in members.iter_mut().zip(of_stage) {
            let deployment = &self.deployments[name];
            let is_well = matches!(deployment.state(self.live(*place).as_deref()), RolloutState::Complete(_));
            let goes_at_once = work.heading == Heading::Back
                && deployment.gate.is_none()
                && (deployment.is_paused || !is_well);
            if member.way != Way::Before || goes_at_once {
                member.way = Way::Under;
            }
        }
        let is_meant = places
            && self.is_of(&work, place)
            && !self.is_given(&work, place)
            && to_gate(&members, self.most(stage)).contains(name);
        is_meant.then(|| Gate {
            code_sync: seen.observed.uid.clone(),
            promotion: promotion.id.clone(),
            since: self.world.now.into(),
        })
    }

    pub(super) fn may_lift(
        &self,
        seen: &Snapshot,
        place: Place,
        gate: &Gate,
        names: &[(Place, String)],
    ) -> bool {
        let name = self.name(place);
        let live = self.live(place);
        let deployment = &self.deployments[&name];
        if deployment.template != live {
            return false;
        }
        let is_holder = seen.observed.uid == gate.code_sync;
        let work = Self::work(seen)
            .filter(|work| is_holder && work.promotion.id == gate.promotion && self.is_of(work, place));
        if let Some(work) = work {
            let is_given = self.is_given(&work, place);
            if work.heading == Heading::Forth
                && !is_given
                && self.needs_no_gates(seen, work.stage, work.promotion)
            {
                return deployment.newest == live;
            }
            if work.heading == Heading::Back && is_given && deployment.newest == live {
                return true;
            }
            let is_any = seen.spec.stages.as_ref().unwrap()[work.stage].allow_unordered;
            let members = self.members(&work, names);
            return is_given && (is_any || to_lift(&members, self.most(work.stage)).contains(name.as_str()));
        }
        let was_rolled_out = deployment.newest == live;
        let promotion = seen.status.promotion.as_ref();
        let is_ending = promotion.is_some_and(|it| it.outcome.is_none() && it.ending.is_some());
        let is_given_up =
            is_holder && (is_ending || (seen.observed.is_leaving && seen.observed.has_finalizer));
        was_rolled_out || (!is_given_up && self.is_proven_by_others(place, names))
    }

    /// The stage waits for something that may take days, and nothing of it is written.
    fn needs_no_gates(&self, seen: &Snapshot, stage: usize, promotion: &PromotionStatus) -> bool {
        let is_written = |target: &Target| {
            let record = target.applied.as_ref().filter(|record| record.code_sync == seen.observed.uid);
            record.is_some_and(|record| record.promotion == promotion.id)
        };
        matches!(seen.status.stages[stage].phase, StagePhase::Pending | StagePhase::Held)
            && !self.world.stages[stage].iter().any(is_written)
    }

    /// All that take their code from the same object and are not held back run it, and it is this one's turn.
    fn is_proven_by_others(&self, place: Place, names: &[(Place, String)]) -> bool {
        let of_target =
            names.iter().filter(|(other, _)| (other.stage, other.target) == (place.stage, place.target));
        let members: Vec<Member<'_>> = of_target
            .map(|(other, name)| Member {
                name,
                is_authority: self.is_authority(*other),
                is_gated: self.deployments[name].is_gated(),
                has_pods: true,
                way: self.way(name, self.live(*other).as_deref()),
            })
            .collect();
        let mut others = members.iter().filter(|member| !member.is_gated);
        let is_done = |member: &Member<'_>| matches!(member.way, Way::Done { .. });
        let name = self.name(place);
        others.clone().all(is_done)
            && others.next().is_some()
            && to_lift(&members, std::num::NonZeroU32::new(1)).contains(name.as_str())
    }
}
