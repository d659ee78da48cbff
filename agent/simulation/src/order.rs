//! Who is held back, and whose turn it is: what the reconciler does, which is never late here.
//!
//! The rules are those of [`voxsync_rollout::order`]; here is only what the model world says to them.

use std::{collections::BTreeSet, num::NonZeroU32};

use voxsync_crds::{
    annotations::Gate,
    code_sync::{
        Adopt, CodeSyncSpec, CodeSyncStatus, PromotionStatus, Stage, StagePhase, StageStatus, Trigger,
    },
};
use voxsync_rollout::order::{Hold, Member, Way, goes_back_at_once, to_gate, to_lift};

use crate::cluster::{Cluster, Deployment, Target};

/// Which way a stage goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heading {
    Forth,
    Back,
}

/// What a promotion works on.
struct Work<'a> {
    uid: &'a str,
    status: &'a CodeSyncStatus,
    promotion: &'a PromotionStatus,
    heading: Heading,
    stage: usize,
    spec: &'a Stage,
    phase: StagePhase,
    adopt: Adopt,
}

/// What is to be done now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Whose Deployments are to be held back.
    pub(crate) hold: Vec<String>,
    /// Whose are to be let go.
    pub(crate) lift: Vec<String>,
}

/// What the reconciler would do now.
pub(crate) fn turn(
    (spec, status, uid): (&CodeSyncSpec, &CodeSyncStatus, &str),
    has_finalizer: bool,
    cluster: &Cluster,
) -> Turn {
    let stages = spec.ordered_stages();
    let work = Work::of(&stages, (status, uid), spec.adopt.unwrap_or_default());
    let places = has_finalizer && !spec.suspend;
    Turn {
        hold: work
            .as_ref()
            .filter(|work| places && work.places_gates())
            .map_or_else(Vec::new, |work| work.hold(cluster)),
        lift: lift(work.as_ref(), cluster),
    }
}

fn lift(work: Option<&Work<'_>>, cluster: &Cluster) -> Vec<String> {
    let gated = cluster.deployments.iter().filter_map(|(name, it)| Some((name, it, it.gate.as_ref()?)));
    // Asked once for all of them: nothing changes between them.
    let kept = work.map_or_else(BTreeSet::new, |work| work.kept(cluster));
    let may = |name: &str, deployment: &Deployment, gate: &Gate| match work {
        Some(work) if work.promotion.id == gate.promotion && work.stage == deployment.stage => {
            !kept.contains(name)
        }
        Some(work) if work.heading == Heading::Back => deployment.newest == deployment.template,
        _ => true,
    };
    gated
        .filter(|(name, deployment, gate)| may(name, deployment, gate))
        .map(|(name, ..)| name.clone())
        .collect()
}

impl<'a> Work<'a> {
    fn of(stages: &'a [Stage], (status, uid): (&'a CodeSyncStatus, &'a str), adopt: Adopt) -> Option<Self> {
        let promotion = status.promotion.as_ref().filter(|promotion| promotion.outcome.is_none())?;
        let heading = if promotion.ending.is_some() { Heading::Back } else { Heading::Forth };
        let mut known = status.stages.iter();
        let is_open = |stage: &StageStatus| stage.promotion.as_ref() != Some(&promotion.id);
        let stage = match (heading, promotion.trigger) {
            (Heading::Back, _) => known.position(|stage| stage.phase == StagePhase::RollingBack),
            (Heading::Forth, Trigger::Rollback) => known.rposition(is_open),
            (Heading::Forth, _) => known.position(is_open),
        }?;
        let (spec, phase) = (stages.get(stage)?, status.stages.get(stage)?.phase);
        Some(Self { uid, status, promotion, heading, stage, spec, phase, adopt })
    }

    fn places_gates(&self) -> bool {
        let asks = match self.heading {
            Heading::Forth => StagePhase::Gating,
            Heading::Back => StagePhase::RollingBack,
        };
        self.phase == asks && !self.spec.allow_unordered
    }

    fn most(&self) -> Option<NonZeroU32> {
        self.spec.max_concurrent.and_then(NonZeroU32::new)
    }

    /// Whether a target says what the stage goes to.
    fn is_given(&self, target: &Target) -> bool {
        let image = target.live.image.as_deref();
        let record = target.applied.as_ref().filter(|record| record.code_sync == self.uid);
        match self.heading {
            Heading::Forth => image.is_some_and(|image| self.promotion.is_on(image, record, self.adopt)),
            Heading::Back => !image
                .zip(record)
                .is_some_and(|(image, record)| self.promotion.is_to_leave(image, record, self.status)),
        }
    }

    /// The Servers of the stage, each with whether it has been given what the stage goes to.
    fn servers<'c>(&self, cluster: &'c Cluster) -> Vec<(&'c str, &'c Deployment, bool)> {
        let targets = cluster.stages.get(self.stage).into_iter().flatten();
        let servers = targets.flat_map(|target| {
            let is_given = self.is_given(target);
            target
                .servers
                .iter()
                .filter_map(move |name| Some((name.as_str(), cluster.deployments.get(name)?, is_given)))
        });
        servers.collect()
    }

    /// Whose Deployments are to be held back and are not.
    fn hold(&self, cluster: &Cluster) -> Vec<String> {
        let servers = self.servers(cluster);
        let member = |(name, deployment, is_given): &(&'_ str, &Deployment, bool)| -> (String, bool, bool) {
            let hold = deployment.gate.as_ref().map(|_| Hold::Gate);
            let (state, _) = deployment.state(name);
            let goes_at_once = self.heading == Heading::Back && goes_back_at_once(Some(&state), hold);
            ((*name).to_owned(), deployment.is_authority, *is_given || goes_at_once)
        };
        let named: Vec<(String, bool, bool)> = servers.iter().map(member).collect();
        let members: Vec<Member<'_>> = named
            .iter()
            .map(|(name, is_authority, is_under)| Member {
                name,
                is_authority: *is_authority,
                is_gated: false,
                has_pods: true,
                way: if *is_under { Way::Under } else { Way::Before },
            })
            .collect();
        let needed = to_gate(&members, self.most());
        let missing = servers.iter().filter(|(name, deployment, is_given)| {
            !is_given && deployment.gate.is_none() && needed.contains(name)
        });
        missing.map(|(name, ..)| (*name).to_owned()).collect()
    }

    /// Which Servers of the stage stay held back, if they are.
    fn kept<'c>(&self, cluster: &'c Cluster) -> BTreeSet<&'c str> {
        let servers = self.servers(cluster);
        let needs_gates = self.heading == Heading::Back || !self.needs_no_gates(cluster);
        let member = |(name, deployment, is_given): &(&'c str, &Deployment, bool)| Member {
            name,
            is_authority: deployment.is_authority,
            is_gated: deployment.gate.is_some(),
            has_pods: true,
            way: way(deployment, *is_given),
        };
        let members: Vec<Member<'_>> = servers.iter().map(member).collect();
        let turn = to_lift(&members, self.most());
        let may = |(name, deployment, is_given): &(&str, &Deployment, bool)| {
            let has_newest = deployment.newest == deployment.template;
            match self.heading {
                Heading::Forth if !is_given && !needs_gates => has_newest,
                Heading::Back if *is_given && has_newest => true,
                Heading::Forth | Heading::Back => {
                    *is_given && (self.spec.allow_unordered || turn.contains(name))
                }
            }
        };
        servers.iter().filter(|server| !may(server)).map(|(name, ..)| *name).collect()
    }

    /// Whether the stage waits for something that may take days, and nothing of it is written.
    fn needs_no_gates(&self, cluster: &Cluster) -> bool {
        let is_written = |target: &Target| {
            let record = target.applied.as_ref().filter(|record| record.code_sync == self.uid);
            record.is_some_and(|record| record.promotion == self.promotion.id)
        };
        let mut targets = cluster.stages.get(self.stage).into_iter().flatten();
        matches!(self.phase, StagePhase::Pending | StagePhase::Held) && !targets.any(is_written)
    }
}

fn way(deployment: &Deployment, is_given: bool) -> Way {
    match () {
        () if !is_given => Way::Before,
        () if deployment.is_complete() && deployment.gate.is_none() => Way::Done { ready: 1 },
        () if deployment.is_stopped() => Way::Stopped,
        () => Way::Under,
    }
}
