//! What the suite itself stands on: clusters behave as the other tests take for granted.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Case, Cluster, Needs, NewServer, Operator, Release, cases, wait_for};

pub(crate) const CASES: &[Case] = cases![
    a_changed_code_image_rolls_a_deployment => Needs::BOTH_SHAPES,
    kubectl_follows_a_rollout => Needs::OBJECT.and_kubectl(),
    a_code_image_that_cannot_be_pulled_is_named_by_the_pod,
    an_old_operator_rewrites_templates_but_misses_a_changed_config => Needs::BOTH_SHAPES,
    a_newer_operator_follows_a_changed_config => Needs::BOTH_SHAPES,
    each_entry_of_a_list_has_a_volume_of_its_own => Needs::LIST,
    a_deleted_server_takes_its_deployment_along,
    the_api_server_goes_and_comes_back => Needs::EXCLUSIVE,
    an_old_cluster_drops_image_volumes => Needs::WITHOUT_IMAGE_VOLUMES,
];

const DEADLINE: Duration = Duration::from_mins(4);
/// How often a race that the cluster may win is tried.
const TRIES: usize = 5;
const FIRST: &str = "registry.example/code:v1";
const SECOND: &str = "registry.example/code:v2";

async fn a_changed_code_image_rolls_a_deployment(cluster: &Cluster) {
    servers(cluster, FIRST, 3).await;
    set_reference(cluster, SECOND).await;
    rolled(cluster, SECOND, 3).await;
    let revision = &cluster.get("Deployment", "server").await["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
    assert_eq!(revision, "2");
}

async fn kubectl_follows_a_rollout(cluster: &Cluster) {
    servers(cluster, FIRST, 2).await;
    set_reference(cluster, SECOND).await;
    let said = cluster.kubectl(&["rollout", "status", "deployment/server", "--timeout=60s"]);
    assert!(said.contains("successfully rolled out"), "{said}");
    assert!(cluster.kubectl(&["get", "deployments"]).contains("2/2"));
}

async fn a_code_image_that_cannot_be_pulled_is_named_by_the_pod(cluster: &Cluster) {
    servers(cluster, FIRST, 1).await;
    let missing = "registry.example/missing:v2";
    set_reference(cluster, missing).await;
    let message = wait_for("a pod with ImagePullBackOff", DEADLINE, async || {
        let pods = cluster.list("Pod").await;
        let mut waiting = pods.iter().map(|pod| &pod["status"]["containerStatuses"][0]["state"]["waiting"]);
        let found = waiting.find(|waiting| waiting["reason"] == "ImagePullBackOff");
        found.map(|waiting| waiting["message"].to_string()).ok_or(format!("{} pods", pods.len()))
    })
    .await;
    assert!(message.contains(missing) && message.contains("ErrImagePull"), "{message}");
    assert_eq!(
        cluster.get("Deployment", "server").await["status"]["availableReplicas"],
        1,
        "the old pod stays"
    );
}

async fn an_old_operator_rewrites_templates_but_misses_a_changed_config(cluster: &Cluster) {
    servers(cluster, FIRST, 1).await;
    let _operator = Operator::start(cluster, Release::V0_6);
    set_reference(cluster, SECOND).await;
    wait_for("the operator puts its own reference back", DEADLINE, async || {
        has_reference(cluster, FIRST).await
    })
    .await;
    // A late word of the Deployment makes it look at all, the Config too: then it is tried again.
    let mut misses = false;
    for _ in 0..TRIES {
        rolled(cluster, FIRST, 1).await;
        cluster.patch("Config", "production", json!({"spec": {"code": cluster.code(SECOND)}})).await;
        misses = has_reference(cluster, FIRST).await.is_ok();
        if misses {
            break;
        }
        cluster.patch("Config", "production", json!({"spec": {"code": cluster.code(FIRST)}})).await;
        annotate(cluster, "again").await;
    }
    assert!(misses, "nobody told it");
    annotate(cluster, SECOND).await;
    rolled(cluster, SECOND, 1).await;
}

/// Any change of the Server makes the old operator look.
async fn annotate(cluster: &Cluster, value: &str) {
    let change = json!({"metadata": {"annotations": {"voxsync.dev/requested-code": value}}});
    cluster.patch("Server", "server", change).await;
}

async fn a_newer_operator_follows_a_changed_config(cluster: &Cluster) {
    let _operator = Operator::start(cluster, Release::Newer);
    cluster.create_config("production", Some(cluster.code(FIRST))).await;
    cluster.create_server_alone(&NewServer { replicas: 2, ..NewServer::default() }).await;
    rolled(cluster, FIRST, 2).await;
    cluster.patch("Config", "production", json!({"spec": {"code": cluster.code(SECOND)}})).await;
    rolled(cluster, SECOND, 2).await;
}

async fn each_entry_of_a_list_has_a_volume_of_its_own(cluster: &Cluster) {
    let code = json!([
        {"image": FIRST, "environment": "production"},
        {"image": SECOND, "mountPath": "/srv/code", "imagePullSecret": "login"},
    ]);
    cluster.create_config("production", Some(code)).await;
    cluster.create_server(&NewServer::default()).await;
    let template = &cluster.get("Deployment", "server").await["spec"]["template"];
    assert_eq!(
        template["metadata"]["annotations"]["openvox.voxpupuli.org/code-image"],
        format!("{FIRST},{SECOND}")
    );
    let mounts = template["spec"]["containers"][0]["volumeMounts"].as_array().expect("mounts");
    let paths: Vec<_> = mounts.iter().map(|mount| (&mount["name"], &mount["mountPath"])).collect();
    assert_eq!(paths[1], (&json!("code-0"), &json!("/etc/puppetlabs/code/environments/production")));
    assert_eq!(paths[2], (&json!("code-1"), &json!("/srv/code")));
    assert_eq!(template["spec"]["imagePullSecrets"], json!([{"name": "login"}]));
}

async fn a_deleted_server_takes_its_deployment_along(cluster: &Cluster) {
    servers(cluster, FIRST, 1).await;
    cluster.delete("Server", "server").await;
    wait_for("its Deployment and pods are gone", DEADLINE, async || {
        let left = cluster.list("Deployment").await.len() + cluster.list("Pod").await.len();
        if left == 0 { Ok(()) } else { Err(format!("{left} left in {}", cluster.namespace())) }
    })
    .await;
}

async fn the_api_server_goes_and_comes_back(cluster: &Cluster) {
    servers(cluster, FIRST, 1).await;
    cluster.stop_api().await;
    let error = cluster.api("Deployment").get("server").await.expect_err("no API server");
    assert!(!matches!(error, kube::Error::Api(_)), "{error}");
    cluster.start_api().await;
    set_reference(cluster, SECOND).await;
    rolled(cluster, SECOND, 1).await;
}

async fn an_old_cluster_drops_image_volumes(cluster: &Cluster) {
    cluster.create_config("production", Some(cluster.code(FIRST))).await;
    cluster.create_server(&NewServer::default()).await;
    let pod = &cluster.get("Deployment", "server").await["spec"]["template"]["spec"];
    // Without a word: the Deployment is accepted, its pods start, and there is no code in them.
    assert_eq!(names(&pod["volumes"]), ["ssl", "report-webhook-config"]);
    assert_eq!(names(&pod["containers"][0]["volumeMounts"]), ["ssl", "report-webhook-config"]);
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(|item| item["name"].as_str()).collect()
}

/// A Config and a Server with its Deployment, rolled out.
async fn servers(cluster: &Cluster, reference: &str, replicas: u32) {
    cluster.create_config("production", Some(cluster.code(reference))).await;
    cluster.create_server(&NewServer { replicas, ..NewServer::default() }).await;
    rolled(cluster, reference, replicas).await;
}

/// Changes the pod template by hand.
async fn set_reference(cluster: &Cluster, reference: &str) {
    let mut deployment = cluster.get("Deployment", "server").await;
    let volumes = deployment["spec"]["template"]["spec"]["volumes"].as_array_mut().expect("volumes");
    let code = volumes.iter_mut().find(|volume| volume["name"] == "code").expect("a code volume");
    code["image"]["reference"] = json!(reference);
    let volumes = json!(volumes);
    cluster
        .patch("Deployment", "server", json!({"spec": {"template": {"spec": {"volumes": volumes}}}}))
        .await;
}

async fn has_reference(cluster: &Cluster, reference: &str) -> Result<(), String> {
    let pod = &cluster.get("Deployment", "server").await["spec"]["template"]["spec"];
    let code = pod["volumes"].as_array().into_iter().flatten().find(|volume| volume["name"] == "code");
    let found = code.map(|volume| volume["image"]["reference"].clone());
    if found == Some(json!(reference)) { Ok(()) } else { Err(format!("{found:?}")) }
}

async fn rolled(cluster: &Cluster, reference: &str, replicas: u32) {
    wait_for(&format!("{replicas} pods with {reference}"), DEADLINE, async || {
        let deployment = cluster.try_get("Deployment", "server").await.ok_or("no Deployment")?;
        has_reference(cluster, reference).await?;
        let (status, generation) = (&deployment["status"], &deployment["metadata"]["generation"]);
        let is_done = status["observedGeneration"] == *generation
            && ["replicas", "updatedReplicas", "availableReplicas"]
                .iter()
                .all(|count| status[*count] == replicas);
        if is_done { Ok(()) } else { Err(format!("generation {generation}, status {status}")) }
    })
    .await;
}
