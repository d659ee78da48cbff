use rstest::rstest;
use serde_json::{Value, from_value, json};
use voxsync_crds::Config;

use super::*;

fn snapshot(cross_namespace: CrossNamespace) -> Snapshot {
    let mut snapshot = Snapshot::default();
    snapshot.set_cross_namespace(cross_namespace);
    for (namespace, name, accepts) in
        [("dev", "own", ""), ("prod", "open", "ci,dev"), ("prod", "shut", "devel"), ("prod", "silent", "")]
    {
        let metadata = json!({
            "namespace": namespace, "name": name, "labels": {"ring": "late"},
            "annotations": {"voxsync.dev/accepts-from": accepts},
        });
        snapshot.apply(from_value::<Config>(json!({"metadata": metadata, "spec": {}})).unwrap());
        let metadata = json!({"namespace": namespace, "name": format!("of-{name}")});
        let server = json!({"metadata": metadata, "spec": {"configRef": name}});
        snapshot.apply(from_value::<Server>(server).unwrap());
    }
    snapshot
}

fn code_sync(namespace: &str, target: &Value) -> CodeSync {
    from_value(json!({
        "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync", "metadata": {"name": "a", "namespace": namespace},
        "spec": {"source": {"file": {"path": "x"}}, "target": target},
    }))
    .unwrap()
}

/// What a CodeSync of `dev` means by a target, each with how many Servers it gets by it.
fn means(snapshot: &Snapshot, target: &Value) -> Vec<(String, usize)> {
    let spec = code_sync("dev", target).spec;
    let keys = snapshot.stage_targets("dev", &spec).into_iter().flatten();
    keys.map(|key| (key.to_string(), snapshot.servers_of_target("dev", &key).len())).collect()
}

#[rstest]
#[case::its_own(json!({"kind": "Config", "name": "own"}), &[("Config/own", 1)])]
#[case::its_own_by_namespace(json!({"kind": "Config", "name": "own", "namespace": "dev"}), &[("Config/own", 1)])]
#[case::open(json!({"kind": "Config", "name": "open", "namespace": "prod"}), &[("Config/prod/open", 1)])]
#[case::shut(json!({"kind": "Config", "name": "shut", "namespace": "prod"}), &[("Config/prod/shut", 0)])]
#[case::not_there(json!({"kind": "Config", "name": "none", "namespace": "prod"}), &[("Config/prod/none", 0)])]
#[case::a_server_consents_itself(
    json!({"kind": "Server", "name": "of-open", "namespace": "prod"}), &[("Server/prod/of-open", 0)]
)]
#[case::selected(
    json!({"kind": "Config", "selector": {"matchLabels": {"ring": "late"}}, "namespace": "prod"}),
    &[("Config/prod/open", 1)]
)]
#[case::selected_at_home(
    json!({"kind": "Config", "selector": {"matchLabels": {"ring": "late"}}}), &[("Config/own", 1)]
)]
fn what_does_not_consent_is_shut(#[case] target: Value, #[case] wanted: &[(&str, usize)]) {
    let allowed = snapshot(CrossNamespace::Allowed);
    let found = means(&allowed, &target);
    let found: Vec<_> = found.iter().map(|(key, servers)| (key.as_str(), *servers)).collect();
    assert_eq!(found, wanted);
    // Without the option nothing elsewhere is open, and nothing there is selected.
    let refused = means(&snapshot(CrossNamespace::Refused), &target);
    assert!(refused.iter().all(|(key, servers)| *servers == 0 || key == "Config/own"), "{refused:?}");
}

#[test]
fn whether_it_is_there_is_not_told() {
    let key = |name: &str| TargetKey {
        kind: TargetKind::Config,
        namespace: Some("prod".to_owned()),
        name: name.to_owned(),
        entry: None,
    };
    let allowed = snapshot(CrossNamespace::Allowed);
    let shut: Vec<_> = ["open", "shut", "silent", "none"].map(|name| allowed.shut("dev", &key(name))).into();
    assert_eq!(shut, [None, Some(Shut::NoConsent), Some(Shut::NoConsent), Some(Shut::NoConsent)]);
    let refused = snapshot(CrossNamespace::Refused);
    assert_eq!(["open", "none"].map(|name| refused.shut("dev", &key(name))), [Some(Shut::Refused); 2]);
}

#[rstest]
#[case::lets_it_in("dev", "open", true)]
#[case::does_not("dev", "shut", false)]
#[case::another_one("qa", "open", false)]
#[case::its_own("prod", "shut", true)]
fn who_names_a_target_must_be_let_in(#[case] namespace: &str, #[case] name: &str, #[case] wanted: bool) {
    let allowed = snapshot(CrossNamespace::Allowed);
    let key = TargetKey { kind: TargetKind::Config, namespace: None, name: name.to_owned(), entry: None };
    let names = |target: &Value| allowed.names(&code_sync(namespace, target), "prod", &key);
    assert_eq!(names(&json!({"kind": "Config", "name": name, "namespace": "prod"})), wanted);
    let selector = json!({"matchLabels": {"ring": "late"}});
    assert_eq!(names(&json!({"kind": "Config", "selector": selector, "namespace": "prod"})), wanted);
    let unnamed = names(&json!({"kind": "Config", "name": name}));
    assert_eq!(unnamed, namespace == "prod", "without a namespace it is its own");
    let object = allowed.metadata_of(TargetKind::Config, "prod", name);
    let let_in: Vec<_> = allowed.namespaces_let_in("prod", object).collect();
    assert!(let_in[0] == "prod" && (!wanted || let_in.contains(&namespace)), "{let_in:?}");
}

#[test]
fn what_is_selected_and_carries_our_record_is_not_forgotten_when_it_shuts() {
    let mut allowed = snapshot(CrossNamespace::Allowed);
    for (name, uid) in [("mine", "uid-mine"), ("theirs", "uid-theirs")] {
        let record = json!({"": {"codeSync": uid, "promotion": "p", "reference": "a:1"}}).to_string();
        let metadata = json!({
            "namespace": "prod", "name": name, "labels": {"ring": "late"},
            "annotations": {"voxsync.dev/applied": record},
        });
        allowed.apply(from_value::<Config>(json!({"metadata": metadata, "spec": {}})).unwrap());
    }
    let selector = json!({"matchLabels": {"ring": "late"}});
    let mut mine = code_sync("dev", &json!({"kind": "Config", "selector": selector, "namespace": "prod"}));
    mine.metadata.uid = Some("uid-mine".to_owned());
    let keys: Vec<_> = allowed.targets_of(&mine).into_iter().flatten().collect();
    let names: Vec<_> = keys.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["mine", "open"]);
    assert_eq!(allowed.shut("dev", &keys[0]), Some(Shut::NoConsent));
    assert!(allowed.servers_of_target("dev", &keys[0]).is_empty());
}
