//! voxsync in the cluster as it is shipped, and what it tells people outside.

use std::process::Command;

use serde_json::Value;
use voxsync_fixtures::run;

use crate::{
    estate::{COMPILE, DEADLINE, Estate, PODS, push, text},
    node::{NAMESPACE, REGISTRY, kubectl},
    wait::wait_for,
};

const VOXSYNC: &str = "app.kubernetes.io/name=voxsync";

pub(crate) async fn voxsync_runs_from_its_own_image_as_shipped(estate: &mut Estate) {
    let node = &estate.node;
    kubectl(&["create", "namespace", NAMESPACE]);
    kubectl(&["apply", "--server-side", "-f", "tests/data/openvox-operator/crds"]);
    kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]);
    kubectl(&["apply", "--server-side", "-k", "tests/node/manifests"]);
    let replicas = node.get("Deployment", "voxsync").await["spec"]["replicas"].as_u64().expect("replicas");
    let pods = estate.settled(VOXSYNC, usize::try_from(replicas).expect("a few")).await;
    for pod in &pods {
        let container = &pod["status"]["containerStatuses"][0];
        assert!(text(&container["imageID"]).starts_with(&format!("{REGISTRY}/voxsync@")), "{container}");
        assert_eq!(container["restartCount"], 0);
    }
    let inside = |program: &str, argument: &str| {
        kubectl(&["exec", text(&pods[0]["metadata"]["name"]), "--", program, argument])
    };
    println!("  {} pods of {}", pods.len(), inside("/usr/local/bin/voxsync", "--version").trim());
}

pub(crate) async fn servers_serve_the_code_of_a_real_image_volume(estate: &mut Estate) {
    push("v1", "# v1");
    kubectl(&["apply", "-f", "tests/node/manifests/estate.yaml"]);
    estate.settled(PODS, 2).await;
    assert_eq!(estate.read_pods(PODS).await, ["# v1", "# v1"]);
    // kube-proxy hears of the pods a little later.
    wait_for("the Service answers", DEADLINE, async || match estate.read().await {
        answer if answer == "# v1" => Ok(()),
        answer => Err(answer),
    })
    .await;
}

pub(crate) async fn audit_says_in_sync(estate: &mut Estate) {
    let report: Value = serde_json::from_str(&audit(estate, &["-o", "json"])).expect("one JSON value");
    let rows = report["servers"].as_array().expect("a list of Servers");
    assert_eq!(rows.len(), 1, "{report}");
    assert_eq!([&rows[0]["server"], &rows[0]["verdict"]], [COMPILE, "InSync"], "{report}");
    println!("{}", audit(estate, &[]).trim_end());
}

/// What a person at another machine sees.
pub(crate) fn audit(estate: &Estate, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voxsync"));
    command.args(["audit", "--namespace", NAMESPACE, "--kubeconfig"]).arg(estate.node.kubeconfig());
    run(command.args(arguments))
}
