//! The verbs: from a call on a resource to its answer.
//!
//! Works on the locked store; a watch reads it once and streams from its own queue afterwards.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
    response::Response,
};
use serde_json::{Value, json};

use crate::{
    api::{json_answer, json_text, streamed},
    apply,
    call::Call,
    defaulting,
    deletion::{self, DeleteOptions, Deleted},
    json::uid,
    list, patch,
    refusal::{Cause, Refusal},
    request::body,
    resource::Family,
    scale,
    selector::Selector,
    store::{Key, Store},
    strategic,
    table::{RowObject, Shape, shaped_list},
    watch,
    write::{self, Written},
};

/// Answers a call.
pub(crate) fn answer(store: &mut Store, call: &Call<'_>, method: &Method) -> Result<Response, Refusal> {
    match &call.route.subresource {
        None => {}
        Some(subresource) if subresource == "status" && call.resource.status => {}
        Some(subresource) if subresource == "scale" && call.resource.scale.is_some() => {}
        Some(_) => return Err(Refusal::no_such_path()),
    }
    match (method, &call.route.name) {
        (&Method::GET, None) if call.query.flag("watch") => watch(store, call),
        (&Method::GET, None) => list(store, call),
        (&Method::GET, Some(name)) => {
            let live = live(store, call, name)?;
            Ok(call.shown(StatusCode::OK, &live, &[]))
        }
        (&Method::POST, None) => {
            let object = call.object()?;
            let written =
                write::create(store, &call.context("Update"), call.route.namespace.as_deref(), object, None)?;
            Ok(call.shown(StatusCode::CREATED, &written.object, &written.warnings))
        }
        (&Method::PUT, Some(name)) => put(store, call, name),
        (&Method::PATCH, Some(name)) => patch(store, call, name),
        (&Method::DELETE, Some(name)) => delete(store, call, name),
        (&Method::DELETE, None) => delete_collection(store, call),
        _ => Err(Refusal::method_not_allowed()),
    }
}

fn live(store: &Store, call: &Call<'_>, name: &str) -> Result<Arc<Value>, Refusal> {
    store
        .get(&call.resource.bucket(), &call.key(name))
        .cloned()
        .ok_or_else(|| Refusal::not_found(&call.resource, name))
}

fn list(store: &Store, call: &Call<'_>) -> Result<Response, Refusal> {
    let page = list::page(store, &call.resource, call.route.namespace.as_deref(), &call.query)?;
    let objects = page.objects.iter().map(AsRef::as_ref);
    let shown =
        shaped_list(&call.resource, objects, call.shape(), call.row_object(), &page.metadata, call.now());
    Ok(json_text(StatusCode::OK, shown))
}

fn watch(store: &Store, call: &Call<'_>) -> Result<Response, Refusal> {
    let watched = watch::Watched {
        resource: Arc::clone(&call.resource),
        namespace: call.route.namespace.clone(),
        selector: Selector::parse(call.query.get("labelSelector"), call.query.get("fieldSelector"))?,
        shape: call.shape(),
        row_object: call.row_object(),
        clock: Arc::clone(&call.shared.options.clock),
    };
    let initial_events = call.query.get("sendInitialEvents").map(|_| call.query.flag("sendInitialEvents"));
    let span = watch::Span {
        after: call.query.number("resourceVersion")?,
        initial_events,
        bookmarks: call.query.flag("allowWatchBookmarks"),
        timeout_seconds: call.query.number("timeoutSeconds")?,
    };
    Ok(streamed(Body::from_stream(watch::start(store, watched, &span))))
}

fn put(store: &mut Store, call: &Call<'_>, name: &str) -> Result<Response, Refusal> {
    let live = live(store, call, name)?;
    let object = match &call.resource.scale {
        Some(paths) if call.is_scale() => scale::scaled(&call.resource, paths, &live, &body(call.bytes)?)?,
        _ => call.object()?,
    };
    let written = write::update(store, &call.context("Update"), &live, object, None)?;
    Ok(call.shown(StatusCode::OK, &written.object, &written.warnings))
}

fn patch(store: &mut Store, call: &Call<'_>, name: &str) -> Result<Response, Refusal> {
    let content_type =
        call.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let patch_type = content_type.split(';').next().unwrap_or_default().trim();
    if patch_type.starts_with("application/apply-patch") {
        return server_side_apply(store, call, name);
    }
    let live = live(store, call, name)?;
    let given = body(call.bytes)?;
    let shown = match &call.resource.scale {
        Some(paths) if call.is_scale() => scale::shown(paths, &live),
        _ => call.resource.present(&live).into_owned(),
    };
    let patched = match (patch_type, &call.resource.family) {
        ("application/json-patch+json", _) => patch::json_patch(&shown, &given)?,
        ("application/merge-patch+json", _) => patch::merge_patch(&shown, &given),
        ("application/strategic-merge-patch+json", Family::BuiltIn(_)) => {
            strategic::strategic_patch(&shown, &given)
        }
        _ => {
            let message = "the body of the request was in an unknown format - accepted media types include: \
                           application/json-patch+json, application/merge-patch+json, \
                           application/apply-patch+yaml";
            return Err(Refusal::new(415, "UnsupportedMediaType", message));
        }
    };
    let object = match &call.resource.scale {
        Some(paths) if call.is_scale() => scale::scaled(&call.resource, paths, &live, &patched)?,
        _ => call.resource.absorb(patched),
    };
    let Written { object, warnings } = write::update(store, &call.context("Update"), &live, object, None)?;
    Ok(call.shown(StatusCode::OK, &object, &warnings))
}

fn server_side_apply(store: &mut Store, call: &Call<'_>, name: &str) -> Result<Response, Refusal> {
    if call.query.get("fieldManager").is_none() {
        let cause = Cause::required("fieldManager", "is required for apply patch");
        let message = format!("PatchOptions.meta.k8s.io \"\" is invalid: {}: {}", cause.field, cause.message);
        return Err(Refusal::new(422, "Invalid", message));
    }
    let mut wanted = call.object()?;
    if wanted.pointer("/metadata/managedFields").is_some_and(|fields| *fields != json!([])) {
        return Err(Refusal::bad_request("metadata.managedFields must be nil"));
    }
    only_declared_fields(call, name, &wanted)?;
    crate::json::metadata_mut(&mut wanted).insert("name".to_owned(), json!(name));
    let context = call.context("Apply");
    let live = store.get(&call.resource.bucket(), &call.key(name)).cloned();
    let force = call.query.flag("force");
    let base = live.as_deref().unwrap_or(&Value::Null);
    if live.is_none() && call.route.subresource.is_some() {
        return Err(Refusal::not_found(&call.resource, name));
    }
    let (merged, entries) = apply::apply(&call.resource, base, &wanted, &context.writer, force, context.now)?;
    let (code, written) = if let Some(live) = &live {
        (StatusCode::OK, write::update(store, &context, live, merged, Some(&entries))?)
    } else {
        let namespace = call.route.namespace.as_deref();
        (StatusCode::CREATED, write::create(store, &context, namespace, merged, Some(&entries))?)
    };
    Ok(call.shown(code, &written.object, &written.warnings))
}

/// Apply keeps account of fields, so it takes no undeclared ones, whatever the field validation.
fn only_declared_fields(call: &Call<'_>, name: &str, wanted: &Value) -> Result<(), Refusal> {
    let Family::Custom(custom) = &call.resource.family else { return Ok(()) };
    let unknown = defaulting::prune(&custom.schema, &mut wanted.clone());
    if unknown.is_empty() {
        return Ok(());
    }
    let (namespace, resource) = (call.route.namespace.as_deref().unwrap_or_default(), &call.resource);
    let fields: Vec<String> =
        unknown.iter().map(|field| format!(".{field}: field not declared in schema")).collect();
    let message = format!(
        "failed to create typed patch object ({namespace}/{name}; {}, Kind={}): {}",
        resource.api_version(),
        resource.kind,
        fields.join(", ")
    );
    Err(Refusal::new(500, "", message))
}

fn delete_options(call: &Call<'_>) -> Result<DeleteOptions, Refusal> {
    let given = if call.bytes.is_empty() { Value::Null } else { body(call.bytes)? };
    let mut options = DeleteOptions::read(&given);
    options.dry_run |= call.query.is_dry_run();
    options.orphans |= call.query.get("propagationPolicy") == Some("Orphan");
    if let Some(seconds) = call.query.number("gracePeriodSeconds")? {
        options.grace_period_seconds = i64::try_from(seconds).ok();
    }
    Ok(options)
}

fn delete(store: &mut Store, call: &Call<'_>, name: &str) -> Result<Response, Refusal> {
    let options = delete_options(call)?;
    match deletion::delete(store, &call.resource, &call.key(name), &options, call.now())? {
        Deleted::Terminating(object) => Ok(call.shown(StatusCode::OK, &object, &[])),
        Deleted::Gone(object) => {
            let resource = &call.resource;
            let details =
                json!({"name": name, "group": resource.group, "kind": resource.plural, "uid": uid(&object)});
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
            });
            Ok(json_answer(StatusCode::OK, &status))
        }
    }
}

fn delete_collection(store: &mut Store, call: &Call<'_>) -> Result<Response, Refusal> {
    let options = delete_options(call)?;
    let page = list::page(store, &call.resource, call.route.namespace.as_deref(), &call.query)?;
    for object in &page.objects {
        match deletion::delete(store, &call.resource, &Key::of(object), &options, call.now()) {
            Ok(_) => {}
            // Gone with another of them, which owned it.
            Err(refusal) if refusal.code == 404 => {}
            Err(refusal) => return Err(refusal),
        }
    }
    let objects = page.objects.iter().map(AsRef::as_ref);
    let shown = shaped_list(
        &call.resource,
        objects,
        Shape::Object,
        RowObject::Nothing,
        &json!({"resourceVersion": store.version().to_string()}),
        call.now(),
    );
    Ok(json_text(StatusCode::OK, shown))
}
