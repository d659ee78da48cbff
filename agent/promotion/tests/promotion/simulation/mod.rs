//! The machine in a hostile world, driven by a seed: rollouts that stick and flap, tags that vanish and move, people
//! who edit, pin, pause, suspend and delete, keys that are taken away, processes that crash, answers that are lost, an old leader that still
//! writes, nodes that cannot pull, hours in which nothing happens, and a reconciler that holds Deployments back and lets
//! them go, late.
//!
//! After each write and each step the invariants are checked; at the end everything is mended, and all must come
//! to rest on the newest tag. A failing seed is printed with the last that happened; what it found becomes a test
//! of its own beside this one.

mod after_release;
mod backwards;
mod checks;
mod cluster;
mod end;
mod keys;
mod patience;
mod people;
mod process;
mod reconciler;
mod source;
mod waits;

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher, RandomState},
};

use jiff::Timestamp;
use serde_json::json;
use voxsync_crds::{
    CodeReference,
    code_sync::{CodeSyncSpec, CodeSyncStatus, TargetKind},
    duration::DurationText,
};
use voxsync_promotion::{Observed, TargetWrite};

use super::world::{REPOSITORY, Target, World, digest, staged};
use after_release::{AfterRelease, AfterReleaseCount};
use backwards::{Backwards, BackwardsCount};
use cluster::Deployment;
use patience::Patience;
use waits::{Waits, WaitsCount};

/// These run every time.
const SEEDS: std::ops::Range<u64> = 1..61;
/// What was wrong was found by these, each of which failed once.
const SEEDS_THAT_FAILED: [u64; 6] = [
    2_695_338_319_026_339_243,
    1_234_110_991_657_729_929,
    15_628_657_263_407_289_235,
    14_925_974_426_407_337_567,
    5_324_833_734_896_435_539,
    10_351_707_795_993_583_127,
];
/// How many new seeds run beside them.
const FRESH_SEEDS: usize = 8;
const TICKS: usize = 400;
const SOAK_SECONDS: i64 = 300;
/// How old candidates must be, in every other story.
const AGE_SECONDS: i64 = 300;

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

/// How much happened, so that a quiet world proves nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    writes: usize,
    gates: usize,
    given_back: usize,
    rolled_back: usize,
    /// Of these, where an authority could not run it on its own turn.
    own_turn: usize,
    /// Writes of what had to be signed.
    verified: usize,
    deleted_half_way: usize,
    waits: WaitsCount,
    backwards: BackwardsCount,
    after_release: AfterReleaseCount,
}

struct Simulation {
    chance: Chance,
    world: World,
    /// Every Server's, by name.
    deployments: BTreeMap<String, Deployment>,
    /// The CodeSync as the reconciler last saw it.
    seen_by_reconciler: Snapshot,
    /// The version of the stored status.
    version: usize,
    snapshots: Vec<Snapshot>,
    late: Vec<TargetWrite>,
    touched: BTreeMap<String, Touched>,
    /// Versions that the registry has, with how often each was pushed again.
    tags: BTreeMap<usize, usize>,
    newest: usize,
    /// Whom the Secret trusts, where code has to be signed: in every third story.
    keys: String,
    tokens: usize,
    pinned_ever: BTreeSet<String>,
    /// The digest that each tag had when it was first promoted, as long as the status knows of it.
    first_digests: BTreeMap<String, String>,
    /// When a look found each digest first.
    seen: BTreeMap<String, Timestamp>,
    /// Since when each stage was seen to run one code, healthy.
    healthy: Vec<Option<(String, Timestamp)>>,
    /// Codes that a stage ran healthy for its soak time.
    proven: BTreeSet<(usize, String)>,
    /// Codes that a Server ran healthy, by stage.
    ran: BTreeSet<(usize, String)>,
    /// How often the CodeSync was made anew.
    lives: usize,
    /// How often the node of an authority cannot pull when its turn comes.
    strands_percent: usize,
    patience: Patience,
    waits: Waits,
    backwards: Backwards,
    after_release: AfterRelease,
    count: Count,
    story: Vec<String>,
}

fn tag(version: usize) -> String {
    format!("v1.{version}.0")
}

/// Every fifth version cannot run.
fn is_bad(image: &str) -> bool {
    version_of(image).is_none_or(|version| version % 5 == 0)
}

fn version_of(reference: &str) -> Option<usize> {
    let reference = CodeReference::parse(reference).ok()?;
    reference.tag()?.strip_prefix("v1.")?.strip_suffix(".0")?.parse().ok()
}

impl Simulation {
    fn new(seed: u64) -> Self {
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
        let world = World::new(spec, stages.into());
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
            count: Count::default(),
            story: Vec::new(),
        };
        simulation.deploy();
        simulation.look();
        simulation
    }

    fn tell(&mut self, line: impl Into<String>) {
        const KEPT_LINES: usize = 80;
        if self.story.len() == KEPT_LINES {
            self.story.remove(0);
        }
        let line = line.into();
        self.story.push(format!("{} {line}", self.world.now));
    }

    fn tick(&mut self, number: usize) {
        let is_long = self.chance.percent(2);
        let seconds = if is_long { 2 * 3600 } else { [0, 1, 30, 120, 300][self.chance.below(5)] };
        self.world.passes(seconds);
        self.others();
        self.go_back_by_chance();
        match self.chance.below(26) {
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
fn target(chance: &mut Chance, name: &str, kind: TargetKind) -> Target {
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

fn run(seed: u64) -> Count {
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
    Count {
        waits: simulation.waits.count,
        backwards: simulation.backwards.count,
        after_release: simulation.after_release.count,
        ..simulation.count
    }
}

#[test]
fn the_invariants_hold_in_a_hostile_world() {
    let mut sum = Count::default();
    for seed in SEEDS.chain(SEEDS_THAT_FAILED) {
        let count = run(seed);
        sum.writes += count.writes;
        sum.gates += count.gates;
        sum.given_back += count.given_back;
        sum.rolled_back += count.rolled_back;
        sum.own_turn += count.own_turn;
        sum.verified += count.verified;
        sum.deleted_half_way += count.deleted_half_way;
        sum.waits.add(count.waits);
        sum.backwards.add(count.backwards);
        sum.after_release.add(count.after_release);
    }
    println!("{sum:?}");
    let enough = sum.writes > 1000 && sum.gates > 500 && sum.given_back > 100;
    assert!(
        enough && sum.rolled_back > 20 && sum.own_turn > 5 && sum.deleted_half_way > 5 && sum.verified > 100,
        "too quiet to prove anything: {sum:?}"
    );
    assert!(sum.waits.is_enough(), "too little was waited for: {sum:?}");
    assert!(sum.backwards.is_enough(), "too little went back: {sum:?}");
    assert!(sum.after_release.is_enough(), "too little failed after its release: {sum:?}");
}

#[test]
fn the_invariants_hold_for_seeds_that_nobody_chose() {
    for _ in 0..FRESH_SEEDS {
        let seed = RandomState::new().hash_one("seed") | 1;
        println!("seed {seed}");
        run(seed);
    }
}
