//! What is wrong with the stages of a CodeSync although an API server takes it: it would wait for ever. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use voxsync_crds::code_sync::{CodeSyncSpec, TargetKey};
use voxsync_window::{Standing, Windows};

/// Each fault, as a sentence.
pub fn faults(namespace: &str, spec: &CodeSyncSpec, now: Timestamp) -> Vec<String> {
    let mut faults = named_twice(namespace, spec);
    faults.extend(never_open(spec, now));
    faults
}

/// Targets that two stages name: such a one belongs to the first, and the other stage waits for what it does not have.
fn named_twice(namespace: &str, spec: &CodeSyncSpec) -> Vec<String> {
    let mut first: BTreeMap<TargetKey, &str> = BTreeMap::new();
    let mut faults = Vec::new();
    let stages = spec.ordered_stages();
    let named = stages.iter().flat_map(|stage| stage.targets.iter().map(move |target| (stage, target)));
    for (stage, target) in named {
        let Some(name) = &target.name else { continue };
        let key = TargetKey {
            kind: target.kind,
            namespace: target.other_namespace(namespace).map(str::to_owned),
            name: name.clone(),
            entry: target.entry.clone(),
        };
        let before = *first.entry(key.clone()).or_insert(&stage.name);
        if before != stage.name {
            faults.push(format!(
                "{key} is named by stages {before} and {}, and belongs to {before}: take it out of one of the two",
                stage.name
            ));
        }
    }
    faults
}

/// Stages whose windows never let them start.
fn never_open(spec: &CodeSyncSpec, now: Timestamp) -> Vec<String> {
    // What cannot be read is said of the spec.
    let Ok(windows) = Windows::of(spec) else { return Vec::new() };
    let stages = spec.ordered_stages();
    let said = stages.iter().filter_map(|stage| {
        let Standing::Closed(closed) = windows.standing(&stage.windows, now) else { return None };
        let (name, window) = (&stage.name, &closed.window);
        match (closed.opens, closed.searched_until) {
            (Some(_), _) => None,
            (None, Some(until)) => Some(format!(
                "stage {name} does not start before {}: window {window} leaves no time until then that is open to it",
                until.strftime("%F %H:%MZ")
            )),
            (None, None) => Some(format!(
                "stage {name} never starts: window {window} leaves no time of the next ten years that is open to it"
            )),
        }
    });
    said.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn said(stages: &Value, windows: &Value) -> Vec<String> {
        let spec = json!({"source": {"file": {"path": "x"}}, "stages": stages, "windows": windows});
        faults("puppet", &serde_json::from_value(spec).unwrap(), "2026-11-24T03:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_target_of_two_stages_is_said() {
        let server = |name: &str| json!({"kind": "Server", "name": name});
        let stage = |name: &str, targets: &[Value]| json!({"name": name, "targets": targets});
        let of =
            |second: &[Value]| said(&json!([stage("one", &[server("a")]), stage("two", second)]), &json!([]));
        let wanted =
            ["Server/a is named by stages one and two, and belongs to one: take it out of one of the two"];
        assert_eq!(of(&[server("b"), server("a")]), wanted);
        assert_eq!(of(&[json!({"kind": "Server", "name": "a", "namespace": "puppet"})]), wanted);
        for other in [
            server("b"),
            json!({"kind": "Config", "name": "a"}),
            json!({"kind": "Server", "name": "a", "namespace": "other"}),
            json!({"kind": "Server", "selector": {"matchLabels": {"name": "a"}}}),
        ] {
            assert_eq!(of(&[other]), [""; 0]);
        }
    }

    #[test]
    fn windows_that_never_open_are_said() {
        let stages =
            json!([{"name": "one", "windows": ["day"], "targets": []}, {"name": "two", "targets": []}]);
        let day = json!({"name": "day", "allow": {"cron": "0 8 * * *", "duration": "8h"}});
        let of = |deny: &Value| said(&stages, &json!([day, {"name": "freeze", "deny": deny}]));
        let said = |stage: &str| {
            format!(
                "stage {stage} never starts: window freeze leaves no time of the next ten years that is open to it"
            )
        };
        for never in [
            json!({"cron": "0 0 * * *", "duration": "24h"}),
            json!({"from": "2026-01-01T00:00:00Z", "to": "9998-01-01T00:00:00Z"}),
        ] {
            assert_eq!(of(&never), [said("one"), said("two")], "{never}");
        }
        let hardly = of(&json!({"cron": "0 0 * * *", "duration": "23h"}));
        let wanted = "stage one does not start before 2028-";
        assert!(hardly.len() == 1 && hardly.iter().all(|fault| fault.starts_with(wanted)), "{hardly:?}");
        assert_eq!(of(&json!({"cron": "0 0 * * *", "duration": "9h"})), [""; 0]);
    }
}
