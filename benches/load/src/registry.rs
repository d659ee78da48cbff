//! A registry that has as many repositories and tags as are asked for, made up while it answers: load, not a server
//! that behaviour is tested against.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, HeaderName, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{ledger::Ledger, tag};

/// Whether what runs is well.
pub(crate) const WELL: &str = "/well";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIGURATION: &str =
    r#"{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}"#;
const DIGEST_HEADER: HeaderName = HeaderName::from_static("docker-content-digest");

#[derive(Clone)]
struct Registry {
    tags: usize,
    /// What was pushed since, by repository.
    pushed: Arc<Mutex<HashMap<String, usize>>>,
    requests: Arc<AtomicUsize>,
    is_ill: Arc<AtomicBool>,
    ledger: Ledger,
}

/// The repository of a CodeSync.
pub(crate) fn repository(number: usize) -> String {
    format!("code-{number:05}")
}

/// Digest and manifest of an image.
pub(crate) fn image(repository: &str, tag: &str) -> (String, String) {
    let descriptor = json!({
        "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(CONFIGURATION), "size": CONFIGURATION.len(),
    });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": descriptor, "layers": [],
        "annotations": {"org.opencontainers.image.title": repository, "org.opencontainers.image.version": tag},
    });
    let manifest = manifest.to_string();
    (digest(&manifest), manifest)
}

/// The registry. `PUT /push/<repository>` adds its next tag, `GET /requests` says how many others there were. Beside it,
/// `GET /well` answers 200, and 500 since `PUT /ill`; and `GET /writes` takes out what was written to the Kubernetes API.
pub(crate) fn router(tags: usize, ledger: Ledger) -> Router {
    let (pushed, requests, is_ill) = Default::default();
    let registry = Registry { tags, pushed, requests, is_ill, ledger };
    Router::new().fallback(answer).with_state(registry)
}

async fn answer(State(registry): State<Registry>, uri: Uri) -> Response {
    let path = uri.path();
    if path == "/requests" {
        return registry.requests.load(Ordering::Relaxed).to_string().into_response();
    }
    match path {
        "/writes" => return Json(registry.ledger.take()).into_response(),
        WELL if registry.is_ill.load(Ordering::Relaxed) => {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        WELL => return StatusCode::OK.into_response(),
        "/ill" => {
            registry.is_ill.store(true, Ordering::Relaxed);
            return StatusCode::NO_CONTENT.into_response();
        }
        _ => {}
    }
    if let Some(repository) = path.strip_prefix("/push/") {
        let mut pushed = registry.pushed.lock().expect("the pushed tags");
        *pushed.entry(repository.to_owned()).or_default() += 1;
        return StatusCode::CREATED.into_response();
    }
    registry.requests.fetch_add(1, Ordering::Relaxed);
    let path = path.strip_prefix("/v2/").unwrap_or_default();
    if let Some(repository) = path.strip_suffix("/tags/list") {
        let pushed = registry.pushed.lock().expect("the pushed tags").get(repository).copied();
        let count = registry.tags + pushed.unwrap_or_default();
        let mut body = format!("{{\"name\":\"{repository}\",\"tags\":[");
        for number in 0..count {
            let comma = if number == 0 { "" } else { "," };
            let _ = write!(body, "{comma}\"{}\"", tag(number));
        }
        body.push_str("]}");
        return ([(header::CONTENT_TYPE, "application/json")], body).into_response();
    }
    if let Some((repository, tag)) = path.split_once("/manifests/") {
        let (digest, manifest) = image(repository, tag);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, MANIFEST_TYPE.parse().expect("a header"));
        headers.insert(DIGEST_HEADER, digest.parse().expect("a header"));
        return (headers, manifest).into_response();
    }
    if path.contains("/blobs/") {
        return CONFIGURATION.into_response();
    }
    StatusCode::NOT_FOUND.into_response()
}

fn digest(text: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(text)))
}
