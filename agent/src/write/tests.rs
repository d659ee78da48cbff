use std::collections::BTreeMap;

use proptest::prelude::*;
use rstest::rstest;
use voxsync_cluster::{Shapes, Snapshot};
use voxsync_crds::{
    Config, Server,
    annotations::{Applied, AppliedRecords},
    code_sync::TargetKind,
};
use voxsync_promotion::{Live, TargetKey};

use super::*;

const NEW: &str = "ghcr.io/a/b:v2";

/// RFC 6902 as the API server has it: a test for `null` passes where the member is absent.
fn apply(object: &Value, patch: &Patch) -> Result<Value, String> {
    let mut object = object.clone();
    for operation in &patch.0 {
        if let PatchOperation::Test(TestOperation { path, value }) = operation {
            let present = object.pointer(path.as_str()).unwrap_or(&Value::Null);
            if present != value {
                return Err(format!("{path} is {present}, not {value}"));
            }
            continue;
        }
        json_patch::patch(&mut object, std::slice::from_ref(operation)).map_err(|error| error.to_string())?;
    }
    Ok(object)
}

fn config(code: Option<Value>, annotations: Option<Value>) -> Value {
    let mut config = json!({
        "apiVersion": "openvox.voxpupuli.org/v1alpha1", "kind": "Config",
        "metadata": {"name": "production", "namespace": "puppet"},
        "spec": {"puppet": {"environmentTimeout": "5m"}},
    });
    set(&mut config, code, annotations);
    config
}

fn server(code: Option<Value>) -> Value {
    let mut server = json!({
        "apiVersion": "openvox.voxpupuli.org/v1alpha1", "kind": "Server",
        "metadata": {"name": "canary", "namespace": "puppet"}, "spec": {"configRef": "production"},
    });
    set(&mut server, code, None);
    server
}

fn set(object: &mut Value, code: Option<Value>, annotations: Option<Value>) {
    if let Some(code) = code {
        object["spec"]["code"] = code;
    }
    if let Some(annotations) = annotations {
        object["metadata"]["annotations"] = annotations;
    }
}

fn applied(reference: &str) -> Applied {
    Applied {
        code_sync: "uid".to_owned(),
        promotion: "p1".to_owned(),
        reference: Some(reference.to_owned()),
        previous: None,
        beside: None,
    }
}

type Meddle = fn(&mut Value);

fn environment(name: &str) -> EntryKey {
    EntryKey::Environment(name.to_owned())
}

/// The patch of a decision on what the objects say, for the target of the last of them.
fn patch(objects: &[&Value], installed: CodeShape, write: &TargetWrite) -> Result<Patch, WriteProblem> {
    let mut snapshot = Snapshot::default();
    for object in objects {
        match object["kind"].as_str() {
            Some("Config") => snapshot.apply(serde_json::from_value::<Config>((*object).clone()).unwrap()),
            _ => snapshot.apply(serde_json::from_value::<Server>((*object).clone()).unwrap()),
        };
    }
    snapshot.set_shapes(Shapes { config: Some(installed), server: Some(installed) });
    let target = Target::find(&snapshot, "puppet", &write.target).map_err(WriteProblem::Target)?;
    reference_patch(target, write, snapshot.shapes().of(write.target.kind))
}

fn write(object: &Value, entry: Option<EntryKey>, expected: Option<&str>) -> TargetWrite {
    let kind = if object["kind"] == "Config" { TargetKind::Config } else { TargetKind::Server };
    TargetWrite {
        target: TargetKey {
            kind,
            namespace: None,
            name: object["metadata"]["name"].as_str().unwrap().to_owned(),
            entry,
        },
        expected: Live {
            image: expected.map(str::to_owned),
            claim: None,
            generation: object["metadata"]["generation"].as_i64(),
        },
        expected_applied: None,
        applied: applied(NEW),
        pull_secret: None,
        pull_policy: None,
        restored: None,
    }
}

fn written(objects: &[&Value], installed: CodeShape, write: &TargetWrite) -> Value {
    let patch = patch(objects, installed, write).unwrap();
    apply(objects.last().unwrap(), &patch).unwrap()
}

fn records(object: &Value) -> AppliedRecords {
    let annotations: BTreeMap<String, String> =
        serde_json::from_value(object["metadata"]["annotations"].clone()).unwrap();
    applied_records(Some(&annotations))
}

#[rstest]
#[case::image(json!({"image": "a:1", "imagePullPolicy": "Always", "imagePullSecret": "pull", "future": 1}), "a:1", json!({"image": NEW, "imagePullPolicy": "Always", "imagePullSecret": "pull", "future": 1}))]
#[case::no_code(Value::Null, "", json!({"image": NEW}))]
#[case::empty_image(json!({"image": "", "imagePullSecret": "pull"}), "", json!({"image": NEW, "imagePullSecret": "pull"}))]
fn an_object_gets_the_reference_and_its_record(
    #[case] code: Value,
    #[case] expected: &str,
    #[case] wanted: Value,
) {
    let object = config((!code.is_null()).then_some(code), None);
    let expected = Some(expected).filter(|expected| !expected.is_empty());
    let after = written(&[&object], CodeShape::Object, &write(&object, None, expected));
    assert_eq!(after["spec"]["code"], wanted);
    assert_eq!(after["spec"]["puppet"], object["spec"]["puppet"]);
    assert_eq!(records(&after), AppliedRecords::from([(String::new(), applied(NEW))]));
}

#[test]
fn of_a_list_only_the_named_entry_changes() {
    let code = json!([
        {"image": "a:1", "environment": "production", "imagePullSecret": "one"},
        {"image": "b:1", "environment": "staging", "imagePullSecret": "two", "future": true},
        {"claimName": "c", "mountPath": "/opt/x"},
    ]);
    let other = AppliedRecords::from([("environment=production".to_owned(), applied("a:1"))]);
    let annotations = json!({"voxsync.dev/applied": serde_json::to_string(&other).unwrap(), "mine": "x"});
    let object = config(Some(code.clone()), Some(annotations));
    let after =
        written(&[&object], CodeShape::List, &write(&object, Some(environment("staging")), Some("b:1")));
    assert_eq!(
        after["spec"]["code"][1],
        json!({"image": NEW, "environment": "staging", "imagePullSecret": "two", "future": true})
    );
    assert_eq!((&after["spec"]["code"][0], &after["spec"]["code"][2]), (&code[0], &code[2]));
    let mut both = other;
    both.insert("environment=staging".to_owned(), applied(NEW));
    assert_eq!((records(&after), &after["metadata"]["annotations"]["mine"]), (both, &json!("x")));
}

#[test]
fn what_was_not_seen_is_not_written() {
    let code =
        json!([{"image": "a:1", "environment": "production"}, {"image": "b:1", "environment": "staging"}]);
    let object = config(Some(code), None);
    let patch =
        patch(&[&object], CodeShape::List, &write(&object, Some(environment("staging")), Some("b:1")))
            .unwrap();
    let meddling: [(&str, Meddle); 5] = [
        ("another image", |object| object["spec"]["code"][1]["image"] = json!("b:9")),
        ("another order", |object| object["spec"]["code"].as_array_mut().unwrap().reverse()),
        ("no code", |object| object["spec"] = json!({})),
        ("a record", |object| object["metadata"]["annotations"] = json!({"voxsync.dev/applied": "{}"})),
        ("an annotation", |object| object["metadata"]["annotations"] = json!({"mine": "x"})),
    ];
    assert!(apply(&object, &patch).is_ok());
    for (what, change) in meddling {
        let mut changed = object.clone();
        change(&mut changed);
        assert!(apply(&changed, &patch).is_err(), "{what}");
    }
    let absent = config(None, None);
    let addition = super::tests::patch(&[&absent], CodeShape::Object, &write(&absent, None, None)).unwrap();
    let came = config(Some(json!({"image": "other:1"})), None);
    assert!(apply(&came, &addition).is_err(), "an add would have replaced what came in between");
}

/// Somebody writes the same again over what we wrote: a write that was decided before is about the change before.
#[test]
fn what_was_changed_and_changed_back_is_not_what_was_seen() {
    let mut object = config(Some(json!({"image": "a:1"})), None);
    (object["metadata"]["generation"], object["metadata"]["uid"]) = (json!(4), json!("u"));
    let decision = write(&object, None, Some("a:1"));
    let patch = patch(&[&object], CodeShape::Object, &decision).unwrap();
    assert!(apply(&object, &patch).is_ok());
    for (field, value) in [("generation", json!(6)), ("uid", json!("another object of this name"))] {
        let mut again = object.clone();
        again["metadata"][field] = value;
        assert!(apply(&again, &patch).is_err(), "{field}");
    }
    object["metadata"]["generation"] = json!(6);
    assert_eq!(super::tests::patch(&[&object], CodeShape::Object, &decision), Err(WriteProblem::Stale));
}

#[rstest]
#[case::object(
    CodeShape::Object,
    None,
    json!({"image": "a:1", "imagePullPolicy": "Never", "imagePullSecret": "pull"}),
    json!({"image": NEW, "imagePullPolicy": "Never", "imagePullSecret": "pull"})
)]
#[case::claim(CodeShape::Object, None, json!({"claimName": "c"}), json!({"image": NEW}))]
#[case::list(
    CodeShape::List,
    Some(environment("production")),
    json!([{"image": "b:1", "environment": "staging"}, {"image": "a:1", "environment": "production", "imagePullSecret": "pull"}]),
    json!([{"image": "b:1", "environment": "staging"}, {"image": NEW, "environment": "production", "imagePullSecret": "pull"}])
)]
#[case::list_of_one(CodeShape::List, None, json!([{"image": "a:1", "imagePullSecret": "pull"}]), json!([{"image": NEW, "imagePullSecret": "pull"}]))]
#[case::new_entry(
    CodeShape::List,
    Some(environment("alice")),
    json!([{"image": "a:1", "environment": "production"}]),
    json!([{"image": "a:1", "environment": "production"}, {"image": NEW, "environment": "alice"}])
)]
fn an_override_starts_as_a_copy_of_the_config(
    #[case] installed: CodeShape,
    #[case] entry: Option<EntryKey>,
    #[case] inherited: Value,
    #[case] wanted: Value,
) {
    let (config, server) = (config(Some(inherited), None), server(None));
    let after = written(&[&config, &server], installed, &write(&server, entry, None));
    assert_eq!(after["spec"], json!({"configRef": "production", "code": wanted}));
}

/// The same decision, but nothing is to be left.
fn nothing(write: TargetWrite) -> TargetWrite {
    TargetWrite { applied: Applied { reference: None, ..applied(NEW) }, ..write }
}

#[rstest]
#[case::object(CodeShape::Object, None, json!({"image": "a:1", "imagePullSecret": "pull"}), None)]
#[case::last_entry(CodeShape::List, None, json!([{"image": "a:1"}]), None)]
#[case::one_of_several(
    CodeShape::List,
    Some(environment("production")),
    json!([{"image": "b:1", "environment": "staging"}, {"image": "a:1", "environment": "production"}]),
    Some(json!([{"image": "b:1", "environment": "staging"}]))
)]
fn code_is_taken_away(
    #[case] installed: CodeShape,
    #[case] entry: Option<EntryKey>,
    #[case] code: Value,
    #[case] wanted: Option<Value>,
) {
    let object = config(Some(code), None);
    let decision = nothing(write(&object, entry.clone(), Some("a:1")));
    let after = written(&[&object], installed, &decision);
    assert_eq!(after["spec"].get("code"), wanted.as_ref());
    let key = entry.map(|entry| entry.to_string()).unwrap_or_default();
    assert_eq!(records(&after)[&key].reference, None);

    let patch = patch(&[&object], installed, &decision).unwrap();
    for pointer in ["/spec/code/image", "/spec/code/0/image", "/spec/code/1/image"] {
        let mut changed = object.clone();
        let Some(image) = changed.pointer_mut(pointer).filter(|image| **image == json!("a:1")) else {
            continue;
        };
        *image = json!("somebody:1");
        assert!(apply(&changed, &patch).is_err(), "{pointer}");
    }
}

#[test]
fn an_override_that_is_a_copy_but_for_its_entry_goes_as_a_whole() {
    let inherited =
        json!([{"image": "b:1", "environment": "staging"}, {"image": "a:1", "environment": "production"}]);
    let (config, server) = (config(Some(inherited), None), server(None));
    let entry = || Some(environment("production"));
    let overridden = written(&[&config, &server], CodeShape::List, &write(&server, entry(), None));
    let decision =
        TargetWrite { expected_applied: Some(applied(NEW)), ..nothing(write(&server, entry(), Some(NEW))) };
    let after = written(&[&config, &overridden], CodeShape::List, &decision);
    assert_eq!(after["spec"], server["spec"]);

    // An entry of its own stays.
    let mut own = overridden.clone();
    own["spec"]["code"][0]["image"] = json!("b:2");
    let after = written(&[&config, &own], CodeShape::List, &decision);
    assert_eq!(after["spec"]["code"], json!([{"image": "b:2", "environment": "staging"}]));
}

#[test]
fn where_there_is_no_code_any_more_only_the_record_says_so() {
    let object = config(None, None);
    let after = written(&[&object], CodeShape::Object, &nothing(write(&object, None, None)));
    assert_eq!(after["spec"], object["spec"]);
    assert_eq!(records(&after)[""].reference, None);
}

#[test]
fn code_that_was_taken_away_is_written_again() {
    let record = AppliedRecords::from([(String::new(), Applied { reference: None, ..applied(NEW) })]);
    let annotations = json!({"voxsync.dev/applied": serde_json::to_string(&record).unwrap()});
    let object = config(None, Some(annotations));
    let decision = TargetWrite { expected_applied: record.get("").cloned(), ..write(&object, None, None) };
    let after = written(&[&object], CodeShape::Object, &decision);
    assert_eq!((&after["spec"]["code"], &records(&after)[""]), (&json!({"image": NEW}), &applied(NEW)));
}

#[test]
fn code_is_added_in_the_installed_shape() {
    let object = config(None, None);
    let list = written(&[&object], CodeShape::List, &write(&object, None, None));
    assert_eq!(list["spec"]["code"], json!([{"image": NEW}]));
    let empty = config(Some(json!([])), None);
    let list = written(&[&empty], CodeShape::List, &write(&empty, Some(environment("production")), None));
    assert_eq!(list["spec"]["code"], json!([{"image": NEW, "environment": "production"}]));
}

#[test]
fn pull_secret_and_policy_are_written_when_asked() {
    let object = config(Some(json!({"image": "a:1", "imagePullSecret": "old"})), None);
    let asked = TargetWrite {
        pull_secret: Some("new".to_owned()),
        pull_policy: Some(PullPolicy::Always),
        ..write(&object, None, Some("a:1"))
    };
    let after = written(&[&object], CodeShape::Object, &asked);
    assert_eq!(
        after["spec"]["code"],
        json!({"image": NEW, "imagePullSecret": "new", "imagePullPolicy": "Always"})
    );
}

#[rstest]
#[case::others(json!({"image": "a:1", "imagePullSecret": "old", "imagePullPolicy": "Never"}))]
#[case::none(json!({"image": "a:1"}))]
fn what_stood_beside_an_image_comes_back_with_it(#[case] code: Value) {
    let object = config(Some(code.clone()), None);
    let mut asked = TargetWrite {
        pull_secret: Some("new".to_owned()),
        pull_policy: Some(PullPolicy::Always),
        ..write(&object, None, Some("a:1"))
    };
    asked.applied.previous = Some("a:1".to_owned());
    let after = written(&[&object], CodeShape::Object, &asked);
    let record = records(&after)[""].clone();
    assert!(record.beside.is_some());

    let back = TargetWrite {
        expected_applied: Some(record.clone()),
        applied: applied("a:1"),
        restored: record.beside,
        ..write(&after, None, Some(NEW))
    };
    let again = written(&[&after], CodeShape::Object, &back);
    assert_eq!((&again["spec"]["code"], &records(&again)[""].beside), (&code, &None));
}

#[test]
fn what_stays_beside_an_image_is_not_noted() {
    let object = config(Some(json!({"image": "a:1", "imagePullSecret": "same"})), None);
    let mut asked = TargetWrite { pull_secret: Some("same".to_owned()), ..write(&object, None, Some("a:1")) };
    asked.applied.previous = Some("a:1".to_owned());
    let after = written(&[&object], CodeShape::Object, &asked);
    assert_eq!(records(&after)[""].beside, None);
}

#[test]
fn a_claim_gives_way_to_an_image() {
    let object = config(Some(json!({"claimName": "c"})), None);
    let asked = TargetWrite {
        expected: Live { claim: Some("c".to_owned()), ..Live::default() },
        ..write(&object, None, None)
    };
    let after = written(&[&object], CodeShape::Object, &asked);
    assert_eq!(after["spec"]["code"], json!({"image": NEW}));
}

#[rstest]
#[case::old_shape(json!({"image": "a:1"}), CodeShape::List, None, "ShapeMismatch")]
#[case::new_shape(json!([{"image": "a:1"}]), CodeShape::Object, None, "ShapeMismatch")]
#[case::no_such_entry(json!([{"image": "a:1", "environment": "x"}]), CodeShape::List, Some(environment("y")), "NoSuchEntry")]
#[case::no_entries(json!({"image": "a:1"}), CodeShape::Object, Some(environment("y")), "NoSuchEntry")]
#[case::ambiguous(json!([{"image": "a:1", "environment": "x"}, {"image": "b:1", "environment": "y"}]), CodeShape::List, None, "AmbiguousEntry")]
fn what_cannot_be_meant_is_stalled(
    #[case] code: Value,
    #[case] installed: CodeShape,
    #[case] entry: Option<EntryKey>,
    #[case] wanted: &str,
) {
    let object = config(Some(code), None);
    let problem = patch(&[&object], installed, &write(&object, entry, Some("a:1"))).unwrap_err();
    let WriteProblem::Target(problem) = problem else { panic!("{problem:?}") };
    assert_eq!((problem.reason, problem.stalled), (wanted, true));
}

#[test]
fn a_decision_on_what_is_no_longer_there_is_stale() {
    let object = config(Some(json!({"image": "a:2"})), None);
    let decision = write(&object, None, Some("a:1"));
    assert_eq!(patch(&[&object], CodeShape::Object, &decision), Err(WriteProblem::Stale));
    let recorded =
        TargetWrite { expected_applied: Some(applied("a:2")), ..write(&object, None, Some("a:2")) };
    assert_eq!(patch(&[&object], CodeShape::Object, &recorded), Err(WriteProblem::Stale));
}

prop_compose! {
    fn any_entry()(image in "[a-z]{1,8}:[0-9]", secret in proptest::option::of("[a-z]{1,5}"), other in proptest::option::of(any::<i8>())) -> Value {
        let mut entry = json!({"image": image});
        if let Some(secret) = secret {
            entry["imagePullSecret"] = json!(secret);
        }
        if let Some(other) = other {
            entry["future"] = json!({"deep": [other]});
        }
        entry
    }
}

proptest! {
    #[test]
    fn a_patch_touches_the_image_and_our_annotation_and_nothing_else(
        entries in proptest::collection::vec(any_entry(), 1..5),
        choice in any::<prop::sample::Index>(),
        is_list in any::<bool>(),
        annotations in proptest::option::of(proptest::collection::btree_map("[a-z]{1,5}", "[a-z]{0,5}", 0..3)),
    ) {
        let place = choice.index(entries.len());
        let image = entries[place]["image"].as_str().unwrap().to_owned();
        let (code, installed, entry) = if is_list {
            let mut entries = entries.clone();
            for (number, entry) in entries.iter_mut().enumerate() {
                entry["environment"] = json!(format!("e{number}"));
            }
            (json!(entries), CodeShape::List, Some(environment(&format!("e{place}"))))
        } else {
            (entries[place].clone(), CodeShape::Object, None)
        };
        let object = config(Some(code), annotations.map(|annotations| json!(annotations)));
        let mut after = written(&[&object], installed, &write(&object, entry, Some(&image)));

        let code = &mut after["spec"]["code"];
        let changed = if is_list { &mut code[place] } else { code };
        prop_assert_eq!(&changed["image"], &json!(NEW));
        changed["image"] = json!(image);
        let annotations = after["metadata"]["annotations"].as_object_mut().unwrap();
        prop_assert!(annotations.remove("voxsync.dev/applied").is_some());
        if object["metadata"].get("annotations").is_none() {
            prop_assert!(annotations.is_empty());
            after["metadata"].as_object_mut().unwrap().remove("annotations");
        }
        prop_assert_eq!(after, object);
    }
}

#[rstest]
#[case::as_it_was("dev", true)]
#[case::withdrawn("", false)]
#[case::for_others("qa", false)]
fn consent_that_is_withdrawn_in_between_stops_the_write(#[case] now: &str, #[case] wanted: bool) {
    let annotations = |accepts_from: &str| json!({"voxsync.dev/accepts-from": accepts_from});
    let config = |accepts_from: &str| config(Some(json!({"image": "a:1"})), Some(annotations(accepts_from)));
    let mut snapshot = Snapshot::default();
    snapshot.set_cross_namespace(voxsync_cluster::CrossNamespace::Allowed);
    snapshot.apply(serde_json::from_value::<Config>(config("dev")).unwrap());
    let mut write = write(&config("dev"), None, Some("a:1"));
    write.target.namespace = Some("puppet".to_owned());
    let target = Target::find(&snapshot, "dev", &write.target).unwrap();
    let patch = reference_patch(target, &write, Some(CodeShape::Object)).unwrap();
    let after = apply(&config(now), &patch);
    assert_eq!(after.is_ok(), wanted, "{after:?}");
    if let Ok(after) = after {
        assert_eq!((after["spec"]["code"]["image"].as_str(), records(&after).len()), (Some(NEW), 1));
    }
}
