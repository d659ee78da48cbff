//! What a rollout leaves behind: the objects that the cluster's own parts make of a Deployment.

use serde_json::{Value, json};

/// A Deployment whose rollout is over, with its `ReplicaSet` and its pods.
pub fn rolled(mut deployment: Value, replicas: usize) -> Vec<Value> {
    const HASH: &str = "6f7c9d8b54";
    let name = format!("{}-{HASH}", deployment["metadata"]["name"].as_str().unwrap_or_default());
    let namespace = deployment["metadata"]["namespace"].clone();
    let revision = json!({"deployment.kubernetes.io/revision": "1"});
    deployment["metadata"]["annotations"] = revision.clone();
    let condition = |kind: &str, reason: &str| {
        json!({
            "type": kind, "status": "True", "reason": reason, "message": "It is as it should be.",
            "lastUpdateTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    deployment["status"] = json!({
        "observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas,
        "availableReplicas": replicas,
        "conditions": [condition("Available", "MinimumReplicasAvailable"), condition("Progressing", "NewReplicaSetAvailable")],
    });
    let deployment = stored(deployment);
    let mut template = deployment["spec"]["template"].clone();
    template["metadata"]["labels"]["pod-template-hash"] = json!(HASH);
    let labels = template["metadata"]["labels"].clone();
    let set = stored(json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": name, "namespace": namespace, "labels": labels, "annotations": revision,
            "ownerReferences": [owner(&deployment)],
        },
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
        "status": {
            "observedGeneration": 1, "replicas": replicas, "fullyLabeledReplicas": replicas, "readyReplicas": replicas,
            "availableReplicas": replicas,
        },
    }));
    let ready = |kind: &str| json!({"type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"].map(ready);
    let image = &template["spec"]["containers"][0]["image"];
    let pod = |number: usize| {
        stored(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": format!("{name}-{number:05}"), "namespace": namespace, "labels": labels,
                "annotations": template["metadata"]["annotations"], "ownerReferences": [owner(&set)],
            },
            "spec": template["spec"],
            "status": {
                "phase": "Running", "hostIP": "10.0.0.1", "podIP": "10.244.0.2", "startTime": "2026-01-01T00:00:00Z", "qosClass": "Burstable",
                "conditions": conditions,
                "containerStatuses": [{
                    "name": "openvox-server", "image": image, "imageID": image, "ready": true, "started": true, "restartCount": 0,
                    "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
                }],
            },
        }))
    };
    let pods: Vec<Value> = (0..replicas).map(pod).collect();
    [vec![deployment, set], pods].concat()
}

/// An object with what the API server adds to it.
fn stored(mut object: Value) -> Value {
    let uid =
        format!("{}/{}/{}", object["kind"], object["metadata"]["namespace"], object["metadata"]["name"]);
    let entry = json!({
        "manager": "openvox-operator", "operation": "Update", "apiVersion": object["apiVersion"], "fieldsType": "FieldsV1",
        "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": fields(&object["spec"])},
    });
    let metadata = &mut object["metadata"];
    metadata["uid"] = json!(uid);
    metadata["generation"] = json!(1);
    metadata["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    metadata["managedFields"] = json!([entry]);
    object
}

/// The names of all fields, as managed fields have them.
fn fields(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            members.iter().map(|(name, value)| (format!("f:{name}"), fields(value))).collect()
        }
        Value::Array(elements) => {
            let name = |element: &Value| format!("k:{{\"name\":{}}}", element["name"]);
            elements.iter().filter(|one| one.is_object()).map(|one| (name(one), fields(one))).collect()
        }
        _ => json!({}),
    }
}

fn owner(object: &Value) -> Value {
    json!({
        "apiVersion": object["apiVersion"], "kind": object["kind"], "name": object["metadata"]["name"],
        "uid": object["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    })
}
