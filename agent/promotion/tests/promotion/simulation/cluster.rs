//! Deployments: pod templates that the reconciler writes, and pods that follow, unless they are paused.

use std::{collections::BTreeSet, num::NonZeroU32};

use voxsync_crds::annotations::Gate;
use voxsync_rollout::{
    order::Way,
    state::{Progress, RolloutState, Stuck, StuckImage},
};

use super::{Simulation, foreign::OUTSIDE, is_bad};
use crate::world::Fate;

/// What the pod of the newest code does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pod {
    #[default]
    Ready,
    /// It was ready, and will be again.
    Restarts,
    Starts,
    Sticks,
}

/// A Server's Deployment with one pod.
#[allow(clippy::struct_excessive_bools, reason = "each is another thing that may have happened to it")]
#[derive(Clone, Debug, Default)]
pub(super) struct Deployment {
    pub template: Option<String>,
    /// The code of its newest `ReplicaSet`.
    pub newest: Option<String>,
    pub pod: Pod,
    pub is_paused: bool,
    pub gate: Option<Gate>,
    /// Its node cannot pull what it has not pulled before.
    pub is_stranded: bool,
    pub pulled: BTreeSet<String>,
    /// Somebody meddled with it since the leader wrote its code: its order is nobody's fault.
    pub is_excused: bool,
    /// It did not run well what it was to give back, so that it was not held back for that.
    pub went_back_at_once: bool,
    /// It joined a stage that was not worked on: nothing is held back for a part of a stage.
    pub is_joiner: bool,
    /// What its template still has from then: the leader wrote other code, which is not in there yet.
    pub excused_template: Option<String>,
}

impl Deployment {
    pub(super) fn state(&self, live: Option<&str>) -> RolloutState {
        let progress = |ready| Progress { updated: 1, ready, wanted: 1 };
        let has_newest = self.newest == self.template;
        match () {
            () if self.template.as_deref() != live => RolloutState::Pending,
            () if has_newest && self.pod == Pod::Ready => RolloutState::Complete(progress(1)),
            () if self.is_paused && self.gate.is_none() => RolloutState::PausedByPerson,
            () if self.is_paused && !has_newest => RolloutState::Gated(progress(0)),
            () if has_newest && self.pod == Pod::Sticks => RolloutState::Stuck(Stuck {
                reason: "ImagePullBackOff".into(),
                pod: "pod".into(),
                message: "manifest unknown".into(),
                image: StuckImage::Code,
            }),
            () => RolloutState::Progressing(progress(0)),
        }
    }

    /// The leader writes its code.
    pub(super) fn is_written(&mut self, code: Option<&str>, is_excused: bool) {
        let was_excused = self.is_excused || self.excused_template.is_some();
        let template = self.template.clone().filter(|template| Some(template.as_str()) != code);
        self.excused_template = template.filter(|_| was_excused);
        self.is_excused = is_excused;
        self.went_back_at_once = false;
        self.is_joiner = false;
    }

    pub(super) fn is_gated(&self) -> bool {
        self.is_paused && self.gate.is_some()
    }
}

/// Where a Server is in the world: its stage, target and place there.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub stage: usize,
    pub target: usize,
    pub server: usize,
}

impl Simulation {
    /// Each Server has a Deployment that runs what its target says.
    pub(super) fn deploy(&mut self) {
        for place in self.places() {
            let target = &self.targets(place.stage)[place.target];
            let live = target.live.image.clone();
            let server = &target.servers[place.server];
            let name = server.name.clone();
            if self.deployments.contains_key(&name) {
                continue;
            }
            self.ran.extend(live.iter().map(|code| (place.stage, code.clone())));
            let (template, newest) = (live.clone(), live);
            // What runs was pulled.
            let pulled = template.iter().cloned().collect();
            let deployment = Deployment { template, newest, pulled, ..Deployment::default() };
            self.deployments.insert(name, deployment);
        }
        self.show();
    }

    pub(super) fn places(&self) -> Vec<Place> {
        let mut places = Vec::new();
        for stage in 0..=OUTSIDE {
            for (target, one) in self.targets(stage).iter().enumerate() {
                places.extend((0..one.servers.len()).map(|server| Place { stage, target, server }));
            }
        }
        places
    }

    pub(super) fn name(&self, place: Place) -> String {
        self.targets(place.stage)[place.target].servers[place.server].name.clone()
    }

    pub(super) fn live(&self, place: Place) -> Option<String> {
        self.targets(place.stage)[place.target].live.image.clone()
    }

    pub(super) fn is_authority(&self, place: Place) -> bool {
        self.targets(place.stage)[place.target].servers[place.server].is_authority
    }

    pub(super) fn deployment(&mut self, name: &str) -> &mut Deployment {
        self.deployments.get_mut(name).unwrap()
    }

    /// Lets the model world see the Deployments as they are.
    pub(super) fn show(&mut self) {
        for target in self.world.stages.iter_mut().flatten().chain(&mut self.foreign.outside) {
            let live = target.live.image.clone();
            for server in &mut target.servers {
                let deployment = &self.deployments[&server.name];
                server.fate = Fate::Is(deployment.state(live.as_deref()));
                server.is_paused = deployment.is_paused;
                server.gate.clone_from(&deployment.gate);
                if !deployment.is_paused {
                    server.gate = None;
                }
            }
        }
    }

    pub(super) fn way(&self, name: &str, live: Option<&str>) -> Way {
        let deployment = &self.deployments[name];
        match deployment.state(live) {
            RolloutState::Complete(_) if !deployment.is_gated() => Way::Done { ready: 1 },
            RolloutState::Stuck(_) | RolloutState::PausedByPerson => Way::Stopped,
            _ => Way::Under,
        }
    }

    pub(super) fn most(&self, stage: usize) -> Option<NonZeroU32> {
        self.world.spec.stages.as_ref().unwrap()[stage].max_concurrent.and_then(NonZeroU32::new)
    }

    /// Deployments and pods go on; reliably, or as chance wants it. Tells whether something changed.
    pub(super) fn roll(&mut self, reliably: bool) -> bool {
        let mut changed = false;
        for place in self.places() {
            let (stays, flaps) = (self.chance.percent(25) && !reliably, self.chance.percent(1) && !reliably);
            let name = self.name(place);
            let deployment = self.deployment(&name);
            if !deployment.is_paused && deployment.newest != deployment.template {
                deployment.newest.clone_from(&deployment.template);
                deployment.pod = Pod::Starts;
                changed = true;
                self.check_start(place);
            } else if deployment.pod == Pod::Ready && flaps {
                deployment.pod = Pod::Restarts;
            } else if deployment.pod != Pod::Ready && !stays {
                let (newest, before) = (deployment.newest.clone(), deployment.pod);
                let is_pulled = newest.as_ref().is_none_or(|code| deployment.pulled.contains(code));
                let sticks = newest.as_deref().is_some_and(is_bad) || (deployment.is_stranded && !is_pulled);
                deployment.pod = if sticks { Pod::Sticks } else { Pod::Ready };
                changed |= deployment.pod != before;
                if !sticks {
                    deployment.pulled.extend(newest.clone());
                    self.ran.extend(newest.map(|code| (place.stage, code)));
                }
            }
        }
        self.show();
        changed
    }
}
