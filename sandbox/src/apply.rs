//! Server-side apply: merges what a manager wants into the object, keeps account of who owns what, and refuses
//! to take a field from somebody else unless forced.
//!
//! Pure.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    field_set::{FieldSet, compare, elements},
    managed_fields::{Entry, Writer, new_entry, ownable, read},
    refusal::Refusal,
    resource::Resource,
    structure::{ListKind, Structure},
};

/// Merges an applied configuration into the live object (null where there is none yet).
///
/// Returns the merged object and its managed fields.
pub(crate) fn apply(
    resource: &Resource,
    live: &Value,
    wanted: &Value,
    writer: &Writer,
    force: bool,
    now: Timestamp,
) -> Result<(Value, Vec<Entry>), Refusal> {
    let structure = Structure::of(resource);
    let mut entries = read(live);
    let mine = ownable(FieldSet::of(structure, wanted), resource, &writer.subresource);
    let mut merged = live.clone();
    merge(structure, &mut merged, wanted, true);

    let (changed, _) = compare(structure, live, &merged);
    let changed = ownable(changed, resource, &writer.subresource);
    let mut conflicts = Vec::new();
    for entry in entries.iter_mut().filter(|entry| !entry.is_of(writer)) {
        let taken = entry.fields.intersection(&changed);
        if taken.is_empty() {
            continue;
        }
        entry.fields = entry.fields.difference(&taken);
        conflicts.push((entry.clone(), taken.paths()));
    }
    if !force && !conflicts.is_empty() {
        return Err(conflict(&conflicts));
    }

    let before = entries.iter().find(|entry| entry.is_of(writer)).map(|entry| entry.fields.clone());
    let others = entries
        .iter()
        .filter(|entry| !entry.is_of(writer))
        .fold(FieldSet::default(), |all, entry| all.union(&entry.fields));
    let given_up = before.unwrap_or_default().difference(&mine).difference(&others);
    remove(structure, &mut merged, &given_up, &others, true);

    match entries.iter_mut().find(|entry| entry.is_of(writer)) {
        Some(own) => {
            if own.fields != mine || own.api_version != writer.api_version {
                own.time = crate::stamp(now);
            }
            own.fields = mine;
            own.api_version.clone_from(&writer.api_version);
        }
        None => entries.push(new_entry(writer, mine, now)),
    }
    Ok((merged, entries))
}

fn merge(structure: Structure<'_>, value: &mut Value, wanted: &Value, at_root: bool) {
    match (&mut *value, wanted) {
        (Value::Object(members), Value::Object(changes)) if !structure.is_atomic_map() => {
            for (name, change) in changes {
                let member = members.entry(name.clone()).or_insert(Value::Null);
                merge(structure.member(name, at_root), member, change, false);
            }
        }
        (Value::Array(items), Value::Array(changes)) => match structure.list_kind() {
            ListKind::Atomic => items.clone_from(changes),
            ListKind::Set => {
                let new: Vec<Value> =
                    changes.iter().filter(|change| !items.contains(change)).cloned().collect();
                items.extend(new);
            }
            ListKind::Keyed(keys) => {
                for change in changes {
                    let identity = structure.identity(&keys, change);
                    match items.iter_mut().find(|item| structure.identity(&keys, item) == identity) {
                        Some(item) => merge(structure.items(), item, change, false),
                        None => items.push(change.clone()),
                    }
                }
            }
        },
        (_, wanted) => *value = wanted.clone(),
    }
}

/// Removes the fields of a set. An element that somebody else owns a part of stays.
fn remove(structure: Structure<'_>, value: &mut Value, gone: &FieldSet, others: &FieldSet, at_root: bool) {
    let nothing = FieldSet::default();
    match value {
        Value::Object(members) => remove_members(structure, members, gone, others, at_root),
        Value::Array(items) => {
            let Some(named) = elements(structure, items) else { return };
            let identities: Vec<String> = named.into_iter().map(|(name, _)| name).collect();
            let mut identities = identities.into_iter();
            items.retain_mut(|item| {
                let name = identities.next().unwrap_or_default();
                let Some(fields) = gone.below.get(&name) else { return true };
                if fields.itself && !others.below.contains_key(&name) {
                    return false;
                }
                let others = others.below.get(&name).unwrap_or(&nothing);
                remove(structure.items(), item, fields, others, false);
                true
            });
        }
        _ => {}
    }
}

fn remove_members(
    structure: Structure<'_>,
    members: &mut Map<String, Value>,
    gone: &FieldSet,
    others: &FieldSet,
    at_root: bool,
) {
    let nothing = FieldSet::default();
    for (field, fields) in &gone.below {
        let Some(name) = field.strip_prefix("f:") else { continue };
        let Some(member) = members.get_mut(name) else { continue };
        let others_below = others.below.get(field).unwrap_or(&nothing);
        remove(structure.member(name, at_root), member, fields, others_below, false);
        let is_leaf = fields.itself && fields.below.is_empty();
        let is_emptied = *member == json!({}) || *member == json!([]);
        if (is_leaf || is_emptied) && !others.below.contains_key(field) {
            members.remove(name);
        }
    }
}

fn conflict(conflicts: &[(Entry, Vec<String>)]) -> Refusal {
    let rows: Vec<(String, &String)> = conflicts
        .iter()
        .flat_map(|(entry, paths)| paths.iter().map(move |path| (shown(entry), path)))
        .collect();
    let message = if let [(manager, path)] = rows.as_slice() {
        format!("Apply failed with 1 conflict: conflict with {manager}: {path}")
    } else {
        let by_manager: Vec<String> = conflicts
            .iter()
            .map(|(entry, paths)| format!("conflicts with {}:\n- {}", shown(entry), paths.join("\n- ")))
            .collect();
        format!("Apply failed with {} conflicts: {}", rows.len(), by_manager.join("\n"))
    };
    let causes: Vec<Value> = rows
        .iter()
        .map(|(manager, path)| {
            json!({"reason": "FieldManagerConflict", "message": format!("conflict with {manager}"), "field": path})
        })
        .collect();
    Refusal { details: json!({"causes": causes}), ..Refusal::new(409, "Conflict", message) }
}

fn shown(entry: &Entry) -> String {
    let subresource = if entry.subresource.is_empty() {
        String::new()
    } else {
        format!(" with subresource \"{}\"", entry.subresource)
    };
    let using = if entry.operation == "Update" {
        format!(" using {} at {}", entry.api_version, entry.time)
    } else {
        String::new()
    };
    format!("\"{}\"{subresource}{using}", entry.manager)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalog::Catalog, managed_fields};

    fn writer(manager: &str) -> Writer {
        Writer {
            manager: manager.to_owned(),
            operation: "Apply",
            api_version: "v1".to_owned(),
            subresource: String::new(),
        }
    }

    fn applied(live: &Value, wanted: &Value, manager: &str, force: bool) -> Result<Value, Refusal> {
        let resource = Catalog::built_in().find("", "v1", "configmaps").unwrap();
        let (mut merged, entries) =
            apply(&resource, live, wanted, &writer(manager), force, Timestamp::UNIX_EPOCH)?;
        managed_fields::store(&mut merged, &entries);
        Ok(merged)
    }

    #[test]
    fn a_field_left_out_is_removed_only_if_nobody_else_has_it() {
        let first =
            applied(&Value::Null, &json!({"data": {"a": "1", "b": "1", "c": "1"}}), "one", false).unwrap();
        let both = applied(&first, &json!({"data": {"b": "1"}}), "two", false).unwrap();
        let fewer = applied(&both, &json!({"data": {"a": "1"}}), "one", false).unwrap();
        assert_eq!(fewer["data"], json!({"a": "1", "b": "1"}));
    }

    #[test]
    fn another_managers_field_is_a_conflict_until_forced() {
        let first = applied(&Value::Null, &json!({"data": {"a": "1"}}), "one", false).unwrap();
        let refused = applied(&first, &json!({"data": {"a": "2"}}), "two", false).unwrap_err();
        assert_eq!(refused.message, "Apply failed with 1 conflict: conflict with \"one\": .data.a");
        assert_eq!(refused.details["causes"][0]["field"], ".data.a");
        let forced = applied(&first, &json!({"data": {"a": "2"}}), "two", true).unwrap();
        assert_eq!(forced["data"]["a"], "2");
        let owners: Vec<&str> = crate::json::list(&forced, "/metadata/managedFields")
            .iter()
            .map(|entry| entry["manager"].as_str().unwrap())
            .collect();
        assert_eq!(owners, ["two"]);
    }

    #[test]
    fn the_same_again_changes_nothing() {
        let wanted = json!({"data": {"a": "1"}, "metadata": {"labels": {"x": "y"}}});
        let first = applied(&Value::Null, &wanted, "one", false).unwrap();
        assert_eq!(applied(&first, &wanted, "one", false).unwrap(), first);
    }
}
