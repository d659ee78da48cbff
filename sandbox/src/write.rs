//! Creating and updating objects: everything between a proposed object and the store.
//!
//! Changes the store, and nothing else; the present time comes with the writer's context.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    admission::{self, Terms},
    crd,
    deletion::{self, is_released},
    json::{is_terminating, metadata_mut, name, namespace, number, object_mut, set_or_remove, text, uid},
    managed_fields::{self, Entry, Writer},
    refusal::{Cause, Refusal},
    resource::{Family, Resource},
    store::{Key, Store},
};

/// Characters of generated names: no vowels, so that no words come out.
const NAME_CHARACTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const GENERATED_CHARACTERS: usize = 5;
/// A changed annotation is a new generation of one, unless it comes with the status, as its controller's revision does.
const DEPLOYMENTS: &str = "deployments";

/// Everything about a write that is not the object.
pub(crate) struct Context<'a> {
    pub(crate) resource: &'a Resource,
    pub(crate) writer: Writer,
    pub(crate) terms: Terms,
    pub(crate) dry_run: bool,
    pub(crate) now: Timestamp,
}

/// What a write led to.
pub(crate) struct Written {
    pub(crate) object: Arc<Value>,
    pub(crate) warnings: Vec<String>,
}

/// Creates an object in a namespace.
pub(crate) fn create(
    store: &mut Store,
    context: &Context<'_>,
    namespace: Option<&str>,
    mut object: Value,
    applied: Option<&[Entry]>,
) -> Result<Written, Refusal> {
    let resource = context.resource;
    let warnings = admission::normalised(resource, &mut object, context.terms)?;
    place(store, resource, namespace, &mut object)?;
    let identity = identity(store.version(), resource, &object);
    let metadata = metadata_mut(&mut object);
    if metadata.get("name").and_then(Value::as_str).unwrap_or_default().is_empty()
        && let Some(prefix) = metadata.get("generateName").and_then(Value::as_str)
    {
        let generated = format!("{prefix}{}", suffix(&identity));
        metadata.insert("name".to_owned(), json!(generated));
    }
    for member in ["resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] {
        metadata.remove(member);
    }
    metadata.insert("uid".to_owned(), json!(uuid(&identity)));
    metadata.insert("creationTimestamp".to_owned(), json!(crate::stamp(context.now)));
    if resource.counts_generations() {
        metadata.insert("generation".to_owned(), json!(1));
    }
    initial_status(resource, &mut object, context.now);
    let key = Key::of(&object);
    if store.get(&resource.bucket(), &key).is_some() {
        return Err(Refusal::already_exists(resource, &key.name));
    }
    admission::validated(resource, &object, None)?;
    let entries = match applied {
        Some(entries) => entries.to_vec(),
        None => managed_fields::after_update(resource, &Value::Null, &object, &context.writer, context.now),
    };
    managed_fields::store(&mut object, &entries);
    if context.dry_run {
        return Ok(Written { object: Arc::new(object), warnings });
    }
    let object = store.put(&resource.bucket(), object);
    take_effect(store, resource, &object);
    Ok(Written { object, warnings })
}

/// Puts an object into the namespace of the request, which must exist and stay.
fn place(
    store: &Store,
    resource: &Resource,
    namespace: Option<&str>,
    object: &mut Value,
) -> Result<(), Refusal> {
    let Some(namespace) = namespace.filter(|_| resource.namespaced) else {
        if resource.namespaced {
            return Err(Refusal::bad_request(
                "an empty namespace may not be set during creation; name a namespace in the path",
            ));
        }
        metadata_mut(object).remove("namespace");
        return Ok(());
    };
    let own = text(object, "/metadata/namespace").unwrap_or_default();
    if !own.is_empty() && own != namespace {
        return Err(Refusal::bad_request(format!(
            "the namespace of the provided object does not match the namespace sent on the request ({own} != {namespace})"
        )));
    }
    let namespaces = store.catalog.find("", "v1", "namespaces").ok_or_else(Refusal::no_such_path)?;
    let found = store
        .get(&namespaces.bucket(), &Key::new("", namespace))
        .ok_or_else(|| Refusal::not_found(&namespaces, namespace))?;
    if is_terminating(found) {
        let why =
            format!("unable to create new content in namespace {namespace} because it is being terminated");
        return Err(Refusal::forbidden(resource, name(object), &why));
    }
    metadata_mut(object).insert("namespace".to_owned(), json!(namespace));
    Ok(())
}

/// What is unlike any other object's: where it is, and the version at which it came.
fn identity(version: u64, resource: &Resource, object: &Value) -> [u8; 32] {
    let place = format!("{version} {} {} {}", resource.qualified(), namespace(object), name(object));
    Sha256::digest(place.as_bytes()).into()
}

fn suffix(identity: &[u8; 32]) -> String {
    let at =
        |byte: &u8| NAME_CHARACTERS.get(usize::from(*byte) % NAME_CHARACTERS.len()).copied().unwrap_or(b'x');
    identity.iter().take(GENERATED_CHARACTERS).map(|byte| char::from(at(byte))).collect()
}

fn uuid(identity: &[u8; 32]) -> String {
    let digits = hex::encode(identity);
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

fn initial_status(resource: &Resource, object: &mut Value, now: Timestamp) {
    let status = match resource.plural.as_str() {
        "customresourcedefinitions" => Some(crd::established(object, now)),
        "namespaces" => Some(json!({"phase": "Active"})),
        "pods" => Some(json!({"phase": "Pending"})),
        "persistentvolumeclaims" => Some(json!({"phase": "Bound"})),
        _ => None,
    };
    if resource.status {
        set_or_remove(object_mut(object), "status", status.as_ref());
    }
    if resource.plural == "namespaces" {
        let own = name(object).to_owned();
        object_mut(object).insert("spec".to_owned(), json!({"finalizers": ["kubernetes"]}));
        crate::json::object_mut(metadata_mut(object).entry("labels").or_insert(Value::Null))
            .insert("kubernetes.io/metadata.name".to_owned(), json!(own));
    }
}

/// Replaces an object, or its status.
///
/// `applied` are the managed fields of a server-side apply; without them the writer owns what it changed.
pub(crate) fn update(
    store: &mut Store,
    context: &Context<'_>,
    live: &Arc<Value>,
    mut object: Value,
    applied: Option<&[Entry]>,
) -> Result<Written, Refusal> {
    let resource = context.resource;
    preconditions(resource, live, &object)?;
    let reset = managed_fields::is_reset(&object);
    let warnings = admission::normalised(resource, &mut object, context.terms)?;
    if context.writer.subresource == "status" {
        let given = object;
        object = Value::clone(live);
        set_or_remove(object_mut(&mut object), "status", given.get("status"));
        if resource.plural == DEPLOYMENTS {
            set_or_remove(metadata_mut(&mut object), "annotations", given.pointer("/metadata/annotations"));
        }
    } else if resource.status {
        set_or_remove(object_mut(&mut object), "status", live.get("status"));
    }
    if resource.plural == "customresourcedefinitions" && context.writer.subresource.is_empty() {
        let status = crd::established(&object, context.now);
        if names_of(&status) != names_of(live.get("status").unwrap_or(&Value::Null)) {
            object_mut(&mut object).insert("status".to_owned(), status);
        }
    }
    keep_identity(live, &mut object);
    count_generation(resource, live, &mut object, context.writer.subresource == "status");
    admission::validated(resource, &object, Some(live))?;
    let entries = match applied {
        Some(entries) => entries.to_vec(),
        None if reset => Vec::new(),
        None => managed_fields::after_update(resource, live, &object, &context.writer, context.now),
    };
    managed_fields::store(&mut object, &entries);

    if managed_fields::same_but_for_times(live, &object) {
        return Ok(Written { object: Arc::clone(live), warnings });
    }
    if context.dry_run {
        return Ok(Written { object: Arc::new(object), warnings });
    }
    let object = store.put(&resource.bucket(), object);
    take_effect(store, resource, &object);
    if is_terminating(&object) && is_released(&object) {
        deletion::finish(store, resource, &Key::of(&object), false, context.now);
    }
    Ok(Written { object, warnings })
}

fn names_of(status: &Value) -> (Option<&Value>, Option<&Value>) {
    (status.get("acceptedNames"), status.get("storedVersions"))
}

fn preconditions(resource: &Resource, live: &Value, object: &Value) -> Result<(), Refusal> {
    let own = name(live);
    let stated = name(object);
    if !stated.is_empty() && stated != own {
        return Err(Refusal::bad_request(format!(
            "the name of the object ({stated}) does not match the name on the URL ({own})"
        )));
    }
    let differs = |pointer| {
        text(object, pointer).is_some_and(|stated| !stated.is_empty() && Some(stated) != text(live, pointer))
    };
    if differs("/metadata/uid") {
        let why = format!(
            "Precondition failed: UID in precondition: {}, UID in object meta: {}",
            uid(object),
            uid(live)
        );
        return Err(Refusal::conflict(resource, own, &why));
    }
    if differs("/metadata/resourceVersion") {
        return Err(Refusal::modified(resource, own));
    }
    let is_strict = matches!(resource.family, Family::Custom(_)) || resource.plural == "leases";
    if is_strict && text(object, "/metadata/resourceVersion").unwrap_or_default().is_empty() {
        let cause = Cause::invalid("metadata.resourceVersion", "0x0", "must be specified for an update");
        return Err(Refusal::invalid(resource, own, &[cause]));
    }
    Ok(())
}

/// Puts back what no writer may change.
fn keep_identity(live: &Value, object: &mut Value) {
    let metadata = metadata_mut(object);
    for member in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "generateName",
        "managedFields",
    ] {
        set_or_remove(metadata, member, live.pointer(&format!("/metadata/{member}")));
    }
}

fn count_generation(resource: &Resource, live: &Value, object: &mut Value, is_status: bool) {
    if is_status || !resource.counts_generations() {
        return;
    }
    let counted = |object: &Value| match resource.family {
        Family::BuiltIn(_) if resource.plural == DEPLOYMENTS => {
            json!([object.get("spec"), object.pointer("/metadata/annotations")])
        }
        Family::BuiltIn(_) => json!({"spec": object.get("spec")}),
        Family::Custom(_) => {
            let mut counted = object.clone();
            let members = object_mut(&mut counted);
            members.remove("metadata");
            if resource.status {
                members.remove("status");
            }
            counted
        }
    };
    if counted(live) != counted(object) {
        let generation = number(live, "/metadata/generation").unwrap_or(0) + 1;
        metadata_mut(object).insert("generation".to_owned(), json!(generation));
    }
}

/// A stored CRD changes what is served.
fn take_effect(store: &mut Store, resource: &Resource, object: &Value) {
    if resource.plural == "customresourcedefinitions" {
        let resources = crd::resources(object).unwrap_or_default();
        store.catalog.replace_custom(&crd::bucket(object), resources);
    }
}
