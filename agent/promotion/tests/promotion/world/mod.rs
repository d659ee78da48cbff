//! A model world: targets, Servers that roll, a store for status and releases, and a clock that is moved by hand.

mod begun;
mod names;
mod said;
mod target;

use jiff::{Timestamp, ToSpan};
use serde_json::json;
use voxsync_crds::{
    CodeReference,
    code_release::CodeReleaseSpec,
    code_sync::{CandidateStatus, CodeSyncSpec, CodeSyncStatus, Outcome},
};
use voxsync_promotion::{Action, Awaited, Gatekeeper, Observed, ObservedSource, awaited, step};

pub use names::*;
pub use target::{Fate, Server, Target};

pub const UID: &str = "0c8f9d2e-1111-2222-3333-444455556666";
const MOST_STEPS: usize = 200;

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
}
