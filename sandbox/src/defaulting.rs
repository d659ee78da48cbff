//! What happens to an object before it is validated: unknown fields go, defaults come.
//!
//! Pure.

use serde_json::Value;

use crate::{field_path::FieldPath, schema::Schema};

/// Takes away what the schema does not know. Returns the paths of what went.
pub(crate) fn prune(schema: &Schema, object: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    prune_value(schema, object, FieldPath::Root, true, &mut unknown);
    unknown
}

fn prune_value(
    schema: &Schema,
    value: &mut Value,
    path: FieldPath<'_>,
    is_resource: bool,
    unknown: &mut Vec<String>,
) {
    match value {
        Value::Object(members) => {
            let kept = |name: &str| {
                schema.member(name).is_some()
                    || schema.keeps_undeclared()
                    || (is_resource && matches!(name, "apiVersion" | "kind" | "metadata"))
            };
            let dropped: Vec<String> = members.keys().filter(|name| !kept(name)).cloned().collect();
            for name in dropped {
                members.remove(&name);
                unknown.push(FieldPath::Member(&path, &name).to_string());
            }
            for (name, member) in members.iter_mut() {
                if is_resource && name == "metadata" {
                    continue;
                }
                if let Some(of_member) = schema.member(name) {
                    let path = FieldPath::Member(&path, name);
                    prune_value(of_member, member, path, of_member.embedded_resource, unknown);
                }
            }
        }
        Value::Array(items) => {
            if let Some(of_items) = &schema.items {
                for (index, item) in items.iter_mut().enumerate() {
                    let path = FieldPath::Item(&path, index);
                    prune_value(of_items, item, path, of_items.embedded_resource, unknown);
                }
            }
        }
        _ => {}
    }
}

/// Fills in defaults, also where a value with a default is `null` and may not be.
pub(crate) fn fill_in_defaults(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, of_member) in &schema.properties {
                let is_null = members.get(name).is_some_and(Value::is_null) && !of_member.nullable;
                if let Some(default) = &of_member.default
                    && (is_null || !members.contains_key(name))
                {
                    members.insert(name.clone(), default.clone());
                }
            }
            for (name, member) in members.iter_mut() {
                if let Some(of_member) = schema.member(name) {
                    fill_in_defaults(of_member, member);
                }
            }
        }
        Value::Array(items) => {
            if let Some(of_items) = &schema.items {
                for item in items {
                    fill_in_defaults(of_items, item);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_fields_go_and_defaults_come() {
        let schema = Schema::read(&json!({"type": "object", "properties": {
            "spec": {"type": "object", "properties": {
                "interval": {"type": "string", "default": "1m"},
                "stages": {"type": "array", "items": {"type": "object", "properties": {
                    "name": {"type": "string"}, "soak": {"type": "string", "default": "0s"}}}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            }},
        }}))
        .unwrap();
        let mut object = json!({"apiVersion": "g/v1", "kind": "K", "metadata": {"name": "a", "odd": 1}, "other": 1,
            "spec": {"interval": null, "extra": {}, "stages": [{"name": "x", "colour": "red"}],
                     "free": {"any": {"thing": 1}}, "labels": {"a": "b"}}});
        assert_eq!(prune(&schema, &mut object), ["other", "spec.extra", "spec.stages[0].colour"]);
        fill_in_defaults(&schema, &mut object);
        assert_eq!(
            object,
            json!({"apiVersion": "g/v1", "kind": "K", "metadata": {"name": "a", "odd": 1},
                   "spec": {"interval": "1m", "stages": [{"name": "x", "soak": "0s"}],
                            "free": {"any": {"thing": 1}}, "labels": {"a": "b"}}})
        );
    }
}
