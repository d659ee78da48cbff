use serde_json::{Value, json};

use super::*;
use crate::{Object, SERVER_LABEL};

fn apply<T: serde::de::DeserializeOwned + Into<Object>>(snapshot: &mut Snapshot, value: Value) -> bool {
    snapshot.apply(serde_json::from_value::<T>(value).unwrap())
}

fn owned(name: &str, owner: Option<(&str, &str)>) -> Value {
    let owners = owner.map(|(kind, name)| {
        json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "u", "controller": true}])
    });
    json!({"name": name, "namespace": "puppet", "ownerReferences": owners})
}

fn deployment(name: &str, label: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "puppet", "managedFields": [
            {"manager": "manager", "operation": "Update", "fieldsV1": {"f:spec": {"f:template": {}}}}]},
        "spec": {"selector": {"matchLabels": {label: name}}, "template": {"spec": {
            "containers": [{"name": "openvox-server", "env": [{"name": "A", "value": "b"}]}],
            "volumes": [{"name": "ssl", "secret": {"secretName": "s"}}, {"name": "code", "image": {"reference": "a:1"}}]}}},
    })
}

#[test]
fn goes_from_a_config_to_its_pods() {
    let mut snapshot = Snapshot::default();
    apply::<Config>(&mut snapshot, json!({"metadata": {"name": "production", "namespace": "puppet"}}));
    for (name, config) in [("one", "production"), ("two", "production"), ("other", "staging")] {
        let metadata = json!({"name": name, "namespace": "puppet"});
        apply::<Server>(&mut snapshot, json!({"metadata": metadata, "spec": {"configRef": config}}));
    }
    apply::<Deployment>(&mut snapshot, deployment("one", SERVER_LABEL));
    let template = json!({"metadata": {}, "spec": {"containers": []}});
    apply::<ReplicaSet>(
        &mut snapshot,
        json!({"metadata": owned("one-1", Some(("Deployment", "one"))), "spec": {"selector": {}, "template": template}}),
    );
    apply::<Pod>(&mut snapshot, json!({"metadata": owned("one-1-a", Some(("ReplicaSet", "one-1")))}));
    apply::<Pod>(&mut snapshot, json!({"metadata": owned("stray", None)}));

    let servers = snapshot.servers_of_config("puppet", "production");
    let names: Vec<_> = servers.filter_map(|server| server.metadata.name.as_deref()).collect();
    assert_eq!(names, ["one", "two"]);
    let pods = snapshot.pods_of("puppet", "one").filter_map(|pod| pod.metadata.name);
    assert_eq!(pods.collect::<Vec<_>>(), ["one-1-a"]);
}

#[test]
fn keeps_positions_and_drops_the_rest() {
    let mut snapshot = Snapshot::default();
    apply::<Deployment>(&mut snapshot, deployment("one", SERVER_LABEL));
    let kept = snapshot.deployment_of("puppet", "one").unwrap();
    assert_eq!(kept.metadata.managed_fields, None);
    let template = serde_json::to_value(&kept.spec.as_ref().unwrap().template).unwrap();
    assert_eq!(
        template,
        json!({"spec": {"containers": [{"name": "openvox-server"}],
                        "volumes": [{"name": "ssl"}, {"name": "code", "image": {"reference": "a:1"}}]}})
    );
}

#[test]
fn of_old_templates_only_what_has_pods_is_kept() {
    let mut snapshot = Snapshot::default();
    let set = |name: &str, version: &str, revision: &str, replicas: u32| {
        let mut metadata = owned(name, Some(("Deployment", "one")));
        metadata["annotations"] = json!({"deployment.kubernetes.io/revision": revision});
        metadata["resourceVersion"] = json!(version);
        json!({"metadata": metadata, "spec": {"replicas": replicas, "selector": {}}, "status": {"replicas": replicas}})
    };
    let names = |snapshot: &Snapshot| -> Vec<String> {
        snapshot.replica_sets_of("puppet", "one").filter_map(|set| set.metadata.name).collect()
    };
    apply::<ReplicaSet>(&mut snapshot, set("a", "1", "1", 0));
    assert_eq!(names(&snapshot), ["a"], "it is that of the newest template");
    apply::<ReplicaSet>(&mut snapshot, set("b", "2", "2", 1));
    apply::<ReplicaSet>(&mut snapshot, set("c", "3", "3", 0));
    assert_eq!(names(&snapshot), ["b", "c"]);
    apply::<ReplicaSet>(&mut snapshot, set("b", "4", "2", 0));
    assert_eq!(names(&snapshot), ["c"]);
    apply::<ReplicaSet>(&mut snapshot, set("a", "5", "4", 0));
    assert_eq!(names(&snapshot), ["a"], "its template is the newest again");
}

#[test]
fn of_a_pod_what_keeps_it_from_starting_is_kept() {
    let mut snapshot = Snapshot::default();
    let template = json!({"metadata": {}, "spec": {"containers": []}});
    apply::<ReplicaSet>(
        &mut snapshot,
        json!({"metadata": owned("one-1", Some(("Deployment", "one"))), "spec": {"selector": {}, "template": template}}),
    );
    let mut pod = |name: &str, state: Value, condition: Value| {
        let container = json!({"name": "c", "image": "i", "imageID": "x", "ready": false, "restartCount": 0, "state": state});
        let status =
            json!({"containerStatuses": [container], "conditions": [condition], "podIP": "10.0.0.1"});
        apply::<Pod>(
            &mut snapshot,
            json!({"metadata": owned(name, Some(("ReplicaSet", "one-1"))), "spec": {"containers": []}, "status": status}),
        );
    };
    let waiting = json!({"waiting": {"reason": "ImagePullBackOff", "message": "m"}});
    pod("waits", waiting.clone(), json!({"type": "Ready", "status": "False"}));
    pod("nowhere", json!({}), json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}));
    pod("well", json!({"running": {}}), json!({"type": "Ready", "status": "True"}));
    let troubled: Vec<Pod> = snapshot.troubled_pods_of("puppet", "one").collect();
    let names: Vec<_> = troubled.iter().filter_map(|pod| pod.metadata.name.as_deref()).collect();
    assert_eq!(names, ["nowhere", "waits"]);
    let kept = serde_json::to_value(&troubled[1]).unwrap();
    assert_eq!(kept["status"]["containerStatuses"][0]["state"], waiting);
    assert_eq!(snapshot.pods_of("puppet", "one").count(), 3);
}

#[test]
fn of_other_deployments_only_the_selector_is_kept() {
    let mut snapshot = Snapshot::default();
    apply::<Deployment>(&mut snapshot, deployment("web", "app"));
    let kept = serde_json::to_value(snapshot.deployment_of("puppet", "web")).unwrap();
    assert_eq!(kept["spec"], json!({"selector": {"matchLabels": {"app": "web"}}, "template": {}}));
}

#[test]
fn an_unreadable_object_is_not_there_and_says_why() {
    let mut snapshot = Snapshot::default();
    let metadata = json!({"name": "production", "namespace": "puppet", "resourceVersion": "5"});
    assert!(apply::<Config>(&mut snapshot, json!({"metadata": metadata})));
    assert!(!apply::<Config>(&mut snapshot, json!({"metadata": metadata})), "the same again is no change");
    snapshot.note_unreadable(Unreadable {
        kind: Kind::Config,
        namespace: "puppet".into(),
        name: "production".into(),
        reason: "spec.code is a number".into(),
    });
    assert!(snapshot.config("puppet", "production").is_none());
    assert_eq!(snapshot.why_unreadable(Kind::Config, "puppet", "production"), Some("spec.code is a number"));
    assert!(apply::<Config>(&mut snapshot, json!({"metadata": metadata})));
    assert_eq!(snapshot.unreadable().count(), 0);
}
