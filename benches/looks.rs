//! What looks cost a registry: requests and bytes a look, after a start, unchanged, changed, and while it refuses. The
//! registry is Debian's `docker-registry`, which gives all tags at once and no `ETag`, behind a front that counts.
//!
//! `cargo bench --bench looks`; a quarter of an hour. `cargo bench --bench looks -- 100` for 100 repositories alone.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a program for the terminal; what it cannot measure ends it"
)]

use std::{collections::HashSet, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
};
use serde_json::json;
use tokio::time::Instant;
use voxsync_crds::CodeSync;
use voxsync_fixtures::{Access, CodeImage, Fault, Registry, SeenRequest, Transport};
use voxsync_load::{Server, Table, Voxsync, World, run, tag};

const VOXSYNC: &str = env!("CARGO_BIN_EXE_voxsync");
const TAGS: usize = 500;
const TEMPLATE: &str = "template";
const INTERVAL: Duration = Duration::from_mins(1);
const STORM: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(200);
/// The Kubernetes API alone.
const EMPTY: World =
    World { code_syncs: 0, servers: 0, tags: 0, namespaces: 1, interval_seconds: 60, rolls: false };

fn main() {
    let asked: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    run(async move {
        for repositories in if asked.is_empty() { vec![100, 1000] } else { asked } {
            measure(repositories).await;
        }
    });
}

async fn measure(repositories: usize) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    registry.push(TEMPLATE, &tag(0), &CodeImage::with_site("code")).await;
    let others: Vec<String> = (1..TAGS).map(tag).collect();
    registry.retag_many(TEMPLATE, &tag(0), &others).await;
    registry.alias(TEMPLATE, (0..repositories).map(name));
    let server = Server::start(EMPTY);
    let client = server.client().await;
    create(&client, &registry, repositories).await;
    registry.forget_requests();

    let mut table = Table::default();
    let voxsync = Voxsync::start(VOXSYNC, &server.kubeconfig(), &[]);
    let began = Instant::now();
    all_have(&client, &tag(TAGS - 1), repositories).await;
    table.row("first start: all were looked at after", seconds(began.elapsed()));
    say(&mut table, "first start", &registry.requests(), repositories);
    drop(voxsync);

    registry.forget_requests();
    let voxsync = Voxsync::start(VOXSYNC, &server.kubeconfig(), &[]);
    let began = Instant::now();
    all_asked(&registry, repositories).await;
    table.row("restart: all were looked at after", seconds(began.elapsed()));
    say(&mut table, "restart", &registry.requests(), repositories);

    // The looks of the start are spread; a whole round after them.
    tokio::time::sleep(INTERVAL).await;
    registry.forget_requests();
    tokio::time::sleep(INTERVAL).await;
    let requests = registry.requests();
    let looks = requests.iter().filter(|request| request.path.contains("/tags/list")).count();
    table.row("unchanged, a minute: looks", looks);
    say(&mut table, "unchanged, a minute", &requests, looks);

    registry.forget_requests();
    registry.push(TEMPLATE, &tag(TAGS), &CodeImage::with_site("newer code")).await;
    let began = Instant::now();
    all_have(&client, &tag(TAGS), repositories).await;
    table.row("changed: all know it after", seconds(began.elapsed()));
    let requests = registry.requests();
    let resolved = requests.iter().filter(|request| request.path.contains("/manifests/")).count();
    table.row("changed: requests for manifests", resolved);

    registry.forget_requests();
    registry.answer(Fault { path: "", status: 429, headers: Vec::new(), times: usize::MAX });
    tokio::time::sleep(STORM).await;
    table.row("429 without Retry-After: requests in a minute", registry.requests().len());
    registry.end_faults();
    registry.forget_requests();
    let began = Instant::now();
    all_asked(&registry, repositories).await;
    table.row("recovery: all were looked at after", seconds(began.elapsed()));
    say(&mut table, "recovery", &registry.requests(), repositories);
    table.row("warnings", voxsync.warnings());
    table.print(&format!("{repositories} repositories of {TAGS} tags at one host, looked at each minute"));
}

/// Requests and bytes of some looks, and the worst second.
fn say(table: &mut Table, what: &str, requests: &[SeenRequest], looks: usize) {
    let bytes: u64 = requests.iter().map(|request| request.bytes).sum();
    let looks = looks.max(1) as f64;
    table.row(format!("{what}: requests a look"), format!("{:.2}", requests.len() as f64 / looks));
    table.row(format!("{what}: bytes a look"), format!("{:.0}", bytes as f64 / looks));
    let first = requests.iter().map(|request| request.at).min();
    let mut seconds: Vec<u64> =
        requests.iter().filter_map(|request| Some((request.at - first?).as_secs())).collect();
    seconds.sort_unstable();
    let most = seconds.chunk_by(|one, other| one == other).map(<[u64]>::len).max().unwrap_or_default();
    table.row(format!("{what}: requests in its busiest second"), most);
}

async fn create(client: &Client, registry: &Registry, count: usize) {
    let api = Api::<CodeSync>::namespaced(client.clone(), &EMPTY.namespace(0));
    let creations = stream::iter(0..count).map(|number| {
        let source = json!({
            "interval": format!("{}s", INTERVAL.as_secs()),
            "registry": {
                "repository": format!("{}/{}", registry.host(), name(number)), "tag": {"semver": "*"}, "insecure": true,
            },
        });
        let object = json!({
            "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync", "metadata": {"name": name(number)},
            "spec": {"suspend": true, "source": source, "target": {"kind": "Config", "name": "none"}},
        });
        let object: CodeSync = serde_json::from_value(object).expect("a CodeSync");
        let api = api.clone();
        async move { api.create(&PostParams::default(), &object).await }
    });
    creations.buffer_unordered(16).try_collect::<Vec<_>>().await.expect("the CodeSyncs");
}

/// Waits until all CodeSyncs know a candidate.
async fn all_have(client: &Client, tag: &str, count: usize) {
    let api = Api::<CodeSync>::all(client.clone());
    loop {
        let all = api.list(&ListParams::default()).await.expect("the CodeSyncs").items;
        let has = |one: &&CodeSync| {
            let candidate = one.status.as_ref().and_then(|status| status.candidate.as_ref());
            candidate.is_some_and(|candidate| candidate.name == tag)
        };
        if all.iter().filter(has).count() == count {
            return;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Waits until the tags of all repositories were given.
async fn all_asked(registry: &Registry, count: usize) {
    while lists(&registry.requests()).len() < count {
        tokio::time::sleep(POLL).await;
    }
}

fn lists(requests: &[SeenRequest]) -> HashSet<String> {
    let given =
        requests.iter().filter(|request| request.status == 200 && request.path.contains("/tags/list"));
    given.map(|request| request.path.clone()).collect()
}

fn name(number: usize) -> String {
    format!("code-{number:05}")
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
