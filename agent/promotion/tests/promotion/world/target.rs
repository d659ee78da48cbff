//! Targets, and the Servers that take their code from them.

use jiff::Timestamp;
use voxsync_crds::{
    annotations::{Applied, Gate},
    code_sync::TargetKind,
};
use voxsync_promotion::{
    ClaimedBy, LastWriter, Live, ObservedTarget, PausedBy, RefusedWrite, ServerRollout, TargetKey,
    TargetProblem, TargetWrite,
};
use voxsync_rollout::state::{Progress, RolloutState, Stuck, StuckImage};

use super::{UID, at};

/// What a Server's pods do with a reference that is new to them.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// They run it at once.
    Runs,
    /// They wait for [`Server::finish`].
    Rolls,
    /// They cannot.
    Sticks(&'static str),
    /// What this says, always.
    Is(RolloutState),
}

#[derive(Clone, Debug)]
pub struct Server {
    pub name: String,
    pub serves_code: bool,
    pub is_authority: bool,
    pub replicas: u32,
    pub fate: Fate,
    /// The reference that all of its pods run.
    pub runs: Option<String>,
    pub is_paused: bool,
    pub gate: Option<Gate>,
    pub why_not_held: Option<String>,
}

impl Server {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            serves_code: true,
            is_authority: false,
            replicas: 1,
            fate: Fate::Runs,
            runs: None,
            is_paused: false,
            gate: None,
            why_not_held: None,
        }
    }

    /// Holds the Deployment back, as the reconciler does it.
    pub fn hold_back(&mut self, promotion: &str, since: Timestamp) {
        let (code_sync, promotion) = (UID.to_owned(), promotion.to_owned());
        self.gate = Some(Gate { code_sync, promotion, since: since.into() });
        self.is_paused = true;
    }

    /// Lets the Deployment go.
    pub fn lift(&mut self) {
        self.gate = None;
        self.is_paused = false;
    }

    fn progress(&self, live: Option<&str>) -> Progress {
        match self.state(live) {
            RolloutState::Progressing(progress) | RolloutState::Complete(progress) => progress,
            _ => Progress { updated: 0, ready: 0, wanted: self.replicas },
        }
    }

    fn state(&self, live: Option<&str>) -> RolloutState {
        let progress = |ready| Progress { updated: self.replicas, ready, wanted: self.replicas };
        match &self.fate {
            Fate::Is(state) => state.clone(),
            _ if self.runs.as_deref() == live => RolloutState::Complete(progress(self.replicas)),
            _ if self.is_paused && self.gate.is_some() => RolloutState::Gated(progress(0)),
            _ if self.is_paused => RolloutState::PausedByPerson,
            Fate::Runs => RolloutState::Pending,
            Fate::Rolls => RolloutState::Progressing(progress(0)),
            Fate::Sticks(reason) => RolloutState::Stuck(Stuck {
                reason: (*reason).into(),
                pod: format!("{}-5d8f-x2x", self.name),
                message: "manifest unknown".into(),
                image: StuckImage::Code,
            }),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Target {
    pub key: TargetKey,
    pub live: Live,
    pub applied: Option<Applied>,
    pub problem: Option<TargetProblem>,
    pub refused: Option<RefusedWrite>,
    pub claimed_by: Option<String>,
    pub paused: bool,
    pub writer: Option<LastWriter>,
    pub created: Option<Timestamp>,
    pub servers: Vec<Server>,
}

impl Target {
    pub fn new(kind: TargetKind, name: &str, live: Option<String>, servers: &[&str]) -> Self {
        let servers = servers.iter().map(|name| Server { runs: live.clone(), ..Server::new(name) }).collect();
        Self {
            key: TargetKey { kind, namespace: None, name: name.into(), entry: None },
            live: Live { image: live, claim: None, generation: Some(1) },
            applied: None,
            problem: None,
            refused: None,
            claimed_by: None,
            paused: false,
            writer: None,
            created: Some(at("2026-01-01T00:00:00Z")),
            servers,
        }
    }

    /// Its code is another one: each change is a generation, also one back.
    pub fn says(&mut self, image: Option<String>) {
        let generation = self.live.generation.map(|generation| generation + 1);
        self.live = Live { image, claim: None, generation };
    }

    /// Somebody else writes the code.
    pub fn changed_by(&mut self, manager: &str, image: Option<&str>, time: Timestamp) {
        self.says(image.map(str::to_owned));
        self.writer = Some(LastWriter { manager: manager.into(), time: Some(time) });
    }

    /// It is in another namespace, and withdraws its consent: nothing is seen any more but what we wrote.
    pub fn shut(&mut self) {
        let (reason, message) = (TargetProblem::NO_CONSENT, "it does not let this one in".to_owned());
        self.problem = Some(TargetProblem { reason, message, stalled: false });
    }

    /// Whether it is in another namespace, and does not consent.
    pub fn is_shut(&self) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem.reason == TargetProblem::NO_CONSENT)
    }

    /// A conditional write, as the API server carries it out: `false` if it is refused.
    pub fn accept(&mut self, write: &TargetWrite, time: Timestamp) -> bool {
        if self.live != write.expected || self.applied != write.expected_applied {
            return false;
        }
        if self.live.image != write.applied.reference {
            self.says(write.applied.reference.clone());
        }
        self.applied = Some(write.applied.clone());
        self.writer = Some(LastWriter { manager: "voxsync".into(), time: Some(time) });
        true
    }

    pub fn observe(&self) -> ObservedTarget {
        let live = self.live.image.as_deref();
        let rollout = |server: &Server| ServerRollout {
            name: server.name.clone(),
            serves_code: server.serves_code,
            is_authority: server.is_authority,
            has_deployment: true,
            why_not_held: server.why_not_held.clone(),
            paused: server.is_paused.then(|| server.gate.clone().map_or(PausedBy::Person, PausedBy::Gate)),
            progress: server.progress(live),
            state: server.state(live),
        };
        let seen = ObservedTarget {
            key: self.key.clone(),
            live: self.problem.clone().map_or_else(|| Ok(self.live.clone()), Err),
            refused: self.refused.clone(),
            applied: self.applied.clone(),
            claims: self.claimed_by.clone().map(|code_sync| ClaimedBy { code_sync }),
            paused: self.paused,
            writer: self.writer.clone(),
            servers: self.servers.iter().map(rollout).collect(),
            created: self.created,
        };
        if !self.is_shut() {
            return seen;
        }
        ObservedTarget {
            claims: None,
            paused: false,
            writer: None,
            created: None,
            servers: Vec::new(),
            ..seen
        }
    }
}
