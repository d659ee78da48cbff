//! Who runs what: the targets, their Servers' Deployments, and how far each is.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use voxsync_crds::{
    FIELD_MANAGER,
    annotations::{Applied, Gate},
    code_sync::TargetKey,
};
use voxsync_promotion::{LastWriter, Live, ObservedTarget, PausedBy, ServerRollout, TargetWrite};
use voxsync_rollout::state::{Progress, RolloutState, Stuck, StuckImage};

use crate::{
    estate::{Estate, EstateServer},
    happening::{Fault, Way},
    source::Source,
};

/// The pods that each Server has.
const PODS: u32 = 1;

/// A Config or Server, as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) key: TargetKey,
    pub(crate) live: Live,
    pub(crate) applied: Option<Applied>,
    writer: Option<LastWriter>,
    created: Timestamp,
    /// The names of its Servers.
    pub(crate) servers: Vec<String>,
}

/// A Server's Deployment.
#[derive(Clone, Debug)]
pub(crate) struct Deployment {
    pub(crate) stage: usize,
    pub(crate) is_authority: bool,
    /// The code of its pod template.
    pub(crate) template: Option<String>,
    /// The code of its newest pods.
    pub(crate) newest: Option<String>,
    /// The code that it last ran well.
    ran: Option<String>,
    /// The digest that this was: its tag may be pushed again.
    ran_digest: Option<String>,
    pod: Pod,
    pub(crate) gate: Option<Gate>,
}

/// What the newest pods do.
#[derive(Clone, Debug)]
enum Pod {
    Ready,
    Starts { until: Timestamp },
    Sticks { reason: String, message: String },
}

/// Servers that did the same at the same time.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    /// They run what they should.
    pub(crate) ready: Vec<String>,
    /// They cannot, by stage, and why.
    pub(crate) stuck: Vec<(usize, String, String)>,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// The targets of each stage.
    pub(crate) stages: Vec<Vec<Target>>,
    pub(crate) deployments: BTreeMap<String, Deployment>,
    /// The names of the stages.
    names: Vec<String>,
    rollout: SignedDuration,
}

impl Cluster {
    /// A cluster in which everybody runs the same, or nothing.
    pub(crate) fn new(
        estate: Estate,
        names: Vec<String>,
        (runs, rollout): (Option<&str>, SignedDuration),
        (source, start): (&Source, Timestamp),
    ) -> Self {
        let digest = runs.and_then(|runs| source.digest_of(runs));
        let runs = runs.map(str::to_owned);
        let mut deployments = BTreeMap::new();
        let mut stages = Vec::with_capacity(estate.stages.len());
        for (stage, targets) in estate.stages.into_iter().enumerate() {
            let mut of_stage = Vec::with_capacity(targets.len());
            for target in targets {
                let names = target.servers.iter().map(|server| server.name.clone()).collect();
                for EstateServer { name, is_authority } in target.servers {
                    let (template, newest, ran) = (runs.clone(), runs.clone(), runs.clone());
                    let ran_digest = digest.clone();
                    let deployment = Deployment {
                        stage,
                        is_authority,
                        template,
                        newest,
                        ran,
                        ran_digest,
                        pod: Pod::Ready,
                        gate: None,
                    };
                    deployments.entry(name).or_insert(deployment);
                }
                of_stage.push(Target {
                    key: target.key,
                    live: Live { image: runs.clone(), ..Live::default() },
                    applied: None,
                    writer: None,
                    created: start,
                    servers: names,
                });
            }
            stages.push(of_stage);
        }
        Self { stages, deployments, names, rollout }
    }

    /// Carries out a conditional write, as the API server does.
    pub(crate) fn write(&mut self, write: &TargetWrite, now: Timestamp) {
        let target = self.stages.iter_mut().flatten().find(|target| target.key == write.target);
        let Some(target) =
            target.filter(|target| target.live == write.expected && target.applied == write.expected_applied)
        else {
            return;
        };
        target.live.image.clone_from(&write.applied.reference);
        target.applied = Some(write.applied.clone());
        target.writer = Some(LastWriter { manager: FIELD_MANAGER.to_owned(), time: Some(now) });
        let servers = target.servers.clone();
        self.template(&servers, write.applied.reference.as_deref(), now);
    }

    /// Somebody else writes a target's code.
    pub(crate) fn change(&mut self, key: &str, reference: &str, manager: &str, now: Timestamp) {
        let mut targets = self.stages.iter_mut().flatten();
        let Some(target) = targets.find(|target| target.key.to_string() == key) else { return };
        target.live = Live { image: Some(reference.to_owned()), ..Live::default() };
        target.writer = Some(LastWriter { manager: manager.to_owned(), time: Some(now) });
        let servers = target.servers.clone();
        self.template(&servers, Some(reference), now);
    }

    /// The operator brings code into pod templates.
    fn template(&mut self, servers: &[String], code: Option<&str>, now: Timestamp) {
        for name in servers {
            let Some(deployment) = self.deployments.get_mut(name) else { continue };
            deployment.template = code.map(str::to_owned);
            if deployment.gate.is_none() {
                deployment.roll(now, self.rollout);
            }
        }
    }

    /// A Deployment is held back.
    pub(crate) fn hold(&mut self, name: &str, gate: Gate) {
        if let Some(deployment) = self.deployments.get_mut(name) {
            deployment.gate = Some(gate);
        }
    }

    /// A Deployment is let go.
    pub(crate) fn lift(&mut self, name: &str, now: Timestamp) {
        if let Some(deployment) = self.deployments.get_mut(name) {
            deployment.gate = None;
            deployment.roll(now, self.rollout);
        }
    }

    /// Pods whose time has come are ready, or cannot start.
    pub(crate) fn pass(&mut self, source: &Source, now: Timestamp) -> Moves {
        let mut moves = Moves::default();
        for (name, deployment) in &mut self.deployments {
            if !matches!(deployment.pod, Pod::Starts { until } if until <= now) {
                continue;
            }
            let stage = self.names.get(deployment.stage);
            let code = deployment.newest.as_deref();
            let fault = code.and_then(|code| source.fault(code));
            let here = |fault: &&Fault| fault.stage.is_none() || fault.stage.as_ref() == stage;
            if let Some(Fault { way: Way::Pod { reason, message }, .. }) = fault.filter(here) {
                moves.stuck.push((deployment.stage, name.clone(), format!("{reason}: {message}")));
                deployment.pod = Pod::Sticks { reason: reason.clone(), message: message.clone() };
            } else {
                moves.ready.push(name.clone());
                deployment.pod = Pod::Ready;
                if deployment.ran != deployment.newest {
                    deployment.ran.clone_from(&deployment.newest);
                    deployment.ran_digest = code.and_then(|code| source.digest_of(code));
                }
            }
        }
        moves
    }

    /// When the next pod is ready.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        let until = |deployment: &Deployment| match deployment.pod {
            Pod::Starts { until } => Some(until),
            Pod::Ready | Pod::Sticks { .. } => None,
        };
        self.deployments.values().filter_map(until).min()
    }

    /// The tags that the Servers of a stage run, as people read it.
    pub(crate) fn running(&self, source: &Source, stage: usize) -> String {
        let servers = self.deployments.values().filter(|deployment| deployment.stage == stage);
        let tags: BTreeSet<String> = servers.map(|server| server.runs(source)).collect();
        tags.into_iter().collect::<Vec<_>>().join(" and ")
    }

    /// Whether a Server's stage has others.
    pub(crate) fn has_company(&self, name: &str) -> bool {
        let stage = self.deployments.get(name).map(|deployment| deployment.stage);
        self.deployments.values().filter(|deployment| Some(deployment.stage) == stage).count() > 1
    }

    /// The stage of a target.
    pub(crate) fn stage_of(&self, key: &TargetKey) -> Option<usize> {
        self.stages.iter().position(|targets| targets.iter().any(|target| target.key == *key))
    }

    /// Whether a Deployment has other code to go over to than it runs.
    pub(crate) fn is_waiting(&self, name: &str) -> bool {
        self.deployments.get(name).is_some_and(|deployment| deployment.newest != deployment.template)
    }

    /// The targets as the agent sees them.
    pub(crate) fn observe(&self) -> Vec<Vec<ObservedTarget>> {
        let stage =
            |targets: &Vec<Target>| targets.iter().map(|target| self.observe_target(target)).collect();
        self.stages.iter().map(stage).collect()
    }

    fn observe_target(&self, target: &Target) -> ObservedTarget {
        let servers = target.servers.iter().filter_map(|name| {
            let deployment = self.deployments.get(name)?;
            let (state, progress) = deployment.state(name);
            Some(ServerRollout {
                name: name.clone(),
                serves_code: true,
                is_authority: deployment.is_authority,
                has_deployment: true,
                why_not_held: None,
                paused: deployment.gate.clone().map(PausedBy::Gate),
                progress,
                state,
            })
        });
        ObservedTarget {
            key: target.key.clone(),
            live: Ok(target.live.clone()),
            refused: None,
            applied: target.applied.clone(),
            claims: None,
            paused: false,
            writer: target.writer.clone(),
            created: Some(target.created),
            servers: servers.collect(),
        }
    }
}

impl Deployment {
    /// Its pods go over to what the template says. Those that still run the old code are there all the time, but for an
    /// authority's, which are recreated.
    fn roll(&mut self, now: Timestamp, rollout: SignedDuration) {
        if self.newest == self.template {
            return;
        }
        let is_back = self.ran == self.template && !self.is_authority;
        self.newest.clone_from(&self.template);
        let until = if is_back { now } else { now.saturating_add(rollout).unwrap_or(Timestamp::MAX) };
        self.pod = Pod::Starts { until };
    }

    /// What it runs, as people read it. An authority has no pods but the newest.
    fn runs(&self, source: &Source) -> String {
        if self.is_authority && !matches!(self.pod, Pod::Ready) {
            return "nothing".to_owned();
        }
        let pushed = self.ran_digest.as_deref().and_then(|digest| source.name_of_push(digest));
        pushed.unwrap_or_else(|| source.name_of(self.ran.as_deref()))
    }

    /// Whether it runs what its template says.
    pub(crate) fn is_complete(&self) -> bool {
        self.newest == self.template && matches!(self.pod, Pod::Ready)
    }

    /// Whether its newest pods cannot start.
    pub(crate) fn is_stopped(&self) -> bool {
        self.newest == self.template && matches!(self.pod, Pod::Sticks { .. })
    }

    /// As the reconciler sees it.
    pub(crate) fn state(&self, name: &str) -> (RolloutState, Progress) {
        let progress = |updated, ready| Progress { updated, ready, wanted: PODS };
        if self.newest != self.template {
            return (RolloutState::Gated(progress(0, 0)), progress(0, 0));
        }
        match &self.pod {
            Pod::Ready => (RolloutState::Complete(progress(PODS, PODS)), progress(PODS, PODS)),
            Pod::Starts { .. } => (RolloutState::Progressing(progress(PODS, 0)), progress(PODS, 0)),
            Pod::Sticks { reason, message } => {
                let stuck = Stuck {
                    reason: reason.clone(),
                    pod: format!("{name}-0"),
                    message: message.clone(),
                    image: StuckImage::Code,
                };
                (RolloutState::Stuck(stuck), progress(PODS, 0))
            }
        }
    }
}
