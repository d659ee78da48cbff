//! Deleting objects: finalizers, pods that their kubelet has to stop, and everything that goes with an owner.
//!
//! Changes the store, and nothing else. Garbage is collected in the same step as its owner goes: there is no
//! controller that would be late.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    crd,
    json::{is_terminating, list, member_mut, metadata_mut, name, number, text, uid},
    refusal::Refusal,
    resource::Resource,
    store::{Key, Store},
};

/// How to delete, from the request's body and parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DeleteOptions {
    /// Dependents stay, without their owner.
    pub(crate) orphans: bool,
    pub(crate) dry_run: bool,
    /// Zero stops a pod at once.
    pub(crate) grace_period_seconds: Option<i64>,
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
}

impl DeleteOptions {
    pub(crate) fn read(body: &Value) -> Self {
        let of = |pointer| text(body, pointer).map(str::to_owned);
        Self {
            orphans: text(body, "/propagationPolicy") == Some("Orphan")
                || body.get("orphanDependents") == Some(&json!(true)),
            dry_run: !list(body, "/dryRun").is_empty(),
            grace_period_seconds: number(body, "/gracePeriodSeconds"),
            uid: of("/preconditions/uid"),
            resource_version: of("/preconditions/resourceVersion"),
        }
    }
}

/// What a deletion led to.
pub(crate) enum Deleted {
    Gone(Arc<Value>),
    /// Marked; it goes when its finalizers or its kubelet let go.
    Terminating(Arc<Value>),
}

/// Deletes an object, or marks it.
pub(crate) fn delete(
    store: &mut Store,
    resource: &Resource,
    key: &Key,
    options: &DeleteOptions,
    now: Timestamp,
) -> Result<Deleted, Refusal> {
    let bucket = resource.bucket();
    let live = store.get(&bucket, key).cloned().ok_or_else(|| Refusal::not_found(resource, &key.name))?;
    for (wanted, pointer, what) in [
        (&options.uid, "/metadata/uid", "UID"),
        (&options.resource_version, "/metadata/resourceVersion", "ResourceVersion"),
    ] {
        let found = text(&live, pointer).unwrap_or_default();
        if let Some(wanted) = wanted.as_deref().filter(|wanted| *wanted != found) {
            let why = format!(
                "Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}"
            );
            return Err(Refusal::conflict(resource, &key.name, &why));
        }
    }
    if options.dry_run {
        return Ok(Deleted::Gone(live));
    }
    let has_kubelet = resource.plural == "pods" && text(&live, "/spec/nodeName").is_some();
    let grace = if has_kubelet { options.grace_period_seconds.unwrap_or(30) } else { 0 };
    let holds_content = matches!(resource.plural.as_str(), "namespaces" | "customresourcedefinitions");
    let marked = mark(&live, resource, grace, now);
    if grace == 0 && !holds_content && is_released(&marked) {
        return Ok(
            finish(store, resource, key, options.orphans, now).map_or(Deleted::Gone(live), Deleted::Gone)
        );
    }
    let stored = if is_terminating(&live) && marked == *live { live } else { store.put(&bucket, marked) };
    if holds_content {
        empty_out(store, resource, &stored, now);
        if store.get(&bucket, key).is_none() {
            return Ok(Deleted::Gone(stored));
        }
    }
    Ok(Deleted::Terminating(stored))
}

fn mark(live: &Value, resource: &Resource, grace: i64, now: Timestamp) -> Value {
    let mut marked = live.clone();
    if !is_terminating(live) && resource.counts_generations() {
        let generation = number(live, "/metadata/generation").unwrap_or(0) + 1;
        metadata_mut(&mut marked).insert("generation".to_owned(), json!(generation));
    }
    let metadata = metadata_mut(&mut marked);
    metadata.entry("deletionTimestamp").or_insert_with(|| json!(crate::stamp(now)));
    metadata.insert("deletionGracePeriodSeconds".to_owned(), json!(grace));
    if resource.plural == "namespaces" {
        member_mut(&mut marked, "status").insert("phase".to_owned(), json!("Terminating"));
    }
    marked
}

/// Whether nothing keeps a marked object from going.
pub(crate) fn is_released(object: &Value) -> bool {
    list(object, "/metadata/finalizers").is_empty()
        && number(object, "/metadata/deletionGracePeriodSeconds").unwrap_or(0) == 0
        && !matches!(text(object, "/kind"), Some("Namespace" | "CustomResourceDefinition"))
}

/// Takes an object away, and what only it owned; then everything that waited for that.
pub(crate) fn finish(
    store: &mut Store,
    resource: &Resource,
    key: &Key,
    orphans: bool,
    now: Timestamp,
) -> Option<Arc<Value>> {
    let removed = store.remove(&resource.bucket(), key)?;
    release_dependents(store, &removed, orphans, now);
    release_containers(store);
    Some(removed)
}

fn release_dependents(store: &mut Store, owner: &Value, orphans: bool, now: Timestamp) {
    let owner = uid(owner);
    let dependents: Vec<_> = store
        .dependents(owner)
        .map(|(bucket, key, object)| (bucket.clone(), key.clone(), Arc::clone(object)))
        .collect();
    for (bucket, key, dependent) in dependents {
        let Some(resource) = store.catalog.of_bucket(&bucket) else { continue };
        let others: Vec<Value> = list(&dependent, "/metadata/ownerReferences")
            .iter()
            .filter(|reference| text(reference, "/uid") != Some(owner))
            .cloned()
            .collect();
        if orphans || !others.is_empty() {
            let mut freed = Value::clone(&dependent);
            metadata_mut(&mut freed).insert("ownerReferences".to_owned(), Value::Array(others));
            store.put(&bucket, freed);
        } else {
            // A dependent that is gone already needs no deletion.
            let _ = delete(store, &resource, &key, &DeleteOptions::default(), now);
        }
    }
}

/// Deletes what is in a namespace, or all objects of a CRD.
fn empty_out(store: &mut Store, resource: &Resource, container: &Value, now: Timestamp) {
    let contents: Vec<_> = store
        .everything()
        .filter(|(bucket, key, _)| match resource.plural.as_str() {
            "namespaces" => key.namespace == name(container),
            _ => **bucket == crd::bucket(container),
        })
        .map(|(bucket, key, _)| (bucket.clone(), key.clone()))
        .collect();
    for (bucket, key) in contents {
        if let Some(resource) = store.catalog.of_bucket(&bucket) {
            // What is gone already, with its owner for instance, needs no deletion.
            let _ = delete(store, &resource, &key, &DeleteOptions::default(), now);
        }
    }
    release_containers(store);
}

/// Takes marked namespaces and CRDs away that have become empty.
fn release_containers(store: &mut Store) {
    let namespaces = (String::new(), "namespaces".to_owned());
    let definitions = ("apiextensions.k8s.io".to_owned(), "customresourcedefinitions".to_owned());
    for bucket in [namespaces, definitions] {
        let waiting: Vec<(Key, Arc<Value>)> = store
            .list(&bucket, None)
            .filter(|(_, object)| is_terminating(object) && list(object, "/metadata/finalizers").is_empty())
            .map(|(key, object)| (key.clone(), Arc::clone(object)))
            .collect();
        for (key, container) in waiting {
            let is_definition = !bucket.0.is_empty();
            let contents = crd::bucket(&container);
            let is_empty = if is_definition {
                store.list(&contents, None).next().is_none()
            } else {
                !store.everything().any(|(_, other, _)| other.namespace == key.name)
            };
            if is_empty {
                store.remove(&bucket, &key);
                if is_definition {
                    store.catalog.replace_custom(&contents, Vec::new());
                }
            }
        }
    }
}
