//! How long a change takes on loopback: from the request of a look to the written Config, and from there to the written
//! Deployment, where no operator runs.
//!
//! `cargo bench --bench latency`
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal; what it cannot measure ends it"
)]

use std::{fmt::Debug, time::Duration};

use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams},
    core::NamespaceResourceScope,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, watcher},
    },
};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::{sync::watch, time::Instant};
use voxsync_crds::{CodeSync, Config};
use voxsync_load::{Server, Table, Voxsync, World, run, tag};

const VOXSYNC: &str = env!("CARGO_BIN_EXE_voxsync");
const ROUNDS: usize = 200;
const DEADLINE: Duration = Duration::from_mins(1);
const WORLD: World =
    World { code_syncs: 1, servers: 1, tags: 500, namespaces: 1, interval_seconds: 3600, rolls: true };

fn main() {
    run(measure());
}

/// When each step of a round was done.
struct Round {
    written: Duration,
    rolled: Duration,
    deployed: Duration,
    registry: Duration,
}

async fn measure() {
    let server = Server::start(WORLD);
    let voxsync = Voxsync::start(VOXSYNC, &server.kubeconfig(), &[]);
    let client = server.client().await;
    let configs = follow::<Config>(&client, |config| {
        let code = config.spec.code.as_ref()?;
        code.entries().first()?.image.clone()
    });
    let deployments = follow::<Deployment>(&client, |deployment| {
        let volumes = deployment.spec.as_ref()?.template.spec.as_ref()?.volumes.as_ref()?;
        volumes.iter().find_map(|volume| volume.image.as_ref()?.reference.clone())
    });
    let code_syncs = follow::<CodeSync>(&client, |code_sync| {
        let deployed = code_sync.status.as_ref()?.deployed.as_ref()?;
        Some(deployed.reference.clone())
    });
    until(&code_syncs, WORLD.tags - 1).await;
    let http = reqwest::Client::new();
    let mut rounds = Vec::new();
    for number in 0..ROUNDS {
        let tag_number = WORLD.tags + number;
        server.push(0).await;
        let api = Api::<CodeSync>::namespaced(client.clone(), &WORLD.namespace(0));
        let asked = json!({"metadata": {"annotations": {"voxsync.dev/requestedAt": number.to_string()}}});
        let began = Instant::now();
        api.patch("code-00000", &PatchParams::default(), &Patch::Merge(asked)).await.expect("a request");
        let written = until(&configs, tag_number).await;
        let rolled = until(&deployments, tag_number).await;
        let deployed = until(&code_syncs, tag_number).await;
        rounds.push(Round {
            written: written - began,
            rolled: rolled.saturating_duration_since(written),
            deployed: deployed - began,
            registry: own_answer(&http, &server.registry, tag_number).await,
        });
    }
    let mut table = Table::default();
    let mut row = |name: &str, of: fn(&Round) -> Duration| {
        let mut all: Vec<Duration> = rounds.iter().map(of).collect();
        all.sort();
        let [median, late] =
            [50, 99].map(|percent| all.get(all.len() * percent / 100).copied().unwrap_or_default());
        let figures = [median, late].map(|figure| format!("{:.1} ms", figure.as_secs_f64() * 1000.0));
        table.row(name, format!("median {:>9}  p99 {:>9}", figures[0], figures[1]));
    };
    row("request annotation → Config patched", |round| round.written);
    row("  of that, the registry's own answers", |round| round.registry);
    row("Config patched → Deployment patched", |round| round.rolled);
    row("request annotation → deployed, pods ready at once", |round| round.deployed);
    table.row("warnings", voxsync.warnings());
    table.print(&format!("Latency on loopback, {ROUNDS} changes"));
}

/// The last text of an object, and when it came.
type Seen = watch::Receiver<Option<(Instant, String)>>;

/// Follows the only object of a kind.
fn follow<K>(client: &Client, text: fn(&K) -> Option<String>) -> Seen
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    let api = Api::<K>::all(client.clone());
    let (sender, seen) = watch::channel(None);
    tokio::spawn(async move {
        let mut objects = watcher(api, watcher::Config::default()).touched_objects().boxed();
        // The watch ends with the world.
        while let Some(Ok(object)) = objects.next().await {
            let now = Instant::now();
            let text = text(&object);
            sender.send_if_modified(|seen| {
                let is_new = seen.as_ref().map(|(_, text)| text) != text.as_ref();
                if is_new {
                    *seen = text.map(|text| (now, text));
                }
                is_new
            });
        }
    });
    seen
}

/// When an object came to have a tag.
async fn until(seen: &Seen, number: usize) -> Instant {
    let wanted = format!(":{}@", tag(number));
    let mut seen = seen.clone();
    let is_there = seen.wait_for(|seen| seen.as_ref().is_some_and(|(_, text)| text.contains(&wanted)));
    let found = tokio::time::timeout(DEADLINE, is_there).await;
    let found = found.unwrap_or_else(|_| panic!("{wanted} did not come")).expect("a watch that goes on");
    found.as_ref().map(|(at, _)| *at).expect("it is there")
}

/// How long the registry takes for the questions of a look that finds something new.
async fn own_answer(http: &reqwest::Client, registry: &str, number: usize) -> Duration {
    let began = Instant::now();
    for path in ["tags/list?n=1000".to_owned(), format!("manifests/{}", tag(number))] {
        let answer = http.get(format!("http://{registry}/v2/code-00000/{path}")).send().await;
        answer.expect("an answer").bytes().await.expect("an answer");
    }
    began.elapsed()
}
