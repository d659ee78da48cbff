use rstest::rstest;
use serde_json::{Value, json};

use super::*;

const INSTALLED: &str = "2026-03-01T10:00:00Z";
const CHANGED: &str = "2026-03-02T10:00:00Z";

/// The policy and the binding, as an API server gives them back.
fn shipped() -> [Value; 2] {
    let documents: Vec<Value> = serde_saphyr::from_multiple(SHIPPED).unwrap();
    let mut objects: [Value; 2] = documents.try_into().unwrap();
    for object in &mut objects {
        object["metadata"]["creationTimestamp"] = json!(INSTALLED);
        object["metadata"]["managedFields"] = json!([
            {"manager": "kubectl", "operation": "Apply", "time": INSTALLED},
            {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "time": CHANGED},
        ]);
    }
    // What it puts there itself.
    let constraints = &mut objects[0]["spec"]["matchConstraints"];
    constraints["matchPolicy"] = json!("Equivalent");
    constraints["namespaceSelector"] = json!({});
    constraints["objectSelector"] = json!({});
    constraints["resourceRules"][0]["scope"] = json!("*");
    objects
}

fn judged([policy, binding]: [Value; 2]) -> Result<Timestamp, NotInForce> {
    in_force_since(&serde_json::from_value(policy).unwrap(), &serde_json::from_value(binding).unwrap())
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn what_is_shipped_is_in_force_since_it_was_changed_last() {
    assert_eq!(judged(shipped()), Ok(at(INSTALLED)), "a status is no change");
    for object in 0..2 {
        let mut objects = shipped();
        objects[object]["metadata"]["managedFields"][0]["time"] = json!(CHANGED);
        assert_eq!(judged(objects), Ok(at(CHANGED)));
        let mut objects = shipped();
        objects[object]["metadata"]["creationTimestamp"] = json!(CHANGED);
        assert_eq!(judged(objects), Ok(at(CHANGED)));
    }
}

/// The rules that count, and what they stand on; no more.
#[test]
fn knows_which_rules_are_about_approvals() {
    let rules = RULES.as_ref().unwrap();
    assert_eq!(rules.validations.len(), 4, "{rules:#?}");
    let names: Vec<&str> = rules.variables.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "annotations",
            "approvedBy",
            "isRead",
            "new",
            "old",
            "oldAnnotations",
            "oldApprovedBy",
            "oldStatus",
            "rights"
        ]
    );
}

#[test]
fn what_has_nothing_to_do_with_approvals_may_be_changed() {
    let mut objects = shipped();
    let spec = &mut objects[0]["spec"];
    for name in ["isVoxsync", "operated"] {
        let variables = spec["variables"].as_array().unwrap();
        let place = variables.iter().position(|variable| variable["name"] == name).unwrap();
        spec["variables"][place]["expression"] = json!("false");
    }
    let more = json!({"expression": "request.userInfo.username.endsWith('@example.com') || variables.approvedBy == ''"});
    spec["validations"].as_array_mut().unwrap().push(more);
    objects[1]["spec"]["validationActions"] = json!(["Deny", "Audit"]);
    assert_eq!(judged(objects), Ok(at(INSTALLED)));
}

#[rstest]
#[case::ignored_where_it_fails("/0/spec/failurePolicy", json!("Ignore"))]
#[case::not_for_all("/0/spec/matchConditions", json!([{"name": "a", "expression": "request.userInfo.username != 'eve'"}]))]
#[case::by_parameters("/0/spec/paramKind", json!({"apiVersion": "v1", "kind": "ConfigMap"}))]
#[case::not_in_all_namespaces("/0/spec/matchConstraints/namespaceSelector", json!({"matchLabels": {"a": "b"}}))]
#[case::not_for_all_objects("/0/spec/matchConstraints/objectSelector", json!({"matchLabels": {"a": "b"}}))]
#[case::with_exceptions("/0/spec/matchConstraints/excludeResourceRules",
    json!([{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]))]
#[case::not_of_new_ones("/0/spec/matchConstraints/resourceRules/0/operations", json!(["UPDATE"]))]
#[case::of_other_kinds("/0/spec/matchConstraints/resourceRules/0/resources", json!(["codereleases"]))]
#[case::of_some_names("/0/spec/matchConstraints/resourceRules/0/resourceNames", json!(["production"]))]
#[case::not_refused("/1/spec/validationActions", json!(["Warn", "Audit"]))]
#[case::of_another("/1/spec/policyName", json!("other"))]
#[case::bound_to_some("/1/spec/matchResources", json!({"namespaceSelector": {"matchLabels": {"a": "b"}}}))]
#[case::bound_with_parameters("/1/spec/paramRef", json!({"name": "a", "parameterNotFoundAction": "Allow"}))]
#[case::without_rules("/0/spec/validations", json!([]))]
#[case::without_variables("/0/spec/variables", json!([]))]
fn what_lets_something_through_is_not_in_force(#[case] place: &str, #[case] value: Value) {
    let mut objects = json!(shipped());
    // `pointer_mut` finds only what is there.
    let (parent, field) = place.rsplit_once('/').unwrap();
    objects.pointer_mut(parent).unwrap()[field] = value;
    let objects: [Value; 2] = serde_json::from_value(objects).unwrap();
    judged(objects).unwrap_err();
}

/// Each rule, and each variable that one of them stands on.
#[test]
fn no_rule_about_approvals_may_be_missing_or_another() {
    let rules = RULES.as_ref().unwrap();
    let [policy, binding] = shipped();
    let mut seen = 0;
    for (list, is_meant) in [("validations", None), ("variables", Some(&rules.variables))] {
        for place in 0..policy["spec"][list].as_array().unwrap().len() {
            let entry = &policy["spec"][list][place];
            let expression = folded(entry["expression"].as_str().unwrap());
            let counts = match is_meant {
                None => rules.validations.contains(&expression),
                Some(variables) => variables.contains_key(entry["name"].as_str().unwrap()),
            };
            if !counts {
                continue;
            }
            seen += 1;
            let mut changed = policy.clone();
            changed["spec"][list][place]["expression"] = json!(format!("{expression} || true"));
            assert_eq!(judged([changed, binding.clone()]), Err(NotInForce::OtherRules), "{entry}");
            let mut missing = policy.clone();
            missing["spec"][list].as_array_mut().unwrap().remove(place);
            assert_eq!(judged([missing, binding.clone()]), Err(NotInForce::OtherRules), "{entry}");
        }
    }
    assert_eq!(seen, rules.validations.len() + rules.variables.len());
}

mod covered {
    use super::{super::super::covers, *};

    fn code_sync(created: &str, status: &Value) -> CodeSync {
        serde_json::from_value(json!({
            "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync",
            "metadata": {"name": "production", "creationTimestamp": created},
            "spec": {"source": {"file": {"path": "x"}}, "target": {"kind": "Config", "name": "production"}},
            "status": status,
        }))
        .unwrap()
    }

    fn started(at: &str) -> Value {
        json!({"promotion": {"id": "a", "candidate": {}, "trigger": "Source", "startedAt": at}})
    }

    /// A minute is left for clocks, and until all API servers know the policy.
    #[rstest]
    #[case::before("2026-03-01T09:00:00Z", false)]
    #[case::at_once("2026-03-01T10:00:59Z", false)]
    #[case::later("2026-03-01T10:01:00Z", true)]
    fn an_approval_counts_as_signed_if_the_status_before_it_was_stored_under_the_policy(
        #[case] stored: &str,
        #[case] wanted: bool,
    ) {
        let found = code_sync("2026-01-01T00:00:00Z", &started(stored));
        assert_eq!(covers(at(INSTALLED), &found).is_ok(), wanted);
    }

    #[test]
    fn the_latest_of_what_was_stored_counts() {
        let condition = |at: &str| json!([{"type": "Ready", "status": "True", "reason": "Waiting", "message": "", "lastTransitionTime": at}]);
        let mut status = started("2026-03-01T09:00:00Z");
        status["conditions"] = condition("2026-03-01T11:00:00Z");
        // What an image claims, or a row promises, is no time of voxsync's.
        status["candidate"] = json!({"created": "2026-03-01T12:00:00Z"});
        status["waiting"] = json!([{"reason": "Window", "message": "", "until": "2026-03-01T12:00:00Z"}]);
        let found = code_sync("2026-01-01T00:00:00Z", &status);
        assert_eq!(stored_after(&found), Some(at("2026-03-01T11:00:00Z")));
    }

    #[test]
    fn a_status_from_a_backup_proves_nothing() {
        let restored = code_sync("2026-03-05T00:00:00Z", &started("2026-03-04T00:00:00Z"));
        assert!(covers(at(INSTALLED), &restored).is_err());
        assert!(covers(at(INSTALLED), &code_sync("2026-03-05T00:00:00Z", &Value::Null)).is_err());
    }
}
