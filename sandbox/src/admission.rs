//! What an object goes through before it is stored: known fields only, defaults, checks.
//!
//! Pure. The order is the API server's: prune, default, validate.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize as _;
use serde_json::Value;

use crate::{
    built_in_checks, crd, defaulting,
    json::{metadata_mut, name, object_mut},
    refusal::{Cause, Refusal},
    request::FieldValidation,
    resource::{Family, Resource},
    validation, workload_defaults,
};

/// What the request says about how to admit its object.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) field_validation: FieldValidation,
    pub(crate) image_volumes: bool,
}

/// Brings an object into its stored form. Returns warnings about fields that were dropped.
pub(crate) fn normalised(
    resource: &Resource,
    object: &mut Value,
    terms: Terms,
) -> Result<Vec<String>, Refusal> {
    let mut unknown = normalised_metadata(resource, object)?;
    match &resource.family {
        Family::BuiltIn(typed) => {
            let known = typed(object).map_err(|error| unreadable(resource, &error.to_string()))?;
            missing_members(object, &known, "", &mut unknown);
            *object = known;
            normalise_secret(resource, object);
            if !terms.image_volumes {
                workload_defaults::drop_image_volumes(&resource.plural, object);
            }
            if ["", "apps"].contains(&resource.group.as_str()) {
                drop_empty_lists(object);
            }
            workload_defaults::fill_in(&resource.plural, object);
        }
        Family::Custom(custom) => {
            unknown.extend(defaulting::prune(&custom.schema, object));
            defaulting::fill_in_defaults(&custom.schema, object);
        }
    }
    let members = object_mut(object);
    members.insert("apiVersion".to_owned(), Value::String(resource.api_version()));
    members.insert("kind".to_owned(), Value::String(resource.kind.clone()));
    let complaints: Vec<String> = unknown.iter().map(|field| format!("unknown field \"{field}\"")).collect();
    match terms.field_validation {
        FieldValidation::Strict if !complaints.is_empty() => {
            Err(unreadable(resource, &format!("strict decoding error: {}", complaints.join(", "))))
        }
        FieldValidation::Warn => Ok(complaints),
        FieldValidation::Strict | FieldValidation::Ignore => Ok(Vec::new()),
    }
}

/// Go leaves an empty list out where the field says `omitempty`: in these groups all do but two, which must not be empty.
fn drop_empty_lists(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, member| {
                let is_kept = ["containers", "nodeSelectorTerms"].contains(&name.as_str());
                is_kept || member.as_array().is_none_or(|items| !items.is_empty())
            });
            members.values_mut().for_each(drop_empty_lists);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_empty_lists),
        _ => {}
    }
}

fn unreadable(resource: &Resource, why: &str) -> Refusal {
    let Resource { kind, version, .. } = resource;
    Refusal::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {why}"))
}

fn normalised_metadata(resource: &Resource, object: &mut Value) -> Result<Vec<String>, Refusal> {
    let metadata = object.get("metadata").cloned().unwrap_or_default();
    let known = if metadata.is_null() {
        ObjectMeta::default()
    } else {
        ObjectMeta::deserialize(&metadata)
            .map_err(|error| unreadable(resource, &format!("metadata: {error}")))?
    };
    let known =
        serde_json::to_value(known).map_err(|error| unreadable(resource, &format!("metadata: {error}")))?;
    let mut unknown = Vec::new();
    missing_members(&metadata, &known, "metadata", &mut unknown);
    unknown.retain(|field| field != "metadata.selfLink");
    let mut known = object_of(known);
    // As in Go, where none of these is ever empty.
    let is_empty = |member: &Value| {
        matches!(member, Value::Object(none) if none.is_empty()) || *member == Value::Array(vec![])
    };
    known.retain(|_, member| !is_empty(member));
    *metadata_mut(object) = known;
    Ok(unknown)
}

fn object_of(value: Value) -> serde_json::Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => serde_json::Map::new(),
    }
}

/// The paths of members that reading an object as its type has lost.
fn missing_members(given: &Value, known: &Value, path: &str, missing: &mut Vec<String>) {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => {
            for (name, member) in given {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match known.get(name) {
                    Some(known) => missing_members(member, known, &path, missing),
                    None if member.is_null() => {}
                    None => missing.push(path),
                }
            }
        }
        (Value::Array(given), Value::Array(known)) => {
            for (index, (item, known)) in given.iter().zip(known).enumerate() {
                missing_members(item, known, &format!("{path}[{index}]"), missing);
            }
        }
        _ => {}
    }
}

/// Plain text of a Secret becomes data.
fn normalise_secret(resource: &Resource, object: &mut Value) {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    if resource.plural != "secrets" {
        return;
    }
    let Some(Value::Object(plain)) = object_mut(object).remove("stringData") else { return };
    let data = crate::json::member_mut(object, "data");
    for (key, text) in plain {
        data.insert(key, Value::String(STANDARD.encode(text.as_str().unwrap_or_default())));
    }
}

/// Refuses an object that may not be stored.
pub(crate) fn validated(resource: &Resource, object: &Value, before: Option<&Value>) -> Result<(), Refusal> {
    let mut causes = built_in_checks::metadata(object, resource.group == "rbac.authorization.k8s.io");
    match &resource.family {
        Family::BuiltIn(_) => {
            causes.extend(built_in_checks::built_in(&resource.plural, object, before));
            if resource.plural == "customresourcedefinitions" {
                causes.extend(definition(object));
            }
        }
        Family::Custom(custom) => causes.extend(validation::causes(&custom.schema, object, before)),
    }
    if causes.is_empty() { Ok(()) } else { Err(Refusal::invalid(resource, name(object), &causes)) }
}

fn definition(object: &Value) -> Vec<Cause> {
    crd::resources(object).err().unwrap_or_default()
}
