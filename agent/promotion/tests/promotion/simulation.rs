//! The machine in a hostile world, driven by a seed: rollouts that stick and flap, tags that vanish and move, people
//! who edit, pin, pause and suspend, processes that crash, answers that are lost, and an old leader that still
//! writes.
//!
//! After each write and each step the invariants are checked; at the end everything is mended, and all must come
//! to rest on the newest tag. A failing seed is printed with the last that happened; what it found becomes a test
//! of its own beside this one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use voxsync_crds::{
    CodeReference,
    code_sync::{CandidateStatus, CodeSyncSpec, CodeSyncStatus, Outcome, TargetKind},
    reference::is_same_code,
};
use voxsync_promotion::{Action, Observed, SourceProblem, Step, TargetProblem, TargetWrite, step};
use voxsync_rollout::state::{Progress, RolloutState};

use super::world::{Fate, REPOSITORY, Target, UID, World, candidate_at, digest, staged};

const SEEDS: std::ops::Range<u64> = 1..61;
const TICKS: usize = 400;
const STATUS_LIMIT_BYTES: usize = 64 * 1024;
const SOAK_SECONDS: i64 = 300;
const MOST_TARGETS_A_STAGE: usize = 4;

/// A small generator (xorshift64*): the same seed, the same story.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next()).unwrap() % limit
    }

    fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// What a person did to a target since we last wrote it.
#[derive(Clone, Copy, Debug, Default)]
struct Touched {
    /// The code is not what our record says.
    changed: bool,
    /// A person said to go on after that.
    told: bool,
    /// The code was written by somebody else at all.
    at_all: bool,
}

/// What a process read, and may act upon much later.
#[derive(Clone)]
struct Snapshot {
    spec: CodeSyncSpec,
    status: CodeSyncStatus,
    version: usize,
    observed: Observed,
}

struct Simulation {
    chance: Chance,
    world: World,
    /// The version of the stored status.
    version: usize,
    snapshots: Vec<Snapshot>,
    late: Vec<TargetWrite>,
    touched: BTreeMap<String, Touched>,
    /// Versions that the registry has, with how often each was pushed again.
    tags: BTreeMap<usize, usize>,
    newest: usize,
    tokens: usize,
    pinned_ever: BTreeSet<String>,
    /// The digest that each tag had when it was first promoted, as long as the status knows of it.
    first_digests: BTreeMap<String, String>,
    /// Since when each stage was seen to run one code, healthy.
    healthy: Vec<Option<(String, Timestamp)>>,
    /// Codes that a stage ran healthy for its soak time.
    proven: BTreeSet<(usize, String)>,
    accepted_writes: usize,
    story: Vec<String>,
}

fn tag(version: usize) -> String {
    format!("v1.{version}.0")
}

/// Every fifth version cannot run.
fn is_bad(image: &str) -> bool {
    let version = |image: &str| {
        let reference = CodeReference::parse(image).ok()?;
        reference.tag()?.strip_prefix("v1.")?.strip_suffix(".0")?.parse::<usize>().ok()
    };
    version(image).is_none_or(|version| version % 5 == 0)
}

fn version_of(reference: &str) -> Option<usize> {
    let reference = CodeReference::parse(reference).ok()?;
    reference.tag()?.strip_prefix("v1.")?.strip_suffix(".0")?.parse().ok()
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let spec = staged(&json!([
            {"name": "canary", "targets": [{"kind": "Server", "name": "x"}], "soak": "5m"},
            {"name": "half", "targets": [{"kind": "Server", "name": "x"}], "soak": "5m"},
            {"name": "all", "targets": [{"kind": "Config", "name": "x"}]},
        ]));
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let stage = |chance: &mut Chance, name: &str, kind| {
            let target = |index: usize, chance: &mut Chance| {
                let name = format!("{name}-{index}");
                let live = chance.percent(50).then(|| format!("{REPOSITORY}:v1.1.0@{}", digest("v1.1.0#0")));
                Target::new(kind, &name, live, &[&name])
            };
            (0..=chance.below(2)).map(|index| target(index, chance)).collect()
        };
        let stages = vec![
            stage(&mut chance, "canary", TargetKind::Server),
            stage(&mut chance, "half", TargetKind::Server),
            stage(&mut chance, "all", TargetKind::Config),
        ];
        let mut simulation = Self {
            chance,
            world: World::new(spec, stages),
            version: 0,
            snapshots: Vec::new(),
            late: Vec::new(),
            touched: BTreeMap::new(),
            tags: BTreeMap::from([(1, 0)]),
            newest: 1,
            tokens: 0,
            pinned_ever: BTreeSet::new(),
            first_digests: BTreeMap::new(),
            healthy: vec![None; 3],
            proven: BTreeSet::new(),
            accepted_writes: 0,
            story: Vec::new(),
        };
        simulation.look();
        simulation
    }

    fn tell(&mut self, line: impl Into<String>) {
        const KEPT_LINES: usize = 60;
        if self.story.len() == KEPT_LINES {
            self.story.remove(0);
        }
        let line = line.into();
        self.story.push(format!("{} {line}", self.world.now));
    }

    fn tick(&mut self, number: usize) {
        let seconds = [0, 1, 30, 120, 300][self.chance.below(5)];
        self.world.passes(seconds);
        match self.chance.below(20) {
            0..8 => self.lead(),
            8 => self.lead_with_old_eyes(),
            9 => self.late_write(),
            10..15 => self.roll(),
            15 | 16 => self.look(),
            17 if self.chance.percent(20) => self.crash(),
            // Without quiet times nothing would ever be released.
            18 | 19 if number % 80 >= 40 => self.mend(),
            18 => self.source_changes(),
            _ => self.person(),
        }
    }

    // ---- the process

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            spec: self.world.spec.clone(),
            status: self.world.status.clone(),
            version: self.version,
            observed: self.world.observe(),
        }
    }

    /// The leader looks at the present, decides, and does some of it.
    fn lead(&mut self) {
        self.see_health();
        let snapshot = self.snapshot();
        if self.chance.percent(20) {
            self.snapshots.push(snapshot.clone());
        }
        let taken = step(&snapshot.spec, &snapshot.status, &snapshot.observed, self.world.now);
        self.check_step(&snapshot, &taken);
        self.act(&snapshot, taken);
        self.check_holds();
    }

    /// A leader that lost its lease, but does not know it, decides upon what it saw long ago.
    fn lead_with_old_eyes(&mut self) {
        if self.snapshots.is_empty() {
            return;
        }
        let index = self.chance.below(self.snapshots.len());
        let snapshot = self.snapshots.swap_remove(index);
        let taken = step(&snapshot.spec, &snapshot.status, &snapshot.observed, self.world.now);
        self.tell("an old leader acts");
        self.act(&snapshot, taken);
    }

    fn act(&mut self, snapshot: &Snapshot, taken: Step) {
        if taken.status != snapshot.status {
            if snapshot.version != self.version {
                return;
            }
            self.version += 1;
            self.tell(format!("status: {}", taken.status.summary.as_deref().unwrap_or_default()));
            self.world.status = taken.status;
            self.note_digests();
        }
        let mut actions = taken.actions;
        while !actions.is_empty() {
            let action = actions.swap_remove(self.chance.below(actions.len()));
            match self.chance.below(20) {
                0 => return self.tell("crash between two actions"),
                1 => self.tell("an action is lost"),
                2 => {
                    if let Action::Write(write) = action {
                        self.late.push(*write);
                    }
                }
                3 => {
                    self.carry_out(action.clone());
                    self.carry_out(action);
                }
                _ => self.carry_out(action),
            }
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Event { .. } => {}
            Action::Write(write) => self.write(&write),
            Action::Record(release) => {
                let known = self.world.releases.iter().find(|known| known.promotion == release.promotion);
                match known {
                    Some(known) => assert_eq!(known.outcome, release.outcome, "a promotion ends once"),
                    None => self.world.releases.push(*release),
                }
            }
        }
    }

    fn late_write(&mut self) {
        if let Some(write) = self.late.pop() {
            self.tell("a late write arrives");
            self.write(&write);
        }
    }

    fn crash(&mut self) {
        self.tell("the process starts again");
        self.world.observed.source.looked = false;
        self.world.observed.source.candidate = None;
        if self.world.spec.pin.is_some() {
            self.world.observed.pin = None;
        }
    }

    // ---- the cluster

    fn write(&mut self, write: &TargetWrite) {
        let now = self.world.now;
        let code = write.applied.reference.clone();
        let place = self.place(&write.target.to_string());
        let target = &mut self.world.stages[place.0][place.1];
        let before = target.clone();
        if target.problem.is_some() || !target.accept(write, now) {
            return;
        }
        self.accepted_writes += 1;
        self.tell(format!("write {}={code}", write.target));
        let key = write.target.to_string();
        let touched = self.touched.insert(key.clone(), Touched::default()).unwrap_or_default();
        let same = before.live.image.as_deref().is_some_and(|live| is_same_code(live, &code));
        assert!(!touched.changed || touched.told || same, "{key} is held and was written: {before:#?}");
        self.check_order(place.0, &code);
        self.check_backwards(&before, &code);
        self.check_digest(&code);
        assert_eq!(before.live.claim, None, "a claim was replaced");
    }

    fn place(&self, key: &str) -> (usize, usize) {
        let mut places = self.world.stages.iter().enumerate().flat_map(|(stage, targets)| {
            targets.iter().enumerate().map(move |(index, target)| ((stage, index), target.key.to_string()))
        });
        places.find(|(_, name)| name == key).unwrap().0
    }

    fn roll(&mut self) {
        for stage in 0..self.world.stages.len() {
            for index in 0..self.world.stages[stage].len() {
                let (stays, dice) = (self.chance.percent(25), self.chance.below(100));
                let target = &mut self.world.stages[stage][index];
                let live = target.live.image.clone();
                let server = &mut target.servers[0];
                let complete = server.runs == live && !matches!(server.fate, Fate::Is(_));
                server.fate = match dice {
                    _ if complete && dice < 1 => {
                        Fate::Is(RolloutState::Progressing(Progress { updated: 1, ready: 0, wanted: 1 }))
                    }
                    _ if complete => continue,
                    _ if stays => Fate::Rolls,
                    _ if live.as_deref().is_some_and(is_bad) => Fate::Sticks("ImagePullBackOff"),
                    _ => {
                        server.runs.clone_from(&live);
                        Fate::Runs
                    }
                };
            }
        }
    }

    // ---- the source

    fn source_changes(&mut self) {
        match self.chance.below(10) {
            0..5 => {
                self.newest += 1;
                self.tags.insert(self.newest, 0);
                self.tell(format!("{} is pushed", tag(self.newest)));
            }
            5 => {
                let newest = self.tags.keys().next_back().copied();
                if let Some(newest) = newest.filter(|_| self.tags.len() > 1) {
                    self.tags.remove(&newest);
                    self.tell(format!("{} vanishes", tag(newest)));
                }
            }
            6 => {
                if let Some((version, pushes)) = self.tags.iter_mut().next_back() {
                    *pushes += 1;
                    let line = format!("{} is pushed again", tag(*version));
                    self.tell(line);
                }
            }
            _ => {
                let source = &mut self.world.observed.source;
                source.problem = match source.problem {
                    Some(_) => None,
                    None => Some(SourceProblem {
                        reason: "Unreachable".into(),
                        message: "no route".into(),
                        unreachable: true,
                    }),
                };
            }
        }
        self.look();
    }

    fn pushed(&self, version: usize) -> String {
        digest(&format!("{}#{}", tag(version), self.tags.get(&version).copied().unwrap_or_default()))
    }

    fn look(&mut self) {
        self.world.observed.source.looked = true;
        if self.world.observed.source.problem.is_some() {
            return;
        }
        let highest = self.tags.keys().next_back().copied().unwrap_or(1);
        let candidate = candidate_at(&tag(highest), &self.pushed(highest));
        self.world.finds_candidate(candidate);
        if let Some(pin) = &self.world.spec.pin {
            let reference = CodeReference::parse(&pin.reference).unwrap();
            let version = version_of(&pin.reference).unwrap();
            let pinned = candidate_at(reference.tag().unwrap(), &self.pushed(version));
            self.world.observed.pin = Some(Ok(pinned));
        }
    }

    // ---- people

    fn person(&mut self) {
        let stage = self.chance.below(3);
        let index = self.chance.below(self.world.stages[stage].len());
        match self.chance.below(20) {
            0 | 1 => self.edit(stage, index),
            2..7 => self.resume(),
            7 => self.pin(),
            8..11 => {
                self.world.unpins();
                self.tell("unpinned");
            }
            11 => {
                self.world.spec.suspend = true;
                self.tell("suspended");
            }
            12..15 => self.world.spec.suspend = false,
            15 => self.world.stages[stage][index].paused = true,
            16 => {
                let missing =
                    TargetProblem { reason: "TargetMissing", message: "gone".into(), stalled: false };
                self.world.stages[stage][index].problem = Some(missing);
            }
            17 | 18 => self.mend(),
            _ => self.join(stage),
        }
    }

    fn mend(&mut self) {
        self.world.spec.suspend = false;
        self.world.observed.source.problem = None;
        for target in self.world.stages.iter_mut().flatten() {
            target.paused = false;
            target.problem = None;
        }
        self.resume();
    }

    fn edit(&mut self, stage: usize, index: usize) {
        // Managed fields know whole seconds: two changes of one second are one to everybody.
        self.world.passes(1);
        let record = self.world.stages[stage][index].applied.clone();
        let version = 1 + self.chance.below(self.newest);
        let image = match self.chance.below(5) {
            0 => record.as_ref().map(|record| record.reference.clone()),
            1 => self.world.status.candidate.as_ref().map(|candidate| candidate.reference.clone()),
            2 => None,
            3 => Some("not a ref!!".to_owned()),
            _ => Some(format!("{REPOSITORY}:{}@{}", tag(version), self.pushed(version))),
        };
        let now = self.world.now;
        let target = &mut self.world.stages[stage][index];
        if target.live.image == image {
            return;
        }
        target.changed_by("kubectl-edit", image.as_deref(), now);
        let key = target.key.to_string();
        let as_recorded = record.as_ref().is_some_and(|record| {
            image.as_deref().is_some_and(|image| is_same_code(image, &record.reference))
        });
        let token_is_open = self.world.observed.resume != self.world.status.last_handled_resume;
        self.touched.insert(
            key.clone(),
            Touched { changed: record.is_some() && !as_recorded, told: token_is_open, at_all: !as_recorded },
        );
        self.tell(format!("a person writes {key}={image:?}"));
    }

    fn resume(&mut self) {
        self.tokens += 1;
        self.world.observed.resume = Some(self.tokens.to_string());
        self.touched.values_mut().for_each(|touched| touched.told = true);
        self.tell("a person resumes");
    }

    fn pin(&mut self) {
        let version = 1 + self.chance.below(self.newest);
        self.world.pins(&tag(version));
        self.world.observed.pin = None;
        self.pinned_ever.insert(tag(version));
        self.tell(format!("a person pins {}", tag(version)));
        self.look();
    }

    fn join(&mut self, stage: usize) {
        let count = self.world.stages[stage].len();
        if count == MOST_TARGETS_A_STAGE {
            return;
        }
        let name = format!("joined-{stage}-{count}");
        let kind = self.world.stages[stage][0].key.kind;
        let live = self.chance.percent(50).then(|| format!("{REPOSITORY}:v1.1.0@{}", digest("v1.1.0#0")));
        let mut target = Target::new(kind, &name, live, &[&name]);
        target.created = Some(self.world.now);
        self.world.stages[stage].push(target);
        self.tell(format!("{name} joins"));
    }

    // ---- the invariants

    /// The truth that proofs are measured by: what the leader could see when it looked.
    fn see_health(&mut self) {
        let now = self.world.now;
        for (index, stage) in self.world.observe().stages.iter().enumerate() {
            let live = |target: &voxsync_promotion::ObservedTarget| target.live.clone().ok()?.image;
            let code = stage.first().and_then(live);
            let is_complete = |target: &voxsync_promotion::ObservedTarget| {
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
    fn check_order(&mut self, stage: usize, code: &str) {
        self.note_proofs();
        let proven =
            |stage: usize| self.proven.iter().any(|(proven, by)| *proven == stage && is_same_code(by, code));
        assert!((0..stage).all(proven) || proven(stage), "stage {stage} was given {code} before its proof");
    }

    /// No target goes back to a lower version than our record says, unless a person pinned that version, or what it
    /// runs has failed.
    fn check_backwards(&self, before: &Target, code: &str) {
        let record = before.applied.as_ref().filter(|applied| applied.code_sync == UID);
        let versions = record.and_then(|record| version_of(&record.reference)).zip(version_of(code));
        if let Some((from, to)) = versions.filter(|(from, to)| to < from) {
            let mut releases = self.world.releases.iter();
            let has_failed = releases.any(|release| {
                release.outcome == Outcome::Failed && version_of(&release.candidate.reference) == Some(from)
            });
            let is_wanted = has_failed || self.pinned_ever.contains(&tag(to));
            assert!(is_wanted, "{} went back from {from} to {to}", before.key);
        }
    }

    fn note_digests(&mut self) {
        let status = &self.world.status;
        let mut known: BTreeSet<_> = status.history.iter().map(|release| release.name.clone()).collect();
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
    fn check_digest(&self, code: &str) {
        let reference = CodeReference::parse(code).unwrap();
        let tag = reference.tag().unwrap();
        let first = self.first_digests.get(tag).map(String::as_str);
        let is_first = first.is_none() || first == reference.digest();
        assert!(self.pinned_ever.contains(tag) || is_first, "{tag} was pushed again: {code}");
    }

    fn check_step(&self, snapshot: &Snapshot, taken: &Step) {
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
                    assert!(!snapshot.spec.suspend, "a write while suspended");
                    let id = &write.applied.promotion;
                    let known = stored.promotion.iter().any(|promotion| promotion.id == *id)
                        || stored.stages.iter().any(|stage| stage.promotion.as_ref() == Some(id));
                    assert!(known, "a write before its promotion is stored");
                }
                Action::Record(_) => {}
            }
        }
        let status = &taken.status;
        let ready = status.conditions.iter().find(|condition| condition.kind == "Ready").unwrap();
        let under_way = status.promotion.as_ref().is_some_and(|promotion| promotion.outcome.is_none());
        if under_way {
            assert!(!status.waiting.is_empty(), "a promotion is under way and does not say why: {status:#?}");
            assert_ne!(ready.reason, "Deployed");
        }
    }

    /// Nobody is blamed who did nothing.
    fn check_holds(&self) {
        for hold in &self.world.status.holds {
            let touched = self.touched.get(&hold.target).copied().unwrap_or_default();
            let (stage, index) = self.place(&hold.target);
            let target = &self.world.stages[stage][index];
            // The write that mended it may have just been carried out; the hold goes with the next step.
            let by_us = target.writer.as_ref().is_some_and(|writer| writer.manager == "voxsync");
            assert!(touched.at_all || by_us, "a false hold: {hold:#?}, {target:#?}");
        }
    }

    /// All is mended, and time passes: everything must come to rest on the newest tag.
    fn ends_well(&mut self) {
        self.tell("all is mended");
        self.mend();
        self.world.unpins();
        self.late.clear();
        self.newest = self.newest / 5 * 5 + 6;
        self.tags.insert(self.newest, 0);
        for target in self.world.stages.iter_mut().flatten() {
            target.servers[0].fate = Fate::Runs;
        }
        self.look();
        self.world.settle();
        self.resume();
        for _ in 0..6 {
            self.world.settle();
            self.world.passes(SOAK_SECONDS);
        }
        self.world.settle();
        let newest = tag(self.newest);
        assert_eq!(self.world.deployed(), newest, "{:#?}", self.world.status);
        assert!(self.world.tags().iter().all(|tag| *tag == newest), "{:?}", self.world.tags());
        assert_eq!(
            (self.world.condition("Ready"), self.world.summary()),
            ("True Deployed".into(), "Deployed")
        );
        assert_eq!((&self.world.status.holds.len(), &self.world.status.promotion), (&0, &None));
        for release in &self.world.status.history {
            let recorded = self.world.releases.iter().any(|recorded| recorded.promotion == release.id);
            assert!(recorded, "{} was never recorded", release.id);
        }
        self.world.passes(86_400);
        assert!(!self.world.step(), "at rest, nothing changes");
    }
}

fn run(seed: u64) -> usize {
    let mut simulation = Simulation::new(seed);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for number in 0..TICKS {
            simulation.tick(number);
        }
        simulation.ends_well();
    }));
    if let Err(panic) = outcome {
        let why = panic.downcast_ref::<String>().map_or("an assertion", String::as_str);
        panic!("seed {seed}: {why}\nthe last that happened:\n{}", simulation.story.join("\n"));
    }
    simulation.accepted_writes
}

#[test]
fn the_invariants_hold_in_a_hostile_world() {
    let writes: usize = SEEDS.map(run).sum();
    assert!(writes > 1000, "the world was too quiet to prove anything: {writes} writes");
}
