//! From a webhook to the look that it causes, on loopback; and what a flood of them costs.
//!
//! `cargo bench --bench webhooks`
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal; what it cannot measure ends it"
)]

use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, api::PostParams};
use reqwest::RequestBuilder;
use ring::hmac::{HMAC_SHA256, Key, sign};
use serde_json::json;
use tokio::time::Instant;
use voxsync_crds::CodeSync;
use voxsync_fixtures::{Access, CodeImage, Registry, Transport, free_port};
use voxsync_load::{Server, Table, Voxsync, World, run, tag};

const VOXSYNC: &str = env!("CARGO_BIN_EXE_voxsync");
/// CodeSyncs, each with a repository of its own: one webhook each.
const CODE_SYNCS: usize = 200;
const TAGS: usize = 500;
const FLOOD: usize = 10_000;
const SENDERS: usize = 25;
const TEMPLATE: &str = "template";
const TOKEN: &str = "c0ffee5f2d7c0f9f6f4b0ab6f1c8f5a0";
/// From one webhook to the next while latency is measured: slower than the budget of requests to a host, which is not
/// what is measured.
const SPACING: Duration = Duration::from_millis(75);
const POLL: Duration = Duration::from_millis(10);
const DEADLINE: Duration = Duration::from_mins(2);
/// The Kubernetes API alone.
const EMPTY: World =
    World { code_syncs: 0, servers: 0, tags: 0, namespaces: 1, interval_seconds: 3600, rolls: false };

fn main() {
    run(measure());
}

async fn measure() {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    registry.push(TEMPLATE, &tag(0), &CodeImage::with_site("code")).await;
    registry.retag_many(TEMPLATE, &tag(0), &(1..TAGS).map(tag).collect::<Vec<_>>()).await;
    registry.alias(TEMPLATE, (0..CODE_SYNCS).map(name));
    let server = Server::start(EMPTY);
    create(&server.client().await, &registry).await;
    let hooks = format!("127.0.0.1:{}", free_port());
    let voxsync = Voxsync::start(VOXSYNC, &server.kubeconfig(), &["--hooks-address", &hooks]);
    let all = async || (0..CODE_SYNCS).all(|number| looks(&registry, number).len() == 1).then_some(());
    until("all were looked at", all).await;
    voxsync.idle().await;

    let client = reqwest::Client::new();
    let (mut answers, mut latencies) = (Vec::new(), Vec::new());
    let mut spacing = tokio::time::interval(SPACING);
    for number in 0..CODE_SYNCS {
        spacing.tick().await;
        let request = webhook(&client, &hooks, number);
        let began = Instant::now();
        let answer = request.send().await.expect("an answer");
        answers.push(began.elapsed());
        assert_eq!(answer.status(), 202);
        let look = until("it is looked at", async || looks(&registry, number).get(1).copied()).await;
        latencies.push(look.saturating_duration_since(began));
    }
    let mut table = Table::default();
    row(&mut table, "webhook → answered", answers);
    row(&mut table, "webhook → the registry is asked", latencies);

    let (size, largest) = (voxsync.memory("VmRSS"), voxsync.memory("VmHWM"));
    let before = looks(&registry, 0).len();
    let (cpu, began) = (voxsync.cpu_seconds(), Instant::now());
    let senders = (0..SENDERS).map(|_| async {
        let mut answers = Vec::new();
        for _ in 0..FLOOD / SENDERS {
            let sent = Instant::now();
            let answer = webhook(&client, &hooks, 0).send().await.expect("an answer");
            assert_eq!(answer.status(), 202);
            answers.push(sent.elapsed());
        }
        answers
    });
    let answers: Vec<Duration> = join_all(senders).await.into_iter().flatten().collect();
    let elapsed = began.elapsed();
    voxsync.idle().await;
    table.row(format!("flood: {} webhooks took", answers.len()), seconds(elapsed));
    row(&mut table, "flood: webhook → answered", answers);
    table.row("flood: looks", looks(&registry, 0).len() - before);
    table.row("flood: processor", seconds(Duration::from_secs_f64(voxsync.cpu_seconds() - cpu)));
    table.row("memory before, after", format!("{size:.1}, {:.1} MiB", voxsync.memory("VmRSS")));
    table.row("largest memory before, after", format!("{largest:.1}, {:.1} MiB", voxsync.memory("VmHWM")));
    table.row("warnings", voxsync.warnings());
    table.print(&format!("Webhooks on loopback, {CODE_SYNCS} CodeSyncs of {TAGS} tags"));
}

fn name(number: usize) -> String {
    format!("code-{number:05}")
}

async fn create(client: &Client, registry: &Registry) {
    let namespace = EMPTY.namespace(0);
    let secret = json!({"metadata": {"name": "hook"}, "stringData": {"token": TOKEN}});
    let secret: Secret = serde_json::from_value(secret).expect("a Secret");
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &namespace);
    secrets.create(&PostParams::default(), &secret).await.expect("a Secret");
    let code_syncs: Api<CodeSync> = Api::namespaced(client.clone(), &namespace);
    for number in 0..CODE_SYNCS {
        let follow = json!({
            "repository": format!("{}/{}", registry.host(), name(number)), "tag": {"semver": ">=1.0.0"}, "insecure": true,
        });
        let webhook = json!({"type": "generic-hmac", "secretRef": {"name": "hook"}});
        let code_sync = json!({
            "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync", "metadata": {"name": name(number)},
            "spec": {
                "source": {"interval": "24h", "registry": follow, "webhook": webhook},
                "target": {"kind": "Config", "name": "production"}, "suspend": true,
            },
        });
        let code_sync = serde_json::from_value(code_sync).expect("a CodeSync");
        code_syncs.create(&PostParams::default(), &code_sync).await.expect("a CodeSync");
    }
}

/// A push, as large as they are.
fn webhook(client: &reqwest::Client, hooks: &str, number: usize) -> RequestBuilder {
    let body = json!({"ref": "refs/tags/v1.2.0", "commits": vec!["0123456789abcdef"; 500]}).to_string();
    let tag = sign(&Key::new(HMAC_SHA256, TOKEN.as_bytes()), body.as_bytes());
    let signature = format!("sha256={}", hex::encode(tag));
    let address = format!("http://{hooks}/hooks/{}/{}", EMPTY.namespace(0), name(number));
    client.post(address).header("X-Signature", signature).body(body)
}

/// When the tags of a repository were listed: once a look.
fn looks(registry: &Registry, number: usize) -> Vec<Instant> {
    let path = format!("/v2/{}/tags/list", name(number));
    let requests = registry.requests();
    requests.iter().filter(|request| request.path.starts_with(&path)).map(|request| request.at).collect()
}

async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let found = tokio::time::timeout(DEADLINE, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(POLL).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("waited in vain until {what}"))
}

fn row(table: &mut Table, name: &str, mut all: Vec<Duration>) {
    all.sort();
    let [median, late] =
        [50, 99].map(|percent| all.get(all.len() * percent / 100).copied().unwrap_or_default());
    let figures = [median, late].map(|figure| format!("{:.1} ms", figure.as_secs_f64() * 1000.0));
    table.row(name, format!("median {:>9}  p99 {:>9}", figures[0], figures[1]));
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
