use std::{collections::BTreeSet, fs, path::Path};

use rstest::rstest;
use serde_json::{Value, json};
use voxsync_notification::EVENT_REASONS;

use super::*;

fn code_sync(notifications: &Value) -> CodeSync {
    serde_json::from_value(json!({
        "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync",
        "metadata": {"namespace": "puppet", "name": "production", "uid": "0a1b"},
        "spec": {
            "source": {"file": {"path": "x"}}, "target": {"kind": "Config", "name": "production"},
            "notifications": notifications,
        },
        "status": {
            "stage": "canary",
            "candidate": {"name": "v1.2.0", "reference": "r.example/code:v1.2.0"},
            "promotion": {
                "id": "production-1", "trigger": "Source", "startedAt": "2026-11-23T10:00:00Z", "fromName": "v1.0.0",
                "candidate": {"name": "v1.1.0", "reference": "r.example/code:v1.1.0"},
                "failure": {"stage": "first", "server": "canary", "reason": "ErrImagePull", "message": "unknown"},
            },
        },
    }))
    .unwrap()
}

fn told(notifications: &Value, reason: &str) -> Vec<Letter> {
    let code_sync = code_sync(notifications);
    letters(&code_sync, code_sync.status.as_ref(), (reason, "a sentence"), Timestamp::UNIX_EPOCH)
}

fn to(secret: &str, on: &[&str]) -> Value {
    json!({"type": "slack", "secretRef": {"name": secret}, "occasions": on})
}

#[rstest]
#[case::all(&[], "PromotionFailed", true)]
#[case::named(&["Failed"], "PromotionFailed", true)]
#[case::not_named(&["Released"], "PromotionFailed", false)]
#[case::rolled_back_is_a_failure(&["Failed"], "RolledBack", true)]
#[case::but_not_the_other_way(&["RolledBack"], "PromotionFailed", false)]
#[case::at_once_and_not_when_all_is_back(&["Failed"], "RollingBack", true)]
#[case::making_way_is_no_failure(&["Failed"], "GivingBack", false)]
#[case::nobody_lifts_it_any_more(&["Held"], "StillHeldBack", true)]
#[case::of_nobody_s_interest(&[], "StageRolledOut", false)]
#[case::unheard_of(&[], "Whatever", false)]
fn who_is_told(#[case] on: &[&str], #[case] reason: &str, #[case] wanted: bool) {
    assert_eq!(told(&json!([to("slack", on)]), reason).len(), usize::from(wanted));
}

#[test]
fn what_is_known_is_told() {
    let notifications = json!([to("one", &["Source"]), to("two", &[])]);
    let failed = told(&notifications, "PromotionFailed");
    let [Letter { number: 1, news, .. }] = failed.as_slice() else { panic!("{failed:?}") };
    let known = [&news.name, &news.reference, &news.from, &news.stage, &news.promotion];
    let known: Vec<_> = known.into_iter().map(|one| one.as_deref().unwrap()).collect();
    assert_eq!(known, ["v1.1.0", "r.example/code:v1.1.0", "v1.0.0", "first", "production-1"]);

    let source = told(&notifications, "SourceFailed");
    let [one, two] = source.as_slice() else { panic!("{source:?}") };
    assert_eq!((one.number, two.number, one.news.name.as_deref()), (0, 1, Some("v1.2.0")));
    assert!(one.news.from.is_none() && one.news.promotion.is_none() && one.news.stage.is_none());
    assert_eq!(told(&notifications, "Held")[0].news.stage.as_deref(), Some("canary"));
}

#[test]
fn a_bad_template_names_its_field_and_does_not_silence_anybody() {
    let mut bad = to("slack", &[]);
    bad["template"] = json!("{image}");
    let code_sync = code_sync(&json!([to("other", &[]), bad]));
    let error = check(&code_sync.spec).unwrap_err();
    assert!(
        error.starts_with("notifications[1].template: there is no {image}; there are {codeSync}, "),
        "{error}"
    );
    let told = letters(&code_sync, None, ("Stalled", "a sentence"), Timestamp::UNIX_EPOCH);
    assert_eq!(told.len(), 2);
}

/// The sources of a folder, without tests.
fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if !path.to_string_lossy().ends_with("tests.rs") {
            found.push(fs::read_to_string(&path).unwrap());
        }
    }
}

/// The words behind the kind of an Event: its reason, or the name of a constant.
fn reasons(text: &str) -> impl Iterator<Item = &str> {
    let kinds = ["EventKind::Normal,", "EventKind::Warning,"];
    let behind = kinds.into_iter().flat_map(move |kind| text.split(kind).skip(1));
    behind.map(|text| text.trim_start().split([',', ')']).next().unwrap_or_default().trim())
}

#[test]
fn every_reason_that_can_be_said_is_in_the_table_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    for folder in ["promotion/src", "src/controller", "src/notify"] {
        sources(&root.join(folder), &mut texts);
    }
    let value_of = |word: &str| {
        if let Some(value) = word.strip_prefix('"') {
            return value.trim_end_matches('"').to_owned();
        }
        let definition = format!("{}: &str = \"", word.rsplit("::").next().unwrap_or_default());
        let found = texts.iter().find_map(|text| text.split_once(&definition));
        let (_, value) = found.unwrap_or_else(|| panic!("what is {word}?"));
        value.split('"').next().unwrap_or_default().to_owned()
    };
    let mut said: BTreeSet<String> = texts.iter().flat_map(|text| reasons(text)).map(value_of).collect();
    // That a notification failed is for no notification.
    assert!(said.remove("NotificationFailed"));
    let known: BTreeSet<String> = EVENT_REASONS.into_iter().map(|(reason, _)| reason.to_owned()).collect();
    let [unknown, unsaid] =
        [said.difference(&known), known.difference(&said)].map(Iterator::collect::<Vec<_>>);
    assert!(
        unknown.is_empty() && unsaid.is_empty(),
        "not in the table of voxsync-notification: {unknown:?}; said by nobody: {unsaid:?}"
    );
}
