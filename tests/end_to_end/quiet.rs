//! At rest voxsync writes nothing, and asks each registry no more than it was told to.
//!
//! `VOXSYNC_QUIET_LOOKS=12 RUST_LOG=end_to_end=info cargo test --test end_to_end quiet` watches for a minute instead
//! of a quarter, and says the figures.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::info;
use voxsync_fixtures::{Access, CodeImage, Registry, Transport};

use crate::harness::{
    Case, Cluster, Needs, NewServer, Process, cases,
    status::{follow_tags, holds},
    wait_for,
};

pub(crate) const CASES: &[Case] = cases![
    nothing_is_written_and_each_repository_is_asked_once_an_interval => Needs::ALONE.on_control_plane_only(),
];

const CODE_SYNCS: usize = 100;
const SERVERS: usize = 250;
/// Those that have a pod: the simulated nodes do not take hundreds.
const SERVERS_WITH_POD: usize = 20;
const INTERVAL: &str = "5s";
/// The shortest time between two looks: the interval, less half of its tenth that is left to chance.
const SHORTEST_PAUSE: Duration = Duration::from_millis(4_750);
/// How many looks at each repository are watched, if nothing is said.
const LOOKS: usize = 3;
/// How many things are set up at once.
const AT_ONCE: usize = 16;
const DEADLINE: Duration = Duration::from_mins(15);

async fn nothing_is_written_and_each_repository_is_asked_once_an_interval(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    set_up(cluster, &registry).await;
    let process = Process::start(cluster);
    all_deployed(cluster).await;
    settled(cluster, &registry).await;

    let written = cluster.writes().len();
    registry.forget_requests();
    let began = Instant::now();
    let looks = std::env::var_os("VOXSYNC_QUIET_LOOKS").and_then(|looks| looks.to_str()?.parse().ok());
    looked_at(&registry, looks.unwrap_or(LOOKS)).await;
    let elapsed = began.elapsed();
    let since: Vec<String> = cluster.writes().split_off(written);
    assert_eq!(since, Vec::<String>::new(), "nothing changed in {elapsed:?}");
    let [fewest, most] = asked(&registry);
    info!(?elapsed, fewest, most, writes = since.len(), "requests to each repository at rest");
    let limit = elapsed.as_secs_f64() / SHORTEST_PAUSE.as_secs_f64() + 1.0;
    assert!(f64::from(most) <= limit, "{most} looks at a repository in {elapsed:?}");

    push(&registry, 7, "v1.1.0").await;
    cluster.deployed(&name(7), "v1.1.0").await;

    let log = process.log();
    process.kill();
    registry.forget_requests();
    let process = Process::start(cluster);
    looked_at(&registry, 1).await;
    let (busiest, seconds) = busiest_second(&registry);
    info!(busiest, seconds, "looks after a restart");
    assert!(busiest < CODE_SYNCS / 2, "{busiest} looks in one second after a restart");

    let lines = log.into_iter().chain(process.log());
    let warnings: Vec<String> =
        lines.filter(|line| ["\"WARN\"", "\"ERROR\""].iter().any(|level| line.contains(level))).collect();
    assert_eq!(warnings, Vec::<String>::new());
}

fn name(number: usize) -> String {
    format!("code-{number:03}")
}

async fn push(registry: &Registry, number: usize, tag: &str) -> String {
    let name = name(number);
    let digest = registry.push(&name, tag, &CodeImage::with_site(&format!("{name} {tag}"))).await;
    format!("{}@{digest}", registry.reference(&name, tag))
}

/// Everything runs the highest tag already.
async fn set_up(cluster: &Cluster, registry: &Registry) {
    let all = |numbers: Range<usize>| stream::iter(numbers);
    let code = async |number: usize| {
        let name = name(number);
        let reference = push(registry, number, "v1.0.0").await;
        cluster.create_config(&name, Some(cluster.code(&reference))).await;
        let mut source = follow_tags(registry, &name, &json!({"semver": ">=1.0.0"}));
        source["interval"] = json!(INTERVAL);
        let target = json!({"kind": "Config", "name": name});
        cluster.create_code_sync(&name, json!({"source": source, "target": target})).await;
    };
    all(0..CODE_SYNCS).map(code).buffer_unordered(AT_ONCE).collect::<()>().await;
    let server = async |number: usize| {
        let (config, name) = (name(number % CODE_SYNCS), format!("server-{number:03}"));
        let replicas = u32::from(number < SERVERS_WITH_POD);
        let new =
            NewServer { name: &name, config: &config, replicas, by_operator: false, ..NewServer::default() };
        cluster.create_server(&new).await;
    };
    all(0..SERVERS).map(server).buffer_unordered(AT_ONCE).collect::<()>().await;
}

async fn all_deployed(cluster: &Cluster) {
    wait_for("all CodeSyncs to be deployed", DEADLINE, async || {
        let all = cluster.list("CodeSync").await;
        let is_deployed = |one: &&Value| holds(&one["status"], "Deployed") && holds(&one["status"], "Ready");
        let count = all.iter().filter(is_deployed).count();
        if count == CODE_SYNCS { Ok(()) } else { Err(format!("{count} are")) }
    })
    .await;
}

/// Waits until nothing was written between two looks at every repository; the test's own time is the limit.
async fn settled(cluster: &Cluster, registry: &Registry) {
    let mut before = None;
    loop {
        registry.forget_requests();
        looked_at(registry, 1).await;
        let written = Some(cluster.writes().len());
        if written == before {
            return;
        }
        before = written;
    }
}

/// Waits until every repository was looked at so often.
async fn looked_at(registry: &Registry, times: usize) {
    let deadline = DEADLINE + SHORTEST_PAUSE * u32::try_from(times).expect("a small number");
    wait_for(&format!("{times} looks at every repository"), deadline, async || {
        let counts = looks(registry);
        let enough = counts.values().filter(|looks| looks.len() >= times).count();
        if enough == CODE_SYNCS { Ok(()) } else { Err(format!("{enough} repositories have them")) }
    })
    .await;
}

/// When each repository was looked at.
fn looks(registry: &Registry) -> BTreeMap<String, Vec<Instant>> {
    let mut looks = BTreeMap::<String, Vec<Instant>>::new();
    for request in registry.requests() {
        if let Some(path) = request.path.strip_suffix("/tags/list?n=1000") {
            looks.entry(path.to_owned()).or_default().push(request.at);
        }
    }
    looks
}

/// The fewest and the most requests to a repository. All must be looks.
fn asked(registry: &Registry) -> [u32; 2] {
    let all = looks(registry);
    let count: usize = all.values().map(Vec::len).sum();
    let paths: Vec<_> = registry.requests().into_iter().map(|request| request.path).collect();
    let others = paths.iter().filter(|path| !path.contains("/tags/list")).collect::<Vec<_>>();
    assert!(
        others.is_empty() && paths.len() >= count,
        "a look at rest is one request, but there were {others:?}"
    );
    let counts = || all.values().map(|looks| u32::try_from(looks.len()).expect("a small number"));
    [counts().min(), counts().max()].map(Option::unwrap_or_default)
}

/// The most first looks in one second, and over how many seconds they were spread.
fn busiest_second(registry: &Registry) -> (usize, usize) {
    let first: Vec<Instant> = looks(registry).values().filter_map(|looks| looks.first().copied()).collect();
    let start = first.iter().min().copied().expect("looks");
    let mut seconds = BTreeMap::<u64, usize>::new();
    for look in first {
        *seconds.entry((look - start).as_secs()).or_default() += 1;
    }
    (seconds.values().max().copied().unwrap_or_default(), seconds.len())
}
