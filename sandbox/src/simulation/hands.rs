//! How the simulation changes objects: as a cluster's own components, under their names.
//!
//! Holds the store's lock for one round of work.

use std::{
    collections::BTreeMap,
    sync::{Arc, MutexGuard},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    admission::Terms,
    api::Shared,
    deletion::{self, DeleteOptions},
    json::{name, namespace, text, uid},
    managed_fields::Writer,
    options::SandboxOptions,
    request::FieldValidation,
    resource::Resource,
    store::{Key, Store},
    write::{self, Context},
};

/// The store and the resources that the simulation works on.
pub(crate) struct Hands<'a> {
    pub(crate) store: MutexGuard<'a, Store>,
    pub(crate) options: &'a SandboxOptions,
    pub(crate) now: Timestamp,
    resources: BTreeMap<&'static str, Arc<Resource>>,
}

/// Which part of an object is written.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Part {
    Object,
    Status,
}

impl<'a> Hands<'a> {
    pub(crate) fn new(shared: &'a Shared) -> Self {
        let store = shared.store();
        let find = |group, plural| store.catalog.find(group, "v1", plural).map(|resource| (plural, resource));
        let resources =
            [("apps", "deployments"), ("apps", "replicasets"), ("", "pods"), ("", "events"), ("", "nodes")]
                .into_iter()
                .filter_map(|(group, plural)| find(group, plural))
                .collect();
        Self { now: (shared.options.clock)(), options: &shared.options, store, resources }
    }

    fn resource(&self, plural: &str) -> Option<Arc<Resource>> {
        self.resources.get(plural).cloned()
    }

    pub(crate) fn get(&self, plural: &str, key: &Key) -> Option<Arc<Value>> {
        self.store.get(&self.resource(plural)?.bucket(), key).cloned()
    }

    /// The objects of a namespace that an owner controls.
    pub(crate) fn owned(&self, plural: &str, owner: &Value) -> Vec<Arc<Value>> {
        let Some(bucket) = self.resource(plural).map(|resource| resource.bucket()) else { return Vec::new() };
        let (owner_uid, place) = (uid(owner), namespace(owner));
        let controls = |object: &Value| {
            crate::json::list(object, "/metadata/ownerReferences").iter().any(|reference| {
                text(reference, "/uid") == Some(owner_uid)
                    && reference.get("controller") == Some(&json!(true))
            })
        };
        self.store
            .dependents(owner_uid)
            .filter(|(of, key, object)| **of == bucket && key.namespace == place && controls(object))
            .map(|(_, _, object)| Arc::clone(object))
            .collect()
    }

    fn context<'b>(&self, resource: &'b Resource, manager: &str, part: Part) -> Context<'b> {
        Context {
            resource,
            writer: Writer {
                manager: manager.to_owned(),
                operation: "Update",
                api_version: resource.api_version(),
                subresource: if part == Part::Status { "status".to_owned() } else { String::new() },
            },
            terms: Terms {
                field_validation: FieldValidation::Ignore,
                image_volumes: self.options.image_volumes,
            },
            dry_run: false,
            now: self.now,
        }
    }

    /// Creates an object. A refusal is logged: its cause, a namespace that goes for instance, ends the need for it.
    pub(crate) fn create(&mut self, plural: &str, manager: &str, object: Value) -> Option<Arc<Value>> {
        let resource = self.resource(plural)?;
        let context = self.context(&resource, manager, Part::Object);
        let place = namespace(&object).to_owned();
        match write::create(&mut self.store, &context, Some(&place), object, None) {
            Ok(written) => Some(written.object),
            Err(refusal) => {
                tracing::debug!(plural, manager, %refusal, "the simulation could not create an object");
                None
            }
        }
    }

    /// Writes an object, or its status alone.
    pub(crate) fn update(
        &mut self,
        plural: &str,
        manager: &str,
        live: &Arc<Value>,
        object: Value,
        part: Part,
    ) {
        let Some(resource) = self.resource(plural) else { return };
        let context = self.context(&resource, manager, part);
        if let Err(refusal) = write::update(&mut self.store, &context, live, object, None) {
            tracing::debug!(plural, manager, %refusal, "the simulation could not update an object");
        }
    }

    /// Deletes an object; at once, or with the usual grace.
    pub(crate) fn delete(&mut self, plural: &str, key: &Key, grace_period_seconds: Option<i64>) {
        let Some(resource) = self.resource(plural) else { return };
        let options = DeleteOptions { grace_period_seconds, ..DeleteOptions::default() };
        if let Err(refusal) = deletion::delete(&mut self.store, &resource, key, &options, self.now) {
            tracing::debug!(plural, %refusal, "the simulation could not delete an object");
        }
    }

    /// Records an Event about an object.
    pub(crate) fn event(&mut self, about: &Value, component: &str, kind: &str, reason: &str, message: &str) {
        let stamp = crate::stamp(self.now);
        let event = json!({
            "apiVersion": "v1", "kind": "Event", "type": kind, "reason": reason, "message": message, "count": 1,
            "metadata": {"generateName": format!("{}.", name(about)), "namespace": namespace(about)},
            "involvedObject": {
                "apiVersion": about.get("apiVersion"), "kind": about.get("kind"), "name": name(about),
                "namespace": namespace(about), "uid": uid(about),
                "resourceVersion": text(about, "/metadata/resourceVersion"),
            },
            "source": {"component": component}, "reportingComponent": component, "reportingInstance": "",
            "firstTimestamp": stamp, "lastTimestamp": stamp,
        });
        self.create("events", component, event);
    }

    /// Forgets old events.
    pub(crate) fn forget_events(&mut self, lifetime: Duration) {
        let Some(resource) = self.resource("events") else { return };
        let lifetime = SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::MAX);
        let oldest = crate::stamp(self.now.saturating_sub(lifetime).unwrap_or(self.now));
        let old: Vec<Key> = self
            .store
            .list(&resource.bucket(), None)
            .filter(|(_, event)| {
                text(event, "/metadata/creationTimestamp").is_some_and(|made| made < oldest.as_str())
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in old {
            self.store.remove(&resource.bucket(), &key);
        }
    }
}
