//! Strategic merge patches: merge patches in which lists with keys are merged element by element.
//!
//! Pure. Knows `$patch: delete|replace|merge`, `$retainKeys`, `$deleteFromPrimitiveList`; `$setElementOrder` is
//! accepted and does not reorder.

use serde_json::{Map, Value, json};

use crate::structure::{ListKind, Structure};

const DIRECTIVE: &str = "$patch";

/// Applies a strategic merge patch to an object of a built-in resource.
pub(crate) fn strategic_patch(object: &Value, patch: &Value) -> Value {
    let mut patched = object.clone();
    merge(Structure::BuiltIn(""), &mut patched, patch);
    patched
}

fn merge(structure: Structure<'_>, value: &mut Value, patch: &Value) {
    match (&mut *value, patch) {
        (Value::Object(members), Value::Object(changes)) => merge_map(structure, members, changes),
        (Value::Array(items), Value::Array(changes)) => match merge_keys(structure) {
            Some(keys) => merge_keyed(structure, &keys, items, changes),
            None if structure.list_kind() == ListKind::Set => {
                items.extend(
                    changes.iter().filter(|change| !items.contains(change)).cloned().collect::<Vec<_>>(),
                );
            }
            None => items.clone_from(changes),
        },
        (_, patch) => *value = without_directives(patch),
    }
}

/// A strategic merge knows one key a list, where ownership may have several.
fn merge_keys(structure: Structure<'_>) -> Option<Vec<&str>> {
    match structure.list_kind() {
        ListKind::Keyed(keys) if keys.contains(&"containerPort") => Some(vec!["containerPort", "port"]),
        ListKind::Keyed(keys) => keys.first().map(|&first| vec![first]),
        _ => None,
    }
}

fn merge_map(structure: Structure<'_>, members: &mut Map<String, Value>, changes: &Map<String, Value>) {
    match changes.get(DIRECTIVE).and_then(Value::as_str) {
        Some("replace") => {
            *members = changes.iter().filter(|(name, _)| *name != DIRECTIVE).map(owned).collect();
            return;
        }
        Some("delete") => {
            members.clear();
            return;
        }
        _ => {}
    }
    if let Some(retained) = changes.get("$retainKeys").and_then(Value::as_array) {
        members.retain(|name, _| retained.iter().any(|kept| kept == name));
    }
    for (name, change) in changes {
        if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
            if let (Some(Value::Array(items)), Some(gone)) = (members.get_mut(list), change.as_array()) {
                items.retain(|item| !gone.contains(item));
            }
        } else if name.starts_with('$') {
        } else if change.is_null() {
            members.remove(name);
        } else if let Some(member) = members.get_mut(name) {
            merge(structure.member(name, false), member, change);
        } else {
            members.insert(name.clone(), without_directives(change));
        }
    }
}

fn owned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

fn merge_keyed(structure: Structure<'_>, keys: &[&str], items: &mut Vec<Value>, changes: &[Value]) {
    if changes.iter().any(|change| *change == json!({DIRECTIVE: "replace"})) {
        items.clear();
    }
    for change in changes {
        let identity = structure.identity(keys, change);
        let position = items.iter().position(|item| structure.identity(keys, item) == identity);
        let directive = change.get(DIRECTIVE).and_then(Value::as_str);
        match (directive, position) {
            (Some("delete"), Some(position)) => {
                items.remove(position);
            }
            (Some("delete"), None) => {}
            (Some("replace"), None) if identity == json!({}) => {}
            (_, Some(position)) => {
                if let Some(item) = items.get_mut(position) {
                    merge(structure.items(), item, change);
                }
            }
            (_, None) => items.push(without_directives(change)),
        }
    }
}

/// A value that is new as a whole: directives in it have nothing to direct, and nulls nothing to remove.
fn without_directives(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(name, member)| !name.starts_with('$') && !member.is_null())
            .map(|(name, member)| (name.clone(), without_directives(member)))
            .collect(),
        Value::Array(items) => items.iter().map(without_directives).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::set_image(
        json!({"spec": {"containers": [{"name": "b", "image": "b:2"}]}}),
        json!({"spec": {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:2", "tty": true}],
                        "args": ["x"]}})
    )]
    #[case::new_element(
        json!({"spec": {"containers": [{"name": "c", "image": "c"}]}}),
        json!({"spec": {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1", "tty": true},
                                       {"name": "c", "image": "c"}], "args": ["x"]}})
    )]
    #[case::delete_element(
        json!({"spec": {"containers": [{"name": "a", "$patch": "delete"}]}}),
        json!({"spec": {"containers": [{"name": "b", "image": "b:1", "tty": true}], "args": ["x"]}})
    )]
    #[case::replace_list(
        json!({"spec": {"containers": [{"$patch": "replace"}, {"name": "c"}]}}),
        json!({"spec": {"containers": [{"name": "c"}], "args": ["x"]}})
    )]
    #[case::plain_list(
        json!({"spec": {"args": ["y"], "$setElementOrder/containers": [{"name": "b"}]}}),
        json!({"spec": {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1", "tty": true}],
                        "args": ["y"]}})
    )]
    #[case::retain_keys(
        json!({"spec": {"$retainKeys": ["args"], "args": ["z"]}}),
        json!({"spec": {"args": ["z"]}})
    )]
    #[case::remove(json!({"spec": {"containers": null}}), json!({"spec": {"args": ["x"]}}))]
    fn merges(#[case] patch: Value, #[case] expected: Value) {
        let object = json!({"spec": {
            "containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1", "tty": true}],
            "args": ["x"],
        }});
        assert_eq!(strategic_patch(&object, &patch), expected);
    }
}
