//! `voxsync audit`: one verdict a Server, from an account that only reads, also where voxsync does not run.

use std::{collections::BTreeMap, process::Command};

use serde_json::{Value, json};
use voxsync_fixtures::CodeImage;

use crate::harness::{
    Case, Cluster, Needs, NewServer, cases,
    estate::{Estate, PRODUCTION, REPOSITORY},
    wait_for,
};

pub(crate) const CASES: &[Case] = cases![
    each_situation_has_its_verdict => Needs::BOTH_SHAPES,
    a_held_target_is_named_with_its_follower,
    what_runs_has_its_own_commit,
    no_server_at_all_passes_no_check,
];

/// A digest that no registry knows: simulated nodes do not care.
const DIGEST: &str = "sha256:45b23dee08af5e43a7fea6c4cf9c25ccf269ee113168c19722f87876677c5cb2";

async fn each_situation_has_its_verdict(cluster: &Cluster) {
    let image = |tag: &str| cluster.code(&format!("registry.example/code:{tag}@{DIGEST}"));
    cluster.create_config("pinned", Some(image("v1"))).await;
    cluster.create_config("tagged", Some(cluster.code("registry.example/code:v1"))).await;
    cluster.create_config("changed", Some(image("v1"))).await;
    cluster.create_config("claim", Some(cluster.code_entry(json!({"claimName": "code"})))).await;
    cluster.create_config("empty", None).await;
    cluster.create_config("broken", Some(image("v1"))).await;
    let server = NewServer { by_operator: false, ..NewServer::default() };
    for (name, config) in [
        ("in-sync", "pinned"),
        ("unpinned", "tagged"),
        ("not-rolled-out", "changed"),
        ("external", "claim"),
        ("no-code", "empty"),
    ] {
        cluster.create_server(&NewServer { name, config, ..server.clone() }).await;
    }
    cluster
        .create_server(&NewServer {
            name: "ca-only",
            config: "pinned",
            ca: true,
            server: false,
            ..server.clone()
        })
        .await;
    let missing = format!("registry.example/missing:v2@{DIGEST}");
    let stuck = NewServer { name: "stuck", config: "broken", code: Some(cluster.code(&missing)), ..server };
    cluster.create_server(&stuck).await;
    cluster.set_code("changed", image("v2")).await;

    let wanted = [
        ("ca-only", "NoCode"),
        ("external", "External"),
        ("in-sync", "InSync"),
        ("no-code", "NoCode"),
        ("not-rolled-out", "NotRolledOut"),
        ("stuck", "Stuck"),
        ("unpinned", "Unpinned"),
    ];
    let wanted: BTreeMap<String, String> =
        wanted.map(|(server, verdict)| (server.to_owned(), verdict.to_owned())).into();
    let rows = audit_when(cluster, "each situation has its verdict", |verdicts, rows| {
        let is_stuck = rows.iter().any(|row| row["message"].to_string().contains("ImagePullBackOff"));
        *verdicts == wanted && is_stuck
    })
    .await;
    let row = |name: &str| rows.iter().find(|row| row["server"] == name).expect("one row a Server");
    assert_eq!(row("ca-only")["role"], "ca");
    assert_eq!(row("in-sync")["running"], json!([format!("registry.example/code:v1@{DIGEST}")]));
    assert_eq!(row("not-rolled-out")["declared"], json!([format!("registry.example/code:v2@{DIGEST}")]));
    assert_eq!(row("not-rolled-out")["template"], json!([format!("registry.example/code:v1@{DIGEST}")]));
    for row in &rows {
        assert_eq!(row["message"] == "", row["verdict"] == "InSync", "a sentence says what to do: {row}");
    }
    let table = audit(cluster, &[]);
    assert!(table.contains("7 servers: 1 in sync, 6 to look at."), "{table}");
}

async fn a_held_target_is_named_with_its_follower(cluster: &Cluster) {
    let estate = Estate::single(cluster).await;
    let edit = json!({"spec": {"code": cluster.code(&estate.tagged("v1.0.0"))}});
    cluster.patch("Config", PRODUCTION, edit).await;
    cluster.condition(PRODUCTION, "Held", "True", "Changed").await;
    let rows = audit_when(cluster, "the hold", |verdicts, _| verdicts["compile"] == "Held").await;
    let held = rows.iter().find(|row| row["server"] == "compile").expect("one row a Server");
    assert_eq!(held["followedBy"], "production/1");
    assert!(held["message"].as_str().expect("text").contains("voxsync resume production"), "{held}");
}

/// A canary runs what it got on the way, which was never deployed everywhere: only its CodeRelease knows the commit.
async fn what_runs_has_its_own_commit(cluster: &Cluster) {
    let estate = Estate::staged(cluster, "0s").await;
    // What cannot run stays, to be looked at.
    let mut spec = estate.stages("1h");
    spec["rollback"] = json!({"mode": "Manual"});
    cluster.change_code_sync(PRODUCTION, spec).await;
    let commit = |digit: &str| digit.repeat(40);
    let push = async |tag: &str, commit: String| {
        let annotations = vec![("org.opencontainers.image.revision".to_owned(), commit)];
        let image = CodeImage { annotations, ..CodeImage::with_site(tag) };
        estate.registry.push(REPOSITORY, tag, &image).await;
    };
    push("v1.1.0", commit("1")).await;
    let canary_runs = |rows: &[Value], tag: &str| {
        let canary = rows.iter().find(|row| row["server"] == "canary");
        canary.is_some_and(|row| row["verdict"] == "InSync" && row["running"].to_string().contains(tag))
    };
    audit_when(cluster, "the canary runs v1.1.0", |_, rows| canary_runs(rows, ":v1.1.0@")).await;
    push("v1.2.0-missing", commit("2")).await;
    let rows = audit_when(cluster, "the canary is stuck", |verdicts, rows| {
        verdicts["canary"] == "Stuck" && rows.iter().any(|row| row["declaredCommit"] == *commit("2"))
    })
    .await;
    let canary = rows.iter().find(|row| row["server"] == "canary").expect("one row a Server");
    assert_eq!(canary["runningCommit"], *commit("1"), "{canary}");
    let table = audit(cluster, &[]);
    let line = table.lines().find(|line| line.starts_with("canary ")).expect("a line a Server");
    assert!(line.contains("1111111?") && !line.contains("2222222"), "{table}");
}

async fn no_server_at_all_passes_no_check(cluster: &Cluster) {
    let asked = |arguments: &[&str]| {
        let output = command(cluster, arguments).output().expect("the binary starts");
        (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
    };
    let (code, said) = asked(&[]);
    let namespace = cluster.namespace();
    assert_eq!(said, format!("no Servers in namespace {namespace}; `voxsync audit -A` looks in all\n"));
    assert_eq!(code, Some(0));
    assert_eq!(asked(&["--fail-on", "Mixed"]).0, Some(2));
    let (code, said) = asked(&["--fail-on", "Mixed", "-o", "json"]);
    let report: Value = serde_json::from_str(&said).expect("one JSON value");
    assert_eq!((code, &report["servers"]), (Some(2), &json!([])));
}

/// The rows, once they are as wanted.
pub(crate) async fn audit_when(
    cluster: &Cluster,
    what: &str,
    wanted: impl Fn(&BTreeMap<String, String>, &[Value]) -> bool,
) -> Vec<Value> {
    wait_for(what, std::time::Duration::from_secs(30), async || {
        let report: Value = serde_json::from_str(&audit(cluster, &["-o", "json"])).expect("one JSON value");
        let rows = report["servers"].as_array().expect("a list of Servers").clone();
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let verdicts = rows.iter().map(|row| (text(&row["server"]), text(&row["verdict"]))).collect();
        if wanted(&verdicts, &rows) { Ok(rows) } else { Err(format!("{verdicts:?}")) }
    })
    .await
}

fn audit(cluster: &Cluster, arguments: &[&str]) -> String {
    let output = command(cluster, arguments).output().expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn command(cluster: &Cluster, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voxsync"));
    command.args(["audit", "--namespace", cluster.namespace(), "--kubeconfig"]);
    command.arg(cluster.kubeconfig()).args(arguments);
    command
}
