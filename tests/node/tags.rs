//! What a tag that is pushed again does to pods that start later: with a digest in the reference, and without.

use serde_json::{Value, json};

use crate::{
    estate::{Estate, PODS, push, tagged, text},
    node::{NAMESPACE, REGISTRY, apply, kubectl},
};

pub(crate) async fn a_tag_pushed_again_changes_nothing_that_was_released(estate: &mut Estate) {
    let released = estate.deployed("v2").await;
    push("v2", "# v2 again");
    // From now on the node itself takes the tag for the new one.
    assert_eq!(served_by(estate, "other", "v2", "Always").await, "# v2 again");
    let before = estate.settled(PODS, 2).await;
    kubectl(&["delete", "pod", text(&before[0]["metadata"]["name"])]);
    let after = estate.settled(PODS, 2).await;
    assert!(
        after.iter().any(|pod| before.iter().all(|old| old["metadata"]["uid"] != pod["metadata"]["uid"]))
    );
    assert_eq!(estate.read_pods(PODS).await, ["# v2", "# v2"]);
    assert_eq!(estate.deployed("v2").await, released);
}

/// Not voxsync's doing, but the reason why it writes digests.
pub(crate) async fn a_bare_tag_gives_a_server_two_versions(estate: &mut Estate) {
    // The node has pulled this tag before.
    push("v1", "# v1 again");
    let mut served = Vec::new();
    for (pod, policy) in [("first", "IfNotPresent"), ("second", "Always"), ("third", "IfNotPresent")] {
        served.push(served_by(estate, pod, "v1", policy).await);
    }
    assert_eq!(served, ["# v1", "# v1 again", "# v1 again"]);
}

/// What a new pod with a bare tag serves.
async fn served_by(estate: &Estate, pod: &str, tag: &str, policy: &str) -> String {
    apply(&[bare_pod(pod, tag, policy)]);
    let labels = format!("pod={pod}");
    estate.settled(&labels, 1).await;
    let served = estate.read_pods(&labels).await.concat();
    kubectl(&["delete", "pod", pod, "--wait=false"]);
    served
}

fn bare_pod(name: &str, tag: &str, policy: &str) -> Value {
    let path = "/etc/puppetlabs/code/environments";
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"pod": name}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "server", "image": format!("{REGISTRY}/busybox:1"),
                "command": ["/bin/busybox", "httpd", "-f", "-p", "8140", "-h", path],
                "readinessProbe": {"tcpSocket": {"port": 8140}, "periodSeconds": 1},
                "volumeMounts": [{"name": "code", "mountPath": path}],
            }],
            "volumes": [{"name": "code", "image": {"reference": tagged(tag), "pullPolicy": policy}}],
        },
    })
}
