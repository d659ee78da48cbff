//! Sets of fields, as `managedFields` writes them (`fieldsV1`), and the comparison of two objects field by field.
//!
//! Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::structure::{ListKind, Structure};

/// A set of fields as a tree. Names are those of `fieldsV1`: `f:member`, `k:{"name":"x"}`, `v:"element of a set"`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FieldSet {
    /// Whether the field at this place is in the set itself, not only fields below it.
    pub(crate) itself: bool,
    pub(crate) below: BTreeMap<String, FieldSet>,
}

impl FieldSet {
    fn leaf() -> Self {
        Self { itself: true, below: BTreeMap::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.itself && self.below.values().all(Self::is_empty)
    }

    pub(crate) fn from_fields_v1(fields: &Value) -> Self {
        let members = fields.as_object();
        let below: BTreeMap<String, Self> = members
            .into_iter()
            .flatten()
            .filter(|(name, _)| *name != ".")
            .map(|(name, fields)| (name.clone(), Self::from_fields_v1(fields)))
            .collect();
        let itself = below.is_empty() || members.is_some_and(|members| members.contains_key("."));
        Self { itself, below }
    }

    pub(crate) fn to_fields_v1(&self) -> Value {
        let mut members: Map<String, Value> =
            self.below.iter().map(|(name, fields)| (name.clone(), fields.to_fields_v1())).collect();
        if self.itself && !members.is_empty() {
            members.insert(".".to_owned(), json!({}));
        }
        Value::Object(members)
    }

    /// The fields that a value sets.
    pub(crate) fn of(structure: Structure<'_>, value: &Value) -> Self {
        let mut set = Self::at(structure, value, true);
        set.itself = false;
        set
    }

    fn at(structure: Structure<'_>, value: &Value, at_root: bool) -> Self {
        match value {
            Value::Object(members) if !members.is_empty() && !structure.is_atomic_map() => {
                let below = members.iter().map(|(name, member)| {
                    (format!("f:{name}"), Self::at(structure.member(name, at_root), member, false))
                });
                Self { itself: false, below: below.collect() }
            }
            Value::Array(items) if !items.is_empty() => match elements(structure, items) {
                Some(elements) => {
                    let below = elements.into_iter().map(|(name, item)| {
                        (name, Self { itself: true, ..Self::at(structure.items(), item, false) })
                    });
                    Self { itself: false, below: below.collect() }
                }
                None => Self::leaf(),
            },
            _ => Self::leaf(),
        }
    }

    fn combine(&self, other: &Self, itself: fn(bool, bool) -> bool, keep_alone: bool) -> Self {
        let nothing = Self::default();
        let mut below = BTreeMap::new();
        for (name, fields) in &self.below {
            let combined = fields.combine(other.below.get(name).unwrap_or(&nothing), itself, keep_alone);
            below.insert(name.clone(), combined);
        }
        if keep_alone {
            for (name, fields) in &other.below {
                below.entry(name.clone()).or_insert_with(|| fields.clone());
            }
        }
        below.retain(|_, fields| !fields.is_empty());
        Self { itself: itself(self.itself, other.itself), below }
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        self.combine(other, |one, other| one || other, true)
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        self.combine(other, |one, other| one && other, false)
    }

    pub(crate) fn difference(&self, other: &Self) -> Self {
        self.combine(other, |one, other| one && !other, false)
    }

    /// Takes the field at a path of names out, with all below it.
    pub(crate) fn remove(&mut self, path: &[&str]) {
        match path {
            [] => {}
            [last] => {
                self.below.remove(*last);
            }
            [first, rest @ ..] => {
                if let Some(fields) = self.below.get_mut(*first) {
                    fields.remove(rest);
                }
            }
        }
        self.below.retain(|_, fields| !fields.is_empty());
    }

    /// The fields as conflicts name them: `.spec.containers[name="a"].image`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect_paths("", &mut paths);
        paths
    }

    fn collect_paths(&self, path: &str, paths: &mut Vec<String>) {
        if self.itself {
            paths.push(path.to_owned());
        }
        for (name, fields) in &self.below {
            fields.collect_paths(&format!("{path}{}", shown(name)), paths);
        }
    }
}

fn shown(name: &str) -> String {
    match name.split_once(':') {
        Some(("k", keys)) => {
            let keys: BTreeMap<String, Value> = serde_json::from_str(keys).unwrap_or_default();
            let pairs: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("[{}]", pairs.join(","))
        }
        Some(("v", value)) => format!("[={value}]"),
        Some((_, member)) => format!(".{member}"),
        None => name.to_owned(),
    }
}

/// The elements of a list under their names in a field set; nothing where the list is one value.
pub(crate) fn elements<'a>(structure: Structure<'_>, items: &'a [Value]) -> Option<Vec<(String, &'a Value)>> {
    match structure.list_kind() {
        ListKind::Atomic => None,
        ListKind::Set => Some(items.iter().map(|item| (format!("v:{item}"), item)).collect()),
        ListKind::Keyed(keys) => Some(
            items
                .iter()
                .map(|item| (format!("k:{}", structure.items().identity(&keys, item)), item))
                .collect(),
        ),
    }
}

/// The fields that were added or changed, and those that went. Before its creation, an object is null.
pub(crate) fn compare(structure: Structure<'_>, before: &Value, after: &Value) -> (FieldSet, FieldSet) {
    let (mut changed, mut removed) = (FieldSet::default(), FieldSet::default());
    let before = Some(before).filter(|before| !before.is_null());
    compare_at(structure, before, Some(after), true, &mut changed, &mut removed);
    (changed, removed)
}

fn compare_at(
    structure: Structure<'_>,
    before: Option<&Value>,
    after: Option<&Value>,
    at_root: bool,
    changed: &mut FieldSet,
    removed: &mut FieldSet,
) {
    let mut descend = |before: &[(String, Option<&Value>, Option<&Value>, Structure<'_>)]| {
        for (name, one, other, structure) in before {
            let mut below = (FieldSet::default(), FieldSet::default());
            compare_at(*structure, *one, *other, false, &mut below.0, &mut below.1);
            for (set, fields) in [(&mut *changed, below.0), (&mut *removed, below.1)] {
                if !fields.is_empty() {
                    set.below.insert(name.clone(), fields);
                }
            }
        }
    };
    match (before, after) {
        (Some(before), Some(after)) if before == after => {}
        (Some(Value::Object(one)), Some(Value::Object(other))) if !structure.is_atomic_map() => {
            let names = one.keys().chain(other.keys().filter(|name| !one.contains_key(*name)));
            let rows: Vec<_> = names
                .map(|name| {
                    (format!("f:{name}"), one.get(name), other.get(name), structure.member(name, at_root))
                })
                .collect();
            descend(&rows);
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            match (elements(structure, one), elements(structure, other)) {
                (Some(one), Some(other)) => {
                    let find = |among: &[(String, &'_ Value)], name: &str| {
                        among.iter().position(|(other, _)| other == name)
                    };
                    let mut rows = Vec::new();
                    for (name, item) in &one {
                        let counterpart =
                            find(&other, name).and_then(|at| other.get(at)).map(|(_, item)| *item);
                        rows.push((name.clone(), Some(*item), counterpart, structure.items()));
                    }
                    for (name, item) in other.iter().filter(|(name, _)| find(&one, name).is_none()) {
                        rows.push((name.clone(), None, Some(*item), structure.items()));
                    }
                    descend(&rows);
                    for (name, one, other, _) in rows {
                        let set = match (one, other) {
                            (None, Some(_)) => &mut *changed,
                            (Some(_), None) => &mut *removed,
                            _ => continue,
                        };
                        set.below.entry(name).or_default().itself = true;
                    }
                }
                _ => changed.itself = true,
            }
        }
        (Some(_), Some(_)) => changed.itself = true,
        (None, Some(added)) => *changed = FieldSet::at(structure, added, at_root),
        (Some(gone), None) => *removed = FieldSet::at(structure, gone, at_root),
        (None, None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_round_trip_and_show_their_paths() {
        let pod = json!({"spec": {"containers": [{"name": "a", "image": "i"}], "nodeSelector": {"x": "y"}},
                         "metadata": {"labels": {"app": "web"}, "finalizers": ["f"]}});
        let set = FieldSet::of(Structure::BuiltIn(""), &pod);
        assert_eq!(FieldSet { itself: false, ..FieldSet::from_fields_v1(&set.to_fields_v1()) }, set);
        assert_eq!(
            set.paths(),
            [
                ".metadata.finalizers[=\"f\"]",
                ".metadata.labels.app",
                ".spec.containers[name=\"a\"]",
                ".spec.containers[name=\"a\"].image",
                ".spec.containers[name=\"a\"].name",
                ".spec.nodeSelector",
            ]
        );
    }

    #[test]
    fn comparison_finds_what_changed_and_what_went() {
        let before = json!({"spec": {"replicas": 1, "paused": true, "args": [1],
                                     "containers": [{"name": "a", "image": "1"}, {"name": "b"}]}});
        let after = json!({"spec": {"replicas": 2, "args": [1],
                                    "containers": [{"name": "a", "image": "2"}, {"name": "c"}]}});
        let (changed, removed) = compare(Structure::BuiltIn(""), &before, &after);
        assert_eq!(
            changed.paths(),
            [
                ".spec.containers[name=\"a\"].image",
                ".spec.containers[name=\"c\"]",
                ".spec.containers[name=\"c\"].name",
                ".spec.replicas",
            ]
        );
        assert_eq!(
            removed.paths(),
            [".spec.containers[name=\"b\"]", ".spec.containers[name=\"b\"].name", ".spec.paused"]
        );
    }
}
