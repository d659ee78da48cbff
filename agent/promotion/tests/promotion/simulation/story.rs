//! A story: who is in it, and what happens next, by chance.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::json;
use voxsync_crds::{
    CodeReference,
    code_sync::{CodeSyncSpec, CodeSyncStatus, TargetKind},
    duration::DurationText,
};
use voxsync_promotion::{Observed, TargetWrite};

use super::{
    AGE_SECONDS, after_release::AfterRelease, backwards::Backwards, chance::Chance, cluster::Deployment,
    consent::Consent, coverage::Coverage, foreign::Foreign, keys, patience::Patience, rival::Rival,
    waits::Waits,
};
use crate::world::{REPOSITORY, Target, World, digest, staged};

/// What a person did to a target since we last wrote it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Touched {
    /// The code is not what our record says.
    pub changed: bool,
    /// A person said to go on after that.
    pub told: bool,
    /// The code was written by somebody else at all.
    pub at_all: bool,
}

/// What a process read, and may act upon much later.
#[derive(Clone)]
pub(super) struct Snapshot {
    pub spec: CodeSyncSpec,
    pub status: CodeSyncStatus,
    pub version: usize,
    pub observed: Observed,
}

pub(super) struct Simulation {
    pub chance: Chance,
    pub world: World,
    /// Every Server's, by name.
    pub deployments: BTreeMap<String, Deployment>,
    /// The CodeSync as the reconciler last saw it.
    pub seen_by_reconciler: Snapshot,
    /// The version of the stored status.
    pub version: usize,
    pub snapshots: Vec<Snapshot>,
    pub late: Vec<TargetWrite>,
    pub touched: BTreeMap<String, Touched>,
    /// Versions that the registry has, with how often each was pushed again.
    pub tags: BTreeMap<usize, usize>,
    pub newest: usize,
    /// Whom the Secret trusts, where code has to be signed: in every third story.
    pub keys: String,
    pub tokens: usize,
    pub pinned_ever: BTreeSet<String>,
    /// The digest that each tag had when it was first promoted, as long as the status knows of it.
    pub first_digests: BTreeMap<String, String>,
    /// When a look found each digest first.
    pub seen: BTreeMap<String, Timestamp>,
    /// Since when each stage was seen to run one code, healthy.
    pub healthy: Vec<Option<(String, Timestamp)>>,
    /// Codes that a stage ran healthy for its soak time.
    pub proven: BTreeSet<(usize, String)>,
    /// Codes that a Server ran healthy, by stage.
    pub ran: BTreeSet<(usize, String)>,
    /// How often the CodeSync was made anew.
    pub lives: usize,
    /// How often the node of an authority cannot pull when its turn comes.
    pub strands_percent: usize,
    pub patience: Patience,
    pub waits: Waits,
    pub backwards: Backwards,
    pub after_release: AfterRelease,
    pub coverage: Coverage,
    pub foreign: Foreign,
    pub consent: Consent,
    pub rival: Rival,
    pub joined: usize,
    /// In some stories less happens, so that more is released.
    pub calm: Option<Chance>,
    pub story: Vec<String>,
}

pub(super) fn tag(version: usize) -> String {
    format!("v1.{version}.0")
}

/// Every fifth version cannot run.
pub(super) fn is_bad(image: &str) -> bool {
    version_of(image).is_none_or(|version| version % 5 == 0)
}

pub(super) fn version_of(reference: &str) -> Option<usize> {
    let reference = CodeReference::parse(reference).ok()?;
    reference.tag()?.strip_prefix("v1.")?.strip_suffix(".0")?.parse().ok()
}

impl Simulation {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut stage = |name: &str, kind: &str, soak: Option<&str>| {
            let mut stage = json!({"name": name, "targets": [{"kind": kind, "name": "x"}]});
            let set = [("soak", soak.map(|soak| json!(soak)))].into_iter();
            let most = chance.percent(50).then(|| json!(1 + chance.below(2)));
            let any = chance.percent(5).then_some(json!(true));
            for (field, value) in set.chain([("maxConcurrent", most), ("allowUnordered", any)]) {
                if let Some(value) = value {
                    stage[field] = value;
                }
            }
            stage
        };
        let mut spec = staged(&json!([
            stage("canary", "Server", Some("5m")),
            stage("half", "Server", Some("5m")),
            stage("all", "Config", None),
        ]));
        spec.minimum_age = seed.is_multiple_of(2).then(|| DurationText(format!("{AGE_SECONDS}s")));
        spec.verify = seed.is_multiple_of(3).then(keys::verify);
        let kinds =
            [("canary", TargetKind::Server), ("half", TargetKind::Server), ("all", TargetKind::Config)];
        let stages = kinds.map(|(name, kind)| {
            (0..=chance.below(2)).map(|index| target(&mut chance, &format!("{name}-{index}"), kind)).collect()
        });
        let waits = Waits::new(seed, &mut spec);
        let backwards = Backwards::new(seed, &mut spec);
        let after_release = AfterRelease::new(seed);
        let mut stages: Vec<Vec<Target>> = stages.into();
        let consent = Consent::new(seed, &mut stages);
        let mut calm = Chance::apart(seed, 7);
        let calm = calm.percent(50).then_some(calm);
        let world = World::new(spec, stages);
        let seen_by_reconciler = Snapshot {
            spec: world.spec.clone(),
            status: world.status.clone(),
            version: 0,
            observed: world.observe(),
        };
        let mut simulation = Self {
            chance,
            world,
            deployments: BTreeMap::new(),
            seen_by_reconciler,
            version: 0,
            snapshots: Vec::new(),
            late: Vec::new(),
            touched: BTreeMap::new(),
            tags: BTreeMap::from([(1, 0)]),
            newest: 1,
            keys: keys::all(),
            tokens: 0,
            pinned_ever: BTreeSet::new(),
            first_digests: BTreeMap::new(),
            seen: BTreeMap::new(),
            healthy: vec![None; 3],
            proven: BTreeSet::new(),
            ran: BTreeSet::new(),
            lives: 1,
            strands_percent: 10,
            patience: Patience::default(),
            waits,
            backwards,
            after_release,
            coverage: Coverage::default(),
            foreign: Foreign::new(seed),
            consent,
            rival: Rival::new(seed),
            joined: 0,
            calm,
            story: Vec::new(),
        };
        simulation.deploy();
        simulation.look();
        simulation
    }

    pub(super) fn tell(&mut self, line: impl Into<String>) {
        const KEPT_LINES: usize = 80;
        if self.story.len() == KEPT_LINES {
            self.story.remove(0);
        }
        let line = line.into();
        self.story.push(format!("{} {line}", self.world.now));
    }

    pub(super) fn tick(&mut self, number: usize) {
        let is_long = self.chance.percent(2);
        let seconds = if is_long { 2 * 3600 } else { [0, 1, 30, 120, 300][self.chance.below(5)] };
        self.world.passes(seconds);
        self.others();
        self.go_back_by_chance();
        self.others_meddle();
        self.consent_changes();
        self.rival_acts_by_chance();
        let is_calm = self.calm.as_mut().is_some_and(|chance| chance.percent(75));
        match self.chance.below(26) {
            20.. if is_calm => {
                self.lead(false);
                self.reconcile(false);
                self.roll(false);
            }
            0..8 => {
                self.lead(false);
            }
            8 => self.lead_with_old_eyes(),
            9 => self.late_write(),
            10..14 => {
                self.roll(false);
            }
            14..19 => {
                self.reconcile(false);
            }
            19 | 20 => self.look(),
            21 if self.chance.percent(20) => self.crash(),
            // Without quiet times nothing would ever be released.
            22 | 23 if number % 80 >= 40 => self.mend(),
            22 => self.source_changes(),
            24 if self.chance.percent(30) => self.person_at_a_deployment(),
            _ => self.person(),
        }
    }
}

/// A target with some Servers, one of them an authority perhaps.
pub(super) fn target(chance: &mut Chance, name: &str, kind: TargetKind) -> Target {
    let live = chance.percent(50).then(|| format!("{REPOSITORY}:v1.1.0@{}", digest("v1.1.0#0")));
    let count = if kind == TargetKind::Config { 1 + chance.below(3) } else { 1 };
    let names: Vec<String> = (0..count).map(|index| format!("{name}-{index}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut target = Target::new(kind, name, live, &names);
    if let Some(last) = target.servers.last_mut() {
        last.is_authority = chance.percent(40);
    }
    target
}
