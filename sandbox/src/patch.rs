//! JSON patches (RFC 6902) and JSON merge patches (RFC 7386).
//!
//! Pure.

use json_patch::{PatchOperation, TestOperation, jsonptr::PointerBuf};
use serde_json::Value;

use crate::refusal::Refusal;

/// An API server takes no longer JSON patches.
const OPERATIONS: usize = 10_000;

/// Applies a JSON patch, all of it or none.
pub(crate) fn json_patch(object: &Value, patch: &Value) -> Result<Value, Refusal> {
    let operations: Vec<PatchOperation> = serde_json::from_value(patch.clone())
        .map_err(|error| Refusal::bad_request(format!("error decoding patch: {error}")))?;
    if operations.len() > OPERATIONS {
        let message = format!(
            "The allowed maximum operations in a JSON patch is {OPERATIONS}, got {}",
            operations.len()
        );
        return Err(Refusal::new(413, "RequestEntityTooLarge", message));
    }
    let mut patched = object.clone();
    for operation in operations {
        if tests_for_nothing_and_holds(&patched, &operation) {
            continue;
        }
        json_patch::patch(&mut patched, &[operation]).map_err(|_| Refusal::patch_does_not_apply())?;
    }
    Ok(patched)
}

/// The API server's library lets a `test` for `null` pass where the member is absent, if its parent is there.
fn tests_for_nothing_and_holds(object: &Value, operation: &PatchOperation) -> bool {
    let PatchOperation::Test(TestOperation { path, value: Value::Null }) = operation else { return false };
    let parent = |path: &PointerBuf| path.parent().and_then(|parent| parent.resolve(object).ok()).is_some();
    path.resolve(object).is_err() && parent(path)
}

/// Applies a JSON merge patch.
pub(crate) fn merge_patch(object: &Value, patch: &Value) -> Value {
    let mut merged = object.clone();
    json_patch::merge(&mut merged, patch);
    merged
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!([{"op": "test", "path": "/spec/code", "value": null}]), true)]
    #[case(json!([{"op": "test", "path": "/spec/image", "value": null}]), false)]
    #[case(json!([{"op": "test", "path": "/spec/image", "value": "a"}]), true)]
    #[case(json!([{"op": "test", "path": "/spec/image", "value": "b"}]), false)]
    #[case(json!([{"op": "test", "path": "/nothing/there", "value": null}]), false)]
    #[case(json!([{"op": "remove", "path": "/spec/code"}]), false)]
    #[case(json!([{"op": "replace", "path": "/spec/code", "value": 1}]), false)]
    #[case(json!([{"op": "add", "path": "/spec/code/image", "value": 1}]), false)]
    #[case(json!([{"op": "add", "path": "/spec/list/-", "value": 1}]), true)]
    #[case(json!([{"op": "add", "path": "/spec/a~1b", "value": 1}]), true)]
    fn operations_apply_or_are_refused(#[case] patch: Value, #[case] applies: bool) {
        let object = json!({"spec": {"image": "a", "list": []}});
        match json_patch(&object, &patch) {
            Ok(_) => assert!(applies, "{patch} applied"),
            Err(refusal) => {
                assert!(!applies, "{patch}: {refusal}");
                assert_eq!((refusal.code, refusal.reason), (422, "Invalid"));
            }
        }
    }

    #[test]
    fn one_failed_operation_undoes_all() {
        let object = json!({"a": 1});
        let patch =
            json!([{"op": "add", "path": "/b", "value": 2}, {"op": "test", "path": "/a", "value": 2}]);
        assert!(json_patch(&object, &patch).is_err());
        assert_eq!(object, json!({"a": 1}));
    }

    #[test]
    fn null_removes_in_a_merge_patch() {
        let merged = merge_patch(&json!({"a": {"b": 1, "c": 2}}), &json!({"a": {"b": null}, "d": [1]}));
        assert_eq!(merged, json!({"a": {"c": 2}, "d": [1]}));
    }
}
