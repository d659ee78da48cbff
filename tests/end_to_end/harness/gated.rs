//! Servers with certificate authorities, Deployments that are held back, and how to tell.

use serde_json::{Value, json};
use voxsync_fixtures::{Access, Registry, Transport};

use super::{
    cluster::Cluster,
    estate::{Estate, PRODUCTION},
    recorder::Recorder,
    rollouts::{code_images, revision},
    servers::NewServer,
    voxsync::Voxsync,
};

const GATE: &str = "voxsync.dev/gate";

/// Servers of the Config `production`, `ca` and those that end in `-ca` certificate authorities, and the CodeSync
/// `production` with it as the target of its only stage, at rest on v1.0.0.
pub(crate) async fn at_rest(cluster: &Cluster, servers: &[&str], by_operator: bool, stage: Value) -> Estate {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let estate = Estate { registry, voxsync: Some(Voxsync::start(cluster)) };
    estate.push("v1.0.0").await;
    cluster.create_config(PRODUCTION, Some(cluster.code(&estate.tagged("v1.0.0")))).await;
    for name in servers {
        let ca = *name == "ca" || name.ends_with("-ca");
        cluster.create_server(&NewServer { name, ca, by_operator, ..NewServer::default() }).await;
    }
    let mut all = json!({"name": "all", "targets": [{"kind": "Config", "name": PRODUCTION}]});
    all.as_object_mut().expect("an object").extend(stage.as_object().expect("an object").clone());
    cluster.create_code_sync(PRODUCTION, json!({"source": estate.source(), "stages": [all]})).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    for name in servers {
        cluster.rolled(name, &[&estate.tagged("v1.0.0")]).await;
    }
    estate
}

/// The same with `compile` and `ca`, in the middle of the promotion of v1.1.0: `compile` does not roll, because a person
/// paused it, and `ca` is held back. Gives the new reference too.
pub(crate) async fn half_way(cluster: &Cluster) -> (Estate, String) {
    let estate = at_rest(cluster, &["compile", "ca"], false, json!({})).await;
    cluster.patch("Deployment", "compile", pause(true)).await;
    let wanted = estate.push_and_look(cluster, "v1.1.0").await;
    let is_there = |found: &Value| is_held(found) && code_images(found) == [wanted.as_str()];
    cluster.deployment_when("ca", "held back on the new template", is_there).await;
    cluster.template_with("compile", &[&wanted]).await;
    (estate, wanted)
}

pub(crate) fn pause(is_paused: bool) -> Value {
    json!({"spec": {"paused": if is_paused { json!(true) } else { Value::Null }}})
}

pub(crate) fn is_paused(deployment: &Value) -> bool {
    deployment["spec"]["paused"] == true
}

pub(crate) fn has_gate(deployment: &Value) -> bool {
    deployment["metadata"]["annotations"][GATE].is_string()
}

pub(crate) fn is_held(deployment: &Value) -> bool {
    is_paused(deployment) && has_gate(deployment)
}

/// Whether all pods of a Deployment are of its template and ready, as it says itself.
pub(crate) fn is_complete(deployment: &Value) -> bool {
    let (status, spec) = (&deployment["status"], &deployment["spec"]);
    status["observedGeneration"] == deployment["metadata"]["generation"]
        && ["replicas", "updatedReplicas", "availableReplicas"]
            .iter()
            .all(|it| status[*it] == spec["replicas"])
}

/// Whether a Deployment may replace its pods by those of this code, and has not done so yet.
pub(crate) fn rolls_to(deployment: &Value, reference: &str) -> bool {
    code_images(deployment) == [reference] && !is_paused(deployment) && !is_complete(deployment)
}

/// Goes through all that the Deployments said in the order of the API server; `look` is given the last version of each.
pub(crate) fn replay(recorder: &Recorder, servers: &[&str], mut look: impl FnMut(&[&Value])) {
    let versions = recorder.versions_where(|object| object["kind"] == "Deployment");
    let mut last: Vec<Option<&Value>> = vec![None; servers.len()];
    for version in &versions {
        let place = servers.iter().position(|server| version["metadata"]["name"] == *server);
        last[place.expect("a Deployment of the test")] = Some(version);
        let all: Option<Vec<&Value>> = last.iter().copied().collect();
        if let Some(all) = all {
            look(&all);
        }
    }
}

/// Waits until nothing of a gate is left and the code rolled out, and asserts how many revisions there were.
pub(crate) async fn assert_free(cluster: &Cluster, server: &str, reference: &str, revisions: &str) {
    let is_free = |found: &Value| !is_paused(found) && !has_gate(found);
    cluster.deployment_when(server, "nothing of a gate is left", is_free).await;
    let deployment = cluster.rolled(server, &[reference]).await;
    assert!(is_free(&deployment), "{deployment}");
    assert_eq!(revision(&deployment), revisions, "{server}");
}
