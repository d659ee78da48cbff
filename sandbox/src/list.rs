//! Lists, whole or in pages.
//!
//! Reads the store. Every page carries the resource version of the first, so that a watch from there on sees
//! everything that changed between the pages.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    refusal::Refusal,
    request::Query,
    resource::Resource,
    selector::Selector,
    store::{Key, Store},
};

/// One page.
pub(crate) struct Page {
    pub(crate) objects: Vec<Arc<Value>>,
    /// The list's metadata.
    pub(crate) metadata: Value,
}

/// Lists the objects that a request asks for.
pub(crate) fn page(
    store: &Store,
    resource: &Resource,
    namespace: Option<&str>,
    query: &Query,
) -> Result<Page, Refusal> {
    let is_selected = query.get("labelSelector").or(query.get("fieldSelector")).is_some();
    let selector = Selector::parse(query.get("labelSelector"), query.get("fieldSelector"))?;
    let limit = query.number("limit")?.filter(|&limit| limit > 0);
    let start = query.get("continue").map(read_token).transpose()?;
    if let Some((version, _)) = &start
        && let Err(oldest) = store.watch(*version)
    {
        return Err(Refusal::expired(*version, oldest));
    }
    let version = start.as_ref().map_or(store.version(), |(version, _)| *version);
    let bucket = resource.bucket();
    let mut matching = store
        .list(&bucket, namespace)
        .filter(|(key, _)| start.as_ref().is_none_or(|(_, after)| *key > after))
        .filter(|(_, object)| selector.matches(object));
    let mut objects = Vec::new();
    let mut last = None;
    while limit.is_none_or(|limit| (objects.len() as u64) < limit)
        && let Some((key, object)) = matching.next()
    {
        last = Some(key);
        objects.push(Arc::clone(object));
    }
    let mut metadata = json!({"resourceVersion": version.to_string()});
    if matching.next().is_some()
        && let Some(last) = last
    {
        let members = crate::json::object_mut(&mut metadata);
        members.insert("continue".to_owned(), json!(token(version, last)));
        // With a selector the rest would have to be looked at for it: then it is left out.
        if !is_selected {
            members.insert("remainingItemCount".to_owned(), json!(matching.count() + 1));
        }
    }
    Ok(Page { objects, metadata })
}

fn token(version: u64, last: &Key) -> String {
    URL_SAFE_NO_PAD.encode(json!([version, last.namespace, last.name]).to_string())
}

fn read_token(token: &str) -> Result<(u64, Key), Refusal> {
    URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .map(|(version, namespace, name): (u64, String, String)| (version, Key { namespace, name }))
        .ok_or_else(|| Refusal::bad_request("continue key is not valid: start the list again"))
}
