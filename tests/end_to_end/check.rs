//! `voxsync check`: what a CodeSync would find, from the cluster and from files, without a write.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};
use voxsync_fixtures::{Access, CodeImage, Registry, Transport};

use crate::harness::{
    Case, Cluster, cases,
    estate::{PRODUCTION, REPOSITORY, bare_server, create_secret},
    status::follow_tags,
};

pub(crate) const CASES: &[Case] = cases![
    it_says_what_would_be_taken_and_writes_nothing,
    what_is_in_the_way_is_named,
    files_need_no_cluster,
];

async fn it_says_what_would_be_taken_and_writes_nothing(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    registry.push(REPOSITORY, "v1.0.0", &CodeImage::with_site("v1.0.0")).await;
    let digest = registry.push(REPOSITORY, "v1.1.0", &CodeImage::with_site("v1.1.0")).await;
    bare_server(cluster, PRODUCTION).await;
    cluster.create_code_sync(PRODUCTION, spec(&registry)).await;
    let before = objects(cluster).await;

    let report = checked(cluster, &["-o", "json"]);
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(report["source"]["tagCount"], 2, "{report}");
    assert_eq!(report["source"]["candidates"][0]["digest"], digest, "{report}");
    assert_eq!(report["targets"][0]["target"], "Config/production", "{report}");

    let output = check(cluster, &[PRODUCTION]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.contains("✔ source     2 tags") && text.contains("✔ image      v1.1.0@"), "{text}");
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_eq!(objects(cluster).await, before, "a check writes nothing");
}

async fn what_is_in_the_way_is_named(cluster: &Cluster) {
    let access = Access::Basic { user: "alice".to_owned(), password: "right".to_owned() };
    let registry = Registry::start(access, Transport::Plain);
    registry.push(REPOSITORY, "v1.0.0", &CodeImage::with_site("v1.0.0")).await;
    let mut spec = spec(&registry);
    spec["source"]["registry"]["secretRef"] = json!({"name": "login"});
    create_secret(cluster, "login", json!({"username": "alice", "password": "wr0ng"})).await;
    cluster.create_code_sync(PRODUCTION, spec).await;

    let output = check(cluster, &[PRODUCTION]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.contains("✘ source     Unauthorized: "), "{text}");
    assert!(text.contains("✘ target     Config/production"), "it does not exist: {text}");
    assert!(!text.contains("wr0ng"), "{text}");
    assert_eq!(output.status.code(), Some(1), "{text}");

    cluster.patch("Secret", "login", json!({"stringData": {"password": "right"}})).await;
    bare_server(cluster, PRODUCTION).await;
    assert_eq!(check(cluster, &[PRODUCTION]).status.code(), Some(0));
    assert_eq!(check(cluster, &["nobody"]).status.code(), Some(2));

    // The Secrets of a stage's checks.
    let http =
        json!({"url": "https://canary", "secretRef": {"name": "login"}, "caSecretRef": {"name": "absent"}});
    let stage = json!({
        "name": "all", "targets": [{"kind": "Config", "name": PRODUCTION}], "checks": [{"name": "up", "http": http}],
    });
    cluster.change_code_sync(PRODUCTION, json!({"target": null, "stages": [stage]})).await;
    let output = check(cluster, &[PRODUCTION]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.contains("absent does not exist") && text.contains("stages.checks.caSecretRef"), "{text}");
    assert!(text.contains("stages.checks.secretRef is login"), "{text}");
    assert_eq!(output.status.code(), Some(1), "{text}");
}

async fn files_need_no_cluster(_: &Cluster) {
    let access = Access::Basic { user: "alice".to_owned(), password: "right".to_owned() };
    let registry = Registry::start(access, Transport::Plain);
    let digest = registry.push(REPOSITORY, "v1.0.0", &CodeImage::with_site("v1.0.0")).await;
    let mut good = spec(&registry);
    good["source"]["registry"]["secretRef"] = json!({"name": "login"});
    let mut two_rules = spec(&registry);
    two_rules["source"]["registry"]["tag"] = json!({"semver": "*", "follow": "v1.0.0"});
    let code_sync = |name: &str, spec: &Value| json!({"apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync", "metadata": {"name": name, "namespace": "puppet"}, "spec": spec});
    let login = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": "puppet"},
        "stringData": {"username": "alice", "password": "right"},
    });
    let config = json!({
        "apiVersion": "openvox.voxpupuli.org/v1alpha1", "kind": "Config", "metadata": {"name": PRODUCTION, "namespace": "puppet"}, "spec": {},
    });
    let unread = json!({"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"});

    let reports = checked_files(&[code_sync("good", &good), login.clone(), config, unread], 0);
    assert_eq!(reports[0]["source"]["candidates"][0]["digest"], digest, "{reports}");
    let reports = checked_files(&[code_sync("two-rules", &two_rules)], 1);
    let why = reports[0]["invalid"].as_str().expect("a sentence");
    assert!(why.contains("spec.source.registry.tag") && why.contains("give exactly one of"), "{why}");
    let reports = checked_files(&[code_sync("good", &good)], 1);
    assert_eq!(reports[0]["source"]["problem"]["reason"], "BadCredentials", "{reports}");

    good["notifications"] = json!([{"type": "mail", "secretRef": {"name": "login"}}]);
    let reports = checked_files(&[code_sync("good", &good), login], 1);
    let why = reports[0]["secrets"][0]["problem"].as_str().expect("a sentence");
    assert!(why.contains("Secret puppet/login cannot be used: it has no address"), "{why}");
}

fn spec(registry: &Registry) -> Value {
    json!({
        "source": follow_tags(registry, REPOSITORY, &json!({"semver": "*"})),
        "target": {"kind": "Config", "name": PRODUCTION},
    })
}

/// All that a check could have touched.
async fn objects(cluster: &Cluster) -> Vec<Value> {
    vec![cluster.get("CodeSync", PRODUCTION).await, cluster.get("Config", PRODUCTION).await]
}

/// The report on the one CodeSync of the namespace.
fn checked(cluster: &Cluster, arguments: &[&str]) -> Value {
    let output = check(cluster, arguments);
    let reports: Value = serde_json::from_slice(&output.stdout).expect("one JSON value");
    reports[0].clone()
}

fn check(cluster: &Cluster, arguments: &[&str]) -> Output {
    let mut command = command();
    command.args(["--namespace", cluster.namespace(), "--kubeconfig"]).arg(cluster.kubeconfig());
    command.args(arguments).output().expect("the binary starts")
}

/// The reports on manifests from standard input, without any cluster.
fn checked_files(documents: &[Value], wanted_code: i32) -> Value {
    let mut command = command();
    command.env("KUBECONFIG", "/nowhere").args(["-f", "-", "-o", "json"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let documents: Vec<String> = documents.iter().map(Value::to_string).collect();
    let mut input = child.stdin.take().expect("standard input");
    input.write_all(documents.join("\n---\n").as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(wanted_code), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON value")
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voxsync"));
    command.arg("check");
    command
}
