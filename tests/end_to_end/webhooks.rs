//! Webhooks, from the request to the deployed tag: with looks an hour apart, nothing else brings them about.

use std::{fs, process::Command};

use ring::hmac::{HMAC_SHA256, Key, sign};
use serde_json::{Value, json};
use tokio::time::Instant;
use voxsync_fixtures::Registry;

use crate::harness::{
    Case, Cluster, Needs, Process, cases,
    estate::{Estate, PRODUCTION, REPOSITORY, create_secret},
    shipped::kustomize,
    status::{DEADLINE, text},
    wait_for,
};

pub(crate) const CASES: &[Case] = cases![
    a_pushed_tag_is_deployed_because_of_its_webhook,
    what_a_follower_receives_the_leader_looks_at,
    one_secret_for_all_finds_the_source,
    a_flood_is_few_looks_and_no_memory,
    the_component_opens_the_port_and_nothing_else => Needs::OBJECT.and_kubectl(),
];

const TOKEN: &str = "c0ffee5f2d7c0f9f6f4b0ab6f1c8f5a0";
const FLOOD: usize = 10_000;
const SENDERS: usize = 16;
/// What a flood may cost a process, in its largest size.
const FLOOD_LIMIT_MEBIBYTES: u64 = 64;

async fn a_pushed_tag_is_deployed_because_of_its_webhook(cluster: &Cluster) {
    let estate = estate(cluster, json!({"type": "generic-hmac", "secretRef": {"name": "hook"}})).await;
    let process = start(cluster, "one", &["--log", "trace"]);
    let hooks = hooks_of(&process).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;

    estate.push("v1.1.0").await;
    assert_eq!(signed(&hooks, cluster, "another secret").await, 401);
    assert_eq!(signed(&hooks, cluster, TOKEN).await, 202);
    cluster.deployed(PRODUCTION, "v1.1.0").await;

    let webhook = json!({"source": {"webhook": {"type": "dockerhub"}}});
    cluster.change_code_sync(PRODUCTION, webhook).await;
    estate.push("v1.2.0").await;
    let address = format!("{hooks}/{}/{PRODUCTION}/{TOKEN}", cluster.namespace());
    wait_for("the webhook is of another kind", DEADLINE, async || {
        let status = post(&address, "", "").await;
        if status == 202 { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    cluster.deployed(PRODUCTION, "v1.2.0").await;

    let metrics = process.get("/metrics").await.unwrap();
    for wanted in [
        "voxsync_hooks_total{sender=\"generic-hmac\",outcome=\"look\"} 1",
        "voxsync_hooks_total{sender=\"dockerhub\",outcome=\"look\"} 1",
    ] {
        assert!(metrics.contains(wanted), "{wanted}: {metrics}");
    }
    let log = process.log();
    assert!(log.iter().any(|line| line.contains("webhooks are refused")), "a line for those that are");
    assert!(log.iter().any(|line| line.contains("\"TRACE\"")), "it says all that it has to say");
    assert!(!log.iter().any(|line| line.contains(TOKEN)), "but never the token");
}

async fn what_a_follower_receives_the_leader_looks_at(cluster: &Cluster) {
    let estate = estate(cluster, json!({"type": "generic", "secretRef": {"name": "hook"}})).await;
    let _leader = start(cluster, "one", &[]);
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    let follower = start(cluster, "two", &[]);
    let hooks = hooks_of(&follower).await;
    let address = format!("{hooks}/{}/{PRODUCTION}", cluster.namespace());
    wait_for("the follower is ready", DEADLINE, async || {
        follower.get("/readyz").await.map_err(|error| error.to_string())
    })
    .await;
    for tag in ["v1.1.0", "v1.2.0"] {
        estate.push(tag).await;
        assert_eq!(post(&address, "Authorization", &format!("Bearer {TOKEN}")).await, 202);
        cluster.deployed(PRODUCTION, tag).await;
    }
    let metrics = follower.get("/metrics").await.unwrap();
    assert!(metrics.contains("voxsync_leader{lease=\"voxsync-agent\"} 0"), "{metrics}");
}

async fn one_secret_for_all_finds_the_source(cluster: &Cluster) {
    let estate = estate(cluster, Value::Null).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("secret");
    fs::write(&file, TOKEN).expect("write the secret");
    let process = start(cluster, "one", &["--hooks-secret-file", file.to_str().expect("a path")]);
    let hooks = hooks_of(&process).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    estate.push("v1.1.0").await;
    // As the registry itself would tell it.
    let host = estate.registry.host();
    let target = json!({"repository": REPOSITORY, "tag": "v1.1.0"});
    let push = json!({"events": [{"action": "push", "target": target, "request": {"host": host}}]});
    let answer = reqwest::Client::new().post(&hooks).bearer_auth(TOKEN).body(push.to_string()).send().await;
    assert_eq!(answer.expect("an answer").status(), 202);
    cluster.deployed(PRODUCTION, "v1.1.0").await;
}

async fn a_flood_is_few_looks_and_no_memory(cluster: &Cluster) {
    let estate = estate(cluster, json!({"type": "generic-hmac", "secretRef": {"name": "hook"}})).await;
    let process = start(cluster, "one", &[]);
    let hooks = hooks_of(&process).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    // What the first ones cost is no flood.
    for _ in 0..SENDERS {
        assert_eq!(signed(&hooks, cluster, TOKEN).await, 202);
    }
    let before = largest_mebibytes(&process);
    estate.registry.forget_requests();
    let began = Instant::now();
    let client = reqwest::Client::new();
    let senders = (0..SENDERS).map(|_| async {
        for _ in 0..FLOOD / SENDERS {
            let answer = request(&client, &hooks, cluster, TOKEN).send().await;
            assert_eq!(answer.expect("an answer").status(), 202);
        }
    });
    futures::future::join_all(senders).await;
    estate.push("v1.1.0").await;
    assert_eq!(signed(&hooks, cluster, TOKEN).await, 202);
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    let looks = lists(&estate.registry);
    let (seconds, mebibytes) =
        (began.elapsed().as_secs(), largest_mebibytes(&process).saturating_sub(before));
    // They begin a second apart.
    assert!(looks as u64 <= seconds + 2, "{looks} looks in {seconds} s");
    assert!(mebibytes <= FLOOD_LIMIT_MEBIBYTES, "{mebibytes} MiB");
}

async fn the_component_opens_the_port_and_nothing_else(_cluster: &Cluster) {
    let variant = |components: &str| {
        let folder = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";
        kustomize(&format!("{folder}namespace: puppet\nresources: [DEPLOY/namespace]\n{components}"))
    };
    let (without, with) = (variant(""), variant("components: [DEPLOY/webhooks]\n"));
    assert_eq!(with.len(), without.len() + 1);
    let of = |objects: &[Value], kind: &str, name: &str| {
        let found =
            objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("no {kind} {name}")).clone()
    };
    let service = of(&with, "Service", "voxsync-hooks");
    assert_eq!(
        (&service["spec"]["ports"][0]["targetPort"], text(&service["metadata"]["namespace"])),
        (&json!("hooks"), "puppet")
    );
    let ports = |objects: &[Value]| {
        of(objects, "Deployment", "voxsync")["spec"]["template"]["spec"]["containers"][0]["ports"].clone()
    };
    assert_eq!(ports(&without).as_array().map(Vec::len), Some(1));
    assert!(
        ports(&with)
            .as_array()
            .is_some_and(|ports| ports.contains(&json!({"name": "hooks", "containerPort": 9292})))
    );
    let ingress = |objects: &[Value]| of(objects, "NetworkPolicy", "voxsync")["spec"]["ingress"].clone();
    assert_eq!(ingress(&with)[1], json!({"ports": [{"port": "hooks"}]}));
    assert_eq!(ingress(&without).as_array().map(Vec::len), Some(1));
    for (kind, name) in [("Role", "voxsync"), ("Role", "voxsync-secrets"), ("Service", "voxsync")] {
        assert_eq!(of(&with, kind, name), of(&without, kind, name));
    }
}

/// The Config `production` on v1.0.0, and its CodeSync with this webhook, looked at once an hour. No voxsync runs.
async fn estate(cluster: &Cluster, webhook: Value) -> Estate {
    let mut estate = Estate::start(cluster).await;
    estate.kill();
    create_secret(cluster, "hook", json!({"token": TOKEN})).await;
    let mut spec = estate.only_config();
    spec["source"]["interval"] = json!("1h");
    if !webhook.is_null() {
        spec["source"]["webhook"] = webhook;
    }
    cluster.create_code_sync(PRODUCTION, spec).await;
    estate
}

fn start(cluster: &Cluster, identity: &str, options: &[&str]) -> Process {
    let mut command: Command = Process::command(cluster.voxsync_kubeconfig(), cluster.namespace());
    command.args(["--identity", identity, "--hooks-address", "127.0.0.1:0"]).args(options);
    Process::spawn(command)
}

/// Where a process receives webhooks.
async fn hooks_of(process: &Process) -> String {
    wait_for("a line that says where webhooks are received", DEADLINE, async || {
        let lines = process.log();
        let mut lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let address = lines.find_map(|line| Some(line["hooks_address"].as_str()?.to_owned()));
        address.map(|address| format!("http://{address}/hooks")).ok_or_else(|| "none yet".to_owned())
    })
    .await
}

async fn post(address: &str, header: &str, value: &str) -> u16 {
    let request = reqwest::Client::new().post(address);
    let request = if header.is_empty() { request } else { request.header(header, value) };
    request.send().await.expect("an answer").status().as_u16()
}

async fn signed(hooks: &str, cluster: &Cluster, secret: &str) -> u16 {
    let sent = request(&reqwest::Client::new(), hooks, cluster, secret).send().await;
    sent.expect("an answer").status().as_u16()
}

fn request(
    client: &reqwest::Client,
    hooks: &str,
    cluster: &Cluster,
    secret: &str,
) -> reqwest::RequestBuilder {
    let body = r#"{"ref": "v1.1.0"}"#;
    let tag = sign(&Key::new(HMAC_SHA256, secret.as_bytes()), body.as_bytes());
    let signature = format!("sha256={}", hex::encode(tag));
    let address = format!("{hooks}/{}/{PRODUCTION}", cluster.namespace());
    client.post(address).header("X-Signature", signature).body(body)
}

/// How often the tags were listed: once a look.
fn lists(registry: &Registry) -> usize {
    registry.requests().iter().filter(|request| request.path.contains("/tags/list")).count()
}

/// The largest size that a process ever had.
fn largest_mebibytes(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a size");
    let kilobytes: u64 = line.split_whitespace().next().and_then(|size| size.parse().ok()).expect("a size");
    kilobytes / 1024
}
