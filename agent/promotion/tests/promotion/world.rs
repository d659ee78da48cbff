//! A model world: targets, Servers that roll, a store for status and releases, and a clock that is moved by hand.

use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use voxsync_crds::{
    CodeReference,
    annotations::{Applied, Gate},
    code_release::CodeReleaseSpec,
    code_sync::{
        CandidateStatus, CodeSyncSpec, CodeSyncStatus, ConditionStatus, Outcome, StagePhase, TargetKind,
    },
};
use voxsync_promotion::{
    Action, Awaited, ClaimedBy, Gatekeeper, LastWriter, Live, Observed, ObservedSource, ObservedTarget,
    PausedBy, RefusedWrite, ServerRollout, TargetKey, TargetProblem, TargetWrite, awaited, step,
};
use voxsync_rollout::state::{Progress, RolloutState, Stuck, StuckImage};

pub const REPOSITORY: &str = "ghcr.io/example/puppet-code";
pub const UID: &str = "0c8f9d2e-1111-2222-3333-444455556666";
const MOST_STEPS: usize = 200;

/// The digest that a name stands for: the same name, the same digest.
pub fn digest(name: &str) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in name.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("sha256:{}", format!("{hash:016x}").repeat(4))
}

/// A tag with the digest of its name, as voxsync writes it.
pub fn reference(tag: &str) -> String {
    format!("{REPOSITORY}:{tag}@{}", digest(tag))
}

/// What a look finds: a tag with the digest of its name.
pub fn candidate(tag: &str) -> CandidateStatus {
    candidate_at(tag, &digest(tag))
}

pub fn candidate_at(tag: &str, digest: &str) -> CandidateStatus {
    CandidateStatus {
        name: tag.into(),
        reference: format!("{REPOSITORY}:{tag}@{digest}"),
        repository: REPOSITORY.into(),
        tag: Some(tag.into()),
        digest: digest.into(),
        source_revision: Some(tag.into()),
        ..CandidateStatus::default()
    }
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A spec that follows versions, with the stages of `[(name, [target], soak)]`.
pub fn staged(stages: &Value) -> CodeSyncSpec {
    serde_json::from_value(json!({
        "source": {"registry": {"repository": REPOSITORY, "tag": {"semver": ">=1.0.0"}}},
        "stages": stages,
    }))
    .unwrap()
}

/// The spec of most tests: a canary that soaks for ten minutes, then production.
pub fn canary_and_production() -> CodeSyncSpec {
    staged(&json!([
        {"name": "canary", "targets": [{"kind": "Server", "name": "canary"}], "soak": "10m"},
        {"name": "production", "targets": [{"kind": "Config", "name": "production"}]},
    ]))
}

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
            live: Live { image: live, claim: None },
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

    /// Somebody else writes the code.
    pub fn changed_by(&mut self, manager: &str, image: Option<&str>, time: Timestamp) {
        self.live = Live { image: image.map(str::to_owned), claim: None };
        self.writer = Some(LastWriter { manager: manager.into(), time: Some(time) });
    }

    /// It is in another namespace, and withdraws its consent: nothing is seen any more but what we wrote.
    pub fn shut(&mut self) {
        let (reason, message) = (TargetProblem::NO_CONSENT, "it does not let this one in".to_owned());
        self.problem = Some(TargetProblem { reason, message, stalled: false });
        self.servers.clear();
    }

    /// A conditional write, as the API server carries it out: `false` if it is refused.
    pub fn accept(&mut self, write: &TargetWrite, time: Timestamp) -> bool {
        if self.live != write.expected || self.applied != write.expected_applied {
            return false;
        }
        self.live = Live { image: write.applied.reference.clone(), claim: None };
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
        ObservedTarget {
            key: self.key.clone(),
            live: self.problem.clone().map_or_else(|| Ok(self.live.clone()), Err),
            refused: self.refused.clone(),
            applied: self.applied.clone(),
            claims: self.claimed_by.clone().map(|code_sync| ClaimedBy { code_sync }),
            paused: self.paused,
            writer: self.writer.clone(),
            servers: self.servers.iter().map(rollout).collect(),
            created: self.created,
        }
    }
}

/// Everything that a step sees or changes.
pub struct World {
    pub spec: CodeSyncSpec,
    pub status: CodeSyncStatus,
    pub observed: Observed,
    pub stages: Vec<Vec<Target>>,
    pub releases: Vec<CodeReleaseSpec>,
    pub now: Timestamp,
    /// Every event so far, `Reason: message`.
    pub events: Vec<String>,
    /// Every write so far, `Kind/name=tag`.
    pub writes: Vec<String>,
    pub status_writes: usize,
    pub wake_at: Option<Timestamp>,
    /// Whether tags that are to be asked for again are, at once.
    pub confirms: bool,
    /// Whether no record can be written.
    pub refuses_records: bool,
}

impl World {
    pub fn new(spec: CodeSyncSpec, stages: Vec<Vec<Target>>) -> Self {
        let observed = Observed {
            name: "production".into(),
            namespace: "puppet".into(),
            uid: UID.into(),
            generation: 1,
            requested_at: None,
            resume: None,
            approve: None,
            approved_by: None,
            rollback: None,
            release_quarantine: None,
            checks: Vec::new(),
            is_leaving: false,
            has_finalizer: false,
            gatekeeper: Gatekeeper::Present,
            source: ObservedSource { looked: true, ..ObservedSource::default() },
            pin: None,
            keys: None,
            judged: Vec::new(),
            unverified: Vec::new(),
            stages: Vec::new(),
            recorded: false,
            record_refused: None,
            released: Vec::new(),
            last_release_hash: None,
            invalid: None,
        };
        Self {
            spec,
            status: CodeSyncStatus::default(),
            observed,
            stages,
            releases: Vec::new(),
            now: at("2026-11-22T14:00:00Z"),
            events: Vec::new(),
            writes: Vec::new(),
            status_writes: 0,
            wake_at: None,
            confirms: true,
            refuses_records: false,
        }
    }

    /// Canary and production, each with one Server, both on v1.4.2, adopted.
    pub fn canary_and_production() -> Self {
        let mut world = Self::new(
            canary_and_production(),
            vec![
                vec![Target::new(TargetKind::Server, "canary", Some(reference("v1.4.2")), &["canary"])],
                vec![Target::new(TargetKind::Config, "production", Some(reference("v1.4.2")), &["compile"])],
            ],
        );
        world.finds("v1.4.2");
        world.settle();
        world
    }

    /// The same, after v1.4.2 was promoted by us, so that there are records.
    pub fn promoted() -> Self {
        let mut world = Self::new(
            canary_and_production(),
            vec![
                vec![Target::new(TargetKind::Server, "canary", None, &["canary"])],
                vec![Target::new(TargetKind::Config, "production", None, &["compile"])],
            ],
        );
        world.finds("v1.4.2");
        world.settle();
        world.passes(600);
        world.settle();
        assert_eq!(world.deployed(), "v1.4.2");
        world.forget();
        world
    }

    /// One stage: a Config with a Server and a certificate authority, on v1.4.2, adopted.
    pub fn with_authority() -> Self {
        let stages = json!([{"name": "all", "targets": [{"kind": "Config", "name": "production"}]}]);
        let live = Some(reference("v1.4.2"));
        let target = Target::new(TargetKind::Config, "production", live, &["compile", "ca"]);
        let mut world = Self::new(staged(&stages), vec![vec![target]]);
        world.server("ca").is_authority = true;
        world.finds("v1.4.2");
        world.settle();
        world.forget();
        world
    }

    /// What fails stays as it is: only a person gives it back.
    pub fn gives_back_by_hand(&mut self) {
        self.spec.rollback = Some(serde_json::from_value(json!({"mode": "Manual"})).unwrap());
    }

    pub fn server(&mut self, name: &str) -> &mut Server {
        let mut servers = self.stages.iter_mut().flatten().flat_map(|target| &mut target.servers);
        servers.find(|server| server.name == name).expect("such a Server")
    }

    /// The reconciler holds these back for the promotion under way.
    pub fn hold_back(&mut self, servers: &[&str]) {
        let (now, promotion) = (self.now, self.status.promotion.as_ref().expect("a promotion").id.clone());
        for name in servers {
            self.server(name).hold_back(&promotion, now);
        }
    }

    /// Settles, and settles again with these held back.
    pub fn settle_gating(&mut self, servers: &[&str]) {
        self.settle();
        assert!(self.phases().contains(&StagePhase::Gating), "{:?}", self.status.waiting);
        self.hold_back(servers);
        self.settle();
    }

    /// Steps until the promotion goes back.
    pub fn settle_until_rolling_back(&mut self) {
        self.settle_until_rolling_back_but_for(|_| {});
    }

    /// Steps until the promotion goes back; then somebody does something, and it settles.
    pub fn settle_until_rolling_back_but_for(&mut self, does: impl FnOnce(&mut Self)) {
        while self.status.promotion.as_ref().is_none_or(|promotion| promotion.ending.is_none()) {
            assert!(self.step(), "it does not go back: {:#?}", self.status);
        }
        does(self);
        if self.spec.suspend {
            self.settle();
        }
    }

    /// How many are held back, as the status of the stage says it.
    pub fn held(&self, stage: usize) -> u32 {
        self.status.stages[stage].gates.as_ref().map_or(0, |gates| gates.held)
    }

    pub fn canary(&mut self) -> &mut Target {
        &mut self.stages[0][0]
    }

    pub fn production(&mut self) -> &mut Target {
        &mut self.stages[1][0]
    }

    /// The next look finds this tag.
    pub fn finds(&mut self, tag: &str) {
        self.finds_candidate(candidate(tag));
    }

    pub fn finds_candidate(&mut self, candidate: CandidateStatus) {
        self.observed.source.revision.clone_from(&candidate.tag);
        self.observed.source.candidate = Some(candidate);
    }

    /// A person pins a tag, and it can be resolved.
    pub fn pins(&mut self, tag: &str) {
        let pin = json!({"reference": format!("{REPOSITORY}:{tag}"), "reason": "because"});
        self.spec.pin = Some(serde_json::from_value(pin).unwrap());
        self.observed.pin = Some(Ok(candidate(tag)));
        self.observed.generation += 1;
    }

    pub fn unpins(&mut self) {
        self.spec.pin = None;
        self.observed.pin = None;
        self.observed.generation += 1;
    }

    pub fn passes(&mut self, seconds: i64) {
        self.now = self.now.checked_add(seconds.seconds()).unwrap();
    }

    pub fn forget(&mut self) {
        self.events.clear();
        self.writes.clear();
        self.status_writes = 0;
    }

    pub fn observe(&self) -> Observed {
        let observe = |stage: &Vec<Target>| stage.iter().map(Target::observe).collect();
        let is_recorded = |id: &str| self.releases.iter().any(|release| release.promotion == id);
        Observed {
            stages: self.stages.iter().map(observe).collect(),
            recorded: self.status.promotion.as_ref().is_some_and(|promotion| is_recorded(&promotion.id)),
            released: self.released(),
            last_release_hash: self.releases.last().map(|release| digest(&release.promotion)),
            source: ObservedSource {
                confirmed: [self.observed.source.confirmed.clone(), self.confirmed()].concat(),
                ..self.observed.source.clone()
            },
            ..self.observed.clone()
        }
    }

    fn released(&self) -> Vec<CodeReference> {
        let released = self.releases.iter().rev().filter(|release| release.outcome == Outcome::Released);
        let references = released.map(|release| {
            let CandidateStatus { repository, tag, digest, .. } = &release.candidate;
            CodeReference::new(repository, tag.as_deref(), Some(digest)).unwrap()
        });
        references.collect()
    }

    /// What tags are that were asked for again: what the source finds, or else what they were.
    fn confirmed(&self) -> Vec<CodeReference> {
        let source = &self.observed.source;
        let is_due = |one: &Awaited| self.confirms && one.from.is_some_and(|from| from <= self.now);
        let due = awaited(&self.spec, &self.status, true).into_iter().filter(is_due);
        let known = || source.candidate.iter().chain(&source.next_best).chain(&self.status.ripening);
        due.filter_map(|one| {
            let tag = one.reference.tag();
            let digest = known().find(|known| known.tag.as_deref() == tag).map(|known| known.digest.as_str());
            CodeReference::new(one.reference.repository(), tag, digest).ok()
        })
        .collect()
    }

    /// One step, stored and carried out; `false` if it changed nothing.
    pub fn step(&mut self) -> bool {
        let taken = step(&self.spec, &self.status, &self.observe(), self.now);
        let stored = taken.status != self.status;
        if stored {
            // What is stored must be what is read back.
            let json = serde_json::to_string(&taken.status).unwrap();
            self.status = serde_json::from_str(&json).unwrap();
            assert_eq!(
                self.status, taken.status,
                "a status that changes when it is read back is written for ever"
            );
            self.status_writes += 1;
        }
        self.wake_at = taken.wake_at;
        let mut actions = taken.actions;
        actions.retain(|action| !(self.refuses_records && matches!(action, Action::Record(_))));
        let quiet = actions.is_empty() && !stored;
        for action in actions {
            self.carry_out(action);
        }
        self.roll();
        !quiet
    }

    fn carry_out(&mut self, action: Action) {
        let now = self.now;
        match action {
            Action::Event { reason, message, .. } => self.events.push(format!("{reason}: {message}")),
            Action::Finalizer(wanted) => {
                assert_ne!(self.observed.has_finalizer, wanted, "a write that changes nothing");
                self.observed.has_finalizer = wanted;
            }
            Action::Record(release) => {
                if self.releases.iter().all(|known| known.promotion != release.promotion) {
                    self.releases.push(*release);
                }
            }
            Action::Write(write) => {
                let reference = write.applied.reference.as_deref();
                let reference = reference.map(|it| CodeReference::parse(it).unwrap());
                let tag = reference.as_ref().map_or("-", |reference| reference.tag().unwrap_or("?"));
                self.writes.push(format!("{}={tag}", write.target));
                let mut targets = self.stages.iter_mut().flatten();
                let target = targets.find(|target| target.key == write.target).unwrap();
                assert!(target.accept(&write, now), "nobody else writes in between");
            }
        }
    }

    fn roll(&mut self) {
        for target in self.stages.iter_mut().flatten() {
            let runs = |server: &&mut Server| server.fate == Fate::Runs && !server.is_paused;
            for server in target.servers.iter_mut().filter(runs) {
                server.runs.clone_from(&target.live.image);
            }
        }
    }

    /// Steps until nothing changes any more.
    pub fn settle(&mut self) {
        self.roll();
        for _ in 0..MOST_STEPS {
            if !self.step() {
                return;
            }
        }
        panic!("no rest after {MOST_STEPS} steps: {:#?}", self.status);
    }

    pub fn tags(&self) -> Vec<String> {
        let tag = |target: &Target| {
            let reference = CodeReference::parse(target.live.image.as_deref()?).ok()?;
            reference.tag().map(str::to_owned)
        };
        self.stages.iter().flatten().map(|target| tag(target).unwrap_or_else(|| "-".into())).collect()
    }

    pub fn deployed(&self) -> &str {
        self.status.deployed.as_ref().map_or("-", |deployed| &deployed.name)
    }

    pub fn summary(&self) -> &str {
        self.status.summary.as_deref().unwrap_or("-")
    }

    pub fn phases(&self) -> Vec<StagePhase> {
        self.status.stages.iter().map(|stage| stage.phase).collect()
    }

    pub fn reasons(&self) -> Vec<&str> {
        self.status.waiting.iter().map(|row| row.reason.as_str()).collect()
    }

    /// The message of the first waiting row of this reason.
    pub fn message(&self, reason: &str) -> &str {
        let row = self.status.waiting.iter().find(|row| row.reason == reason);
        row.map_or_else(|| panic!("no row {reason} in {:?}", self.status.waiting), |row| &row.message)
    }

    /// `True Reason`, or `-` where the condition is absent.
    pub fn condition(&self, kind: &str) -> String {
        let condition = self.status.conditions.iter().find(|condition| condition.kind == kind);
        condition.map_or_else(
            || "-".into(),
            |condition| {
                let status = match condition.status {
                    ConditionStatus::True => "True",
                    ConditionStatus::False => "False",
                    ConditionStatus::Unknown => "Unknown",
                };
                format!("{status} {}", condition.reason)
            },
        )
    }

    /// The reasons of all events so far.
    pub fn told(&self) -> Vec<&str> {
        self.events.iter().map(|event| event.split_once(": ").unwrap().0).collect()
    }

    /// The one event of this reason.
    pub fn event(&self, reason: &str) -> &str {
        let mut events = self.events.iter().filter(|event| event.starts_with(&format!("{reason}: ")));
        let event = events.next().unwrap_or_else(|| panic!("no event {reason} in {:#?}", self.events));
        assert_eq!(events.next(), None, "{reason} was told twice");
        event
    }
}
