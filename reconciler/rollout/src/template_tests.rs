use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::fixtures::{ENVIRONMENTS, code, deployment, deployment_with, deployment_without_code, server};

const TEMPLATE: &str = "/spec/template";

fn patch(before: &Value, code: &ServerCode) -> Option<Value> {
    let patch = template(&deployment(before), &server(json!({})), code).unwrap()?;
    Some(serde_json::to_value(patch).unwrap())
}

fn patched(before: &Value, code: &ServerCode) -> Value {
    let patch = template(&deployment(before), &server(json!({})), code).unwrap();
    let mut after = before.clone();
    if let Some(patch) = patch {
        json_patch::patch(&mut after, &patch).unwrap();
    }
    after
}

fn problem(before: &Value, code: &ServerCode) -> TemplateProblem {
    template(&deployment(before), &server(json!({})), code).unwrap_err()
}

#[test]
fn a_new_reference_is_two_replacements() {
    let patch = patch(&deployment_with("a:1"), &code(json!({"image": "a:2"})));
    let wanted = json!([
        {"op": "test", "path": "/metadata/resourceVersion", "value": "41"},
        {"op": "replace", "path": "/spec/template/metadata/annotations/openvox.voxpupuli.org~1code-image", "value": "a:2"},
        {"op": "replace", "path": "/spec/template/spec/volumes/1",
            "value": {"name": "code", "image": {"reference": "a:2", "pullPolicy": "IfNotPresent"}}},
    ]);
    assert_eq!(patch, Some(wanted));
}

#[test]
fn nothing_is_written_where_nothing_is_to_do() {
    assert_eq!(patch(&deployment_with("a:1"), &code(json!({"image": "a:1"}))), None);
    assert_eq!(patch(&deployment_with("a:1"), &code(json!([{"image": "a:1"}]))), None);
    assert_eq!(patch(&deployment_without_code(), &ServerCode::default()), None);
}

#[test]
fn first_code_is_what_the_operator_would_write_in_its_order() {
    let after = patched(&deployment_without_code(), &code(json!({"image": "a:1"})));
    assert_eq!(after, deployment_with("a:1"));
}

#[test]
fn removed_code_leaves_what_was_there_before() {
    assert_eq!(patched(&deployment_with("a:1"), &ServerCode::default()), deployment_without_code());
}

#[test]
fn without_code_the_empty_folder_of_newer_operators_stays() {
    let mut with_folder = deployment_without_code();
    let pod = &mut with_folder["spec"]["template"]["spec"];
    pod["volumes"].as_array_mut().unwrap().insert(1, json!({"name": "code", "emptyDir": {}}));
    let mounts = pod["containers"][0]["volumeMounts"].as_array_mut().unwrap();
    mounts.insert(1, json!({"name": "code", "mountPath": ENVIRONMENTS}));

    assert_eq!(patch(&with_folder, &ServerCode::default()), None);
    assert_eq!(patched(&with_folder, &code(json!([{"image": "a:1"}]))), deployment_with("a:1"));
    let after = patched(&with_folder, &code(json!([{"image": "a:1", "environment": "x"}])));
    let volumes = after["spec"]["template"]["spec"]["volumes"].as_array().unwrap();
    let names: Vec<_> = volumes.iter().map(|volume| &volume["name"]).collect();
    assert_eq!(names, ["ssl", "code-0", "report-webhook-config"]);
}

#[test]
fn a_claim_has_no_annotation_and_is_read_only() {
    let after = patched(&deployment_with("a:1"), &code(json!({"claimName": "code-data"})));
    let template = &after["spec"]["template"];
    assert_eq!(
        template["spec"]["volumes"][1],
        json!({"name": "code", "persistentVolumeClaim": {"claimName": "code-data", "readOnly": true}})
    );
    assert_eq!(template["metadata"]["annotations"], json!({"openvox.voxpupuli.org/config-hash": "abc"}));
    assert_eq!(patched(&after, &code(json!({"image": "a:1"}))), deployment_with("a:1"));
    assert_eq!(patched(&after, &ServerCode::default()), deployment_without_code());
}

#[test]
fn several_entries_are_mounted_in_their_order_and_foreign_elements_stay() {
    let two = json!([{"image": "a:1", "environment": "x"}, {"image": "b:1", "mountPath": "/b", "imagePullPolicy": "Always"}]);
    let after = patched(&deployment_with("a:1"), &code(two));
    let template = &after["spec"]["template"];
    let names = |list: &Value| {
        list.as_array()
            .unwrap()
            .iter()
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&template["spec"]["volumes"]), ["ssl", "code-0", "code-1", "report-webhook-config"]);
    assert_eq!(
        names(&template["spec"]["containers"][0]["volumeMounts"]),
        ["ssl", "code-0", "code-1", "report-webhook-config"]
    );
    assert_eq!(template["metadata"]["annotations"]["openvox.voxpupuli.org/code-image"], "a:1,b:1");
    assert_eq!(patched(&after, &code(json!([{"image": "a:1"}]))), deployment_with("a:1"));
}

#[rstest]
#[case::operator_changes_it(true, json!(["old"]), json!({"image": "a:1", "imagePullSecret": "new"}), json!(["new"]))]
#[case::operator_drops_it(true, json!(["old"]), json!({"image": "a:1"}), json!([]))]
#[case::operator_adds_the_first(true, json!(null), json!({"image": "a:1", "imagePullSecret": "new"}), json!(["new"]))]
#[case::other_keeps_its_own(false, json!(["own"]), json!({"image": "a:1", "imagePullSecret": "new"}), json!(["own", "new"]))]
#[case::other_keeps_its_order(false, json!(["own", "new", "z"]), json!({"image": "a:1", "imagePullSecret": "new"}), json!(["own", "new", "z"]))]
fn pull_secrets_are_the_codes_in_the_operators_deployments_only(
    #[case] is_operators: bool,
    #[case] present: Value,
    #[case] spec_code: Value,
    #[case] wanted: Value,
) {
    let list = |names: &Value| {
        let names = names.as_array().cloned();
        names.map_or(Value::Null, |names| names.into_iter().map(|name| json!({"name": name})).collect())
    };
    let mut before = deployment_with("a:1");
    if !is_operators {
        before["metadata"]["ownerReferences"] = json!([]);
    }
    before["spec"]["template"]["spec"]["imagePullSecrets"] = list(&present);
    let after = patched(&before, &code(spec_code));
    assert_eq!(after["spec"]["template"]["spec"]["imagePullSecrets"], list(&wanted));
}

#[test]
fn secrets_for_the_server_image_are_never_dropped() {
    let mut before = deployment_with("a:1");
    before["spec"]["template"]["spec"]["imagePullSecrets"] =
        json!([{"name": "server-image"}, {"name": "old"}]);
    let mut code = code(json!({"image": "a:1", "imagePullSecret": "new"}));
    code.server_image_secrets.insert("server-image".to_owned());
    let after = patched(&before, &code);
    assert_eq!(
        after["spec"]["template"]["spec"]["imagePullSecrets"],
        json!([{"name": "server-image"}, {"name": "new"}])
    );
}

#[test]
fn a_volume_that_nobody_called_code_by_server_or_config_is_not_unmounted() {
    let mut before = deployment_without_code();
    before["metadata"]["ownerReferences"] = json!([]);
    let claim = json!({"name": "code", "persistentVolumeClaim": {"claimName": "by-hand"}});
    before["spec"]["template"]["spec"]["volumes"].as_array_mut().unwrap().push(claim);
    assert_eq!(patch(&before, &ServerCode::default()), None);
}

#[test]
fn a_template_without_lists_gets_them() {
    let mut before = deployment_without_code();
    before["metadata"]["ownerReferences"] = json!([]);
    let template = &mut before["spec"]["template"];
    template["metadata"].as_object_mut().unwrap().remove("annotations");
    template["spec"].as_object_mut().unwrap().remove("volumes");
    template["spec"]["containers"] = json!([{"name": "sidecar"}, {"name": "openvox-server"}]);
    let code = code(json!({"image": "a:1", "imagePullSecret": "s"}));
    let after = patched(&before, &code);
    assert_eq!(patch(&after, &code), None);
    assert_eq!(after["spec"]["template"]["spec"]["containers"][0], json!({"name": "sidecar"}));
}

#[test]
fn says_what_is_wrong_with_the_deployment() {
    let code = code(json!({"image": "a:1"}));
    let with = |place: &str, value: Value| {
        let mut changed = deployment_without_code();
        *changed.pointer_mut(place).unwrap() = value;
        problem(&changed, &code).reason()
    };
    assert_eq!(with("/spec/template/spec/containers/0/name", json!("server")), "NoMainContainer");
    assert_eq!(with("/metadata/ownerReferences/0/uid", json!("earlier")), "ForeignOwner");
    assert_eq!(with("/metadata/ownerReferences/0/kind", json!("Database")), "ForeignOwner");
    assert_eq!(with("/metadata/ownerReferences/0/name", json!("other")), "ForeignOwner");
    assert_eq!(with("/metadata/ownerReferences/0/apiVersion", json!("example.org/v1")), "ForeignOwner");
    assert_eq!(with("/spec/selector/matchLabels", json!({"app": "stable"})), "OtherSelector");
    assert_eq!(
        with("/spec/template/spec/containers/0/volumeMounts/0/mountPath", json!(ENVIRONMENTS)),
        "PathTaken"
    );
}

#[test]
fn a_bad_reference_is_not_written_but_may_be_there_already() {
    let bad = code(json!({"image": "not a ref !!"}));
    assert_eq!(problem(&deployment_with("a:1"), &bad).reason(), "BadReference");
    assert_eq!(patch(&deployment_with("not a ref !!"), &bad), None);
}

#[test]
fn reads_what_the_template_has() {
    assert_eq!(present_references(&deployment(&deployment_with("a:1"))), ["a:1"]);
    assert!(present_references(&deployment(&deployment_without_code())).is_empty());
    assert!(is_made_by_operator(&deployment(&deployment_without_code()), &server(json!({}))));
}

/// Code in both shapes, from none to three entries.
fn any_code() -> impl Strategy<Value = Value> {
    let source = prop_oneof![
        "[a-c]:[1-3]".prop_map(|image| json!({"image": image})),
        ("[a-c]:[1-3]", "s[1-2]").prop_map(
            |(image, secret)| json!({"image": image, "imagePullSecret": secret, "imagePullPolicy": "Always"})
        ),
        "claim-[1-2]".prop_map(|claim| json!({"claimName": claim})),
    ];
    let entries = prop::collection::vec(source.clone(), 0..4).prop_map(|mut entries| {
        for (place, entry) in entries.iter_mut().enumerate() {
            entry["environment"] = json!(format!("environment{place}"));
        }
        json!(entries)
    });
    prop_oneof![source, entries]
}

/// A Deployment with volumes, mounts, secrets and annotations of anybody, some of them with the code's names.
fn any_deployment() -> impl Strategy<Value = Value> {
    let name = prop::sample::subsequence(
        vec!["ssl", "code", "code-0", "code-1", "code-x", "enc-config", "tmp"],
        0..7,
    )
    .prop_shuffle();
    let sources = [
        json!({"emptyDir": {}}),
        json!({"image": {"reference": "z:1"}}),
        json!({"persistentVolumeClaim": {"claimName": "z"}}),
    ];
    let kinds = prop::collection::vec(0..sources.len(), 7);
    let secrets = prop::option::of(prop::sample::subsequence(vec!["s1", "s2", "own"], 0..3));
    (name, kinds, secrets, any::<bool>(), any::<bool>()).prop_map(
        move |(names, kinds, secrets, is_operators, is_annotated)| {
            let mut value = deployment_without_code();
            let volume = |(name, kind): (&&str, &usize)| {
                let mut volume = sources[*kind].clone();
                volume["name"] = json!(name);
                volume
            };
            let template = &mut value["spec"]["template"];
            template["spec"]["volumes"] = names.iter().zip(&kinds).map(volume).collect();
            let mount =
                |name: &&str| json!({"name": name, "mountPath": format!("/mnt/{name}"), "future": true});
            template["spec"]["containers"][0]["volumeMounts"] = names.iter().map(mount).collect();
            if let Some(secrets) = secrets {
                template["spec"]["imagePullSecrets"] =
                    secrets.iter().map(|name| json!({"name": name})).collect();
            }
            if is_annotated {
                template["metadata"]["annotations"][CODE_IMAGE_ANNOTATION] = json!("z:9");
            }
            if !is_operators {
                value["metadata"]["ownerReferences"] = json!([]);
            }
            value
        },
    )
}

/// The Deployment without all that could be the code's.
fn foreign_part(deployment: &Value) -> Value {
    let mut rest = deployment.clone();
    let is_codes = |name: &str| crate::part::is_code_volume_name(name);
    let template = rest.pointer_mut(TEMPLATE).unwrap();
    template["metadata"]["annotations"].as_object_mut().unwrap().remove(CODE_IMAGE_ANNOTATION);
    template["spec"].as_object_mut().unwrap().remove("imagePullSecrets");
    for list in ["/spec/volumes", "/spec/containers/0/volumeMounts"] {
        let list = template.pointer_mut(list).unwrap().as_array_mut().unwrap();
        list.retain(|element| !is_codes(element["name"].as_str().unwrap()));
    }
    rest
}

proptest! {
    #[test]
    fn one_patch_is_enough_and_touches_only_our_part(before in any_deployment(), spec_code in any_code()) {
        let code = code(spec_code);
        let after = patched(&before, &code);
        prop_assert_eq!(patch(&after, &code), None);
        prop_assert_eq!(foreign_part(&after), foreign_part(&before));
        let secrets = |value: &Value| value["spec"]["template"]["spec"]["imagePullSecrets"].clone();
        if before["metadata"]["ownerReferences"] == json!([]) {
            for secret in secrets(&before).as_array().into_iter().flatten() {
                prop_assert!(secrets(&after).as_array().unwrap().contains(secret));
            }
        }
    }
}
