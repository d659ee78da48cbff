//! `voxsync plan`: what would happen, from an account that only reads.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    harness::{
        Case, Cluster, Needs, cases,
        estate::{Estate, PRODUCTION, stages},
        status::{assert_says, phase},
        wait_for,
    },
    wait::kubeconfig_as,
};

pub(crate) const CASES: &[Case] =
    cases![plan_needs_no_right_but_to_read => Needs::OBJECT.on_control_plane_only()];

/// How long the API server may take to know of new rights.
const DEADLINE: Duration = Duration::from_mins(2);
/// The rights of an audit, as they are shipped.
const READER: &str = include_str!("../../deploy/audit/role.yaml");

async fn plan_needs_no_right_but_to_read(cluster: &Cluster) {
    let estate = Estate::staged(cluster, "30m").await;
    let to = estate.push_and_look(cluster, "v1.1.0").await;
    cluster.status_when(PRODUCTION, "the canary soaks", |status| phase(status, "canary") == "Soaking").await;
    let kubeconfig = reader(cluster).await;
    let before = cluster.get("Config", PRODUCTION).await;

    let told = plan(&kubeconfig, &[PRODUCTION, "-o", "json"]);
    let told: Value = serde_json::from_slice(&told.stdout).expect("JSON");
    let production = &told["codeSyncs"][0]["stages"][1];
    assert_eq!(
        [&production["phase"], &production["writes"][0]["to"]],
        [&json!("Pending"), &json!(to)],
        "{told:#}"
    );
    assert_eq!(told["codeSyncs"][0]["next"], production["earliest"], "the soak of the canary: {told:#}");
    assert_eq!(production["rounds"][0]["servers"], json!(["compile"]), "{told:#}");

    // An edited one, which nobody applied.
    let mut spec = json!({"source": estate.source(), "stages": stages("30m")});
    spec["windows"] =
        json!([{"name": "freeze", "deny": {"from": "2020-01-01T00:00:00Z", "to": "2220-01-01T00:00:00Z"}}]);
    let manifest = json!({
        "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync", "metadata": {"name": PRODUCTION}, "spec": spec,
    });
    let file = kubeconfig.with_extension("edited.yaml");
    fs::write(&file, manifest.to_string()).expect("write a manifest");
    let edited = plan(&kubeconfig, &["-f", file.to_str().expect("a path")]);
    let edited = String::from_utf8(edited.stdout).expect("UTF-8");
    let frozen = "waits for its windows: window freeze lets nothing start";
    assert_says(
        &edited,
        &["  ·  v1.0.0 → v1.1.0@", "1 canary      ✔ soaking", frozen, "writes Config/production: "],
    );
    assert_eq!(cluster.get("Config", PRODUCTION).await, before);
}

fn plan(kubeconfig: &Path, arguments: &[&str]) -> Output {
    let output = run(kubeconfig, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn run(kubeconfig: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voxsync"));
    command.arg("plan").args(arguments).arg("--kubeconfig").arg(kubeconfig);
    let namespace =
        kubeconfig.file_name().and_then(|name| name.to_str()).and_then(|name| name.split_once("-ci."));
    command.args(["--namespace", namespace.expect("the namespace of the test").0]);
    command.output().expect("the binary starts")
}

/// A kubeconfig of a user who has the shipped rights of an audit in the namespace of the test.
async fn reader(cluster: &Cluster) -> PathBuf {
    let shipped: Vec<Value> = serde_saphyr::from_multiple(READER).expect("YAML");
    let role = shipped.iter().find(|object| object["kind"] == "ClusterRole").expect("a ClusterRole");
    cluster.create(json!({"kind": "Role", "metadata": {"name": "reader"}, "rules": role["rules"]})).await;
    let group = "rbac.authorization.k8s.io";
    let binding = json!({
        "kind": "RoleBinding", "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "reader"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": cluster.namespace()}],
    });
    cluster.create(binding).await;
    let kubeconfig = kubeconfig_as(cluster, cluster.namespace());
    wait_for("the rights of a reader", DEADLINE, async || {
        let output = run(&kubeconfig, &[PRODUCTION]);
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    })
    .await;
    kubeconfig
}
