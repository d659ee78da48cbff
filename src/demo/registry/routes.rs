//! The registry's HTTP side (OCI distribution specification 1.1).

use std::collections::HashMap;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Query, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use serde_json::json;

use super::store::{STORE_LIMIT_BYTES, Store, digest};

/// One request's body, in bytes.
const BODY_LIMIT_BYTES: usize = 64 << 20;
/// One page of a tag list, if the client does not ask for less.
const PAGE_TAGS: usize = 1000;

/// The registry as a router.
pub fn router(store: Store) -> Router {
    Router::new().fallback(handle).layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES)).with_state(store)
}

async fn handle(
    State(store): State<Store>,
    method: Method,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path();
    if path == "/v2/" || path == "/v2" {
        return StatusCode::OK.into_response();
    }
    let Some(path) = path.strip_prefix("/v2/") else {
        return error(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "everything here is below /v2/");
    };
    if let Some(repository) = path.strip_suffix("/tags/list") {
        return tags(&store, repository, &query);
    }
    if let Some((repository, id)) = path.split_once("/blobs/uploads") {
        return upload(&store, &method, repository, id.trim_start_matches('/'), &query, &body);
    }
    if let Some((repository, reference)) = path.rsplit_once("/manifests/") {
        return manifest(&store, &method, repository, reference, &headers, body);
    }
    if let Some((_, digest)) = path.rsplit_once("/blobs/") {
        return blob(&store, &method, digest);
    }
    error(StatusCode::NOT_FOUND, "UNSUPPORTED", "no such route")
}

fn tags(store: &Store, name: &str, query: &HashMap<String, String>) -> Response {
    let content = store.lock();
    let Some(repository) = content.repositories.get(name) else {
        return error(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "no such repository");
    };
    let count = query.get("n").and_then(|n| n.parse().ok()).unwrap_or(PAGE_TAGS).clamp(1, PAGE_TAGS);
    let last = query.get("last").map_or("", String::as_str);
    let mut rest = repository.tags.keys().filter(|tag| tag.as_str() > last);
    let page: Vec<&String> = rest.by_ref().take(count).collect();
    let next = rest
        .next()
        .and(page.last())
        .map(|tag| format!("</v2/{name}/tags/list?n={count}&last={tag}>; rel=\"next\""));
    let mut response = axum::Json(json!({"name": name, "tags": page})).into_response();
    if let Some(next) = next.and_then(|next| HeaderValue::from_str(&next).ok()) {
        response.headers_mut().insert(header::LINK, next);
    }
    response
}

fn manifest(
    store: &Store,
    method: &Method,
    name: &str,
    reference: &str,
    headers: &HeaderMap,
    body: Bytes,
) -> Response {
    let mut content = store.lock();
    match *method {
        Method::PUT => {
            let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let media_type = media_type.unwrap_or("application/vnd.oci.image.manifest.v1+json").to_owned();
            if reference.contains(':') && reference != digest(&body) {
                return error(StatusCode::BAD_REQUEST, "DIGEST_INVALID", "the manifest has another digest");
            }
            let digest = content.put_manifest(name, reference, media_type, body);
            found(StatusCode::CREATED, &digest, &format!("/v2/{name}/manifests/{digest}"))
        }
        Method::GET | Method::HEAD => {
            let Some((digest, manifest)) = content.manifest(name, reference) else {
                return error(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "no such tag or digest");
            };
            let headers = [(header::CONTENT_TYPE, manifest.media_type), (DIGEST_HEADER, digest)];
            (headers, manifest.body).into_response()
        }
        Method::DELETE => {
            let Some(repository) = content.repositories.get_mut(name) else {
                return error(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "no such repository");
            };
            let known = repository.tags.remove(reference).is_some()
                || repository.manifests.remove(reference).is_some();
            repository.tags.retain(|_, digest| digest != reference);
            if known { StatusCode::ACCEPTED.into_response() } else { StatusCode::NOT_FOUND.into_response() }
        }
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

fn upload(
    store: &Store,
    method: &Method,
    name: &str,
    id: &str,
    query: &HashMap<String, String>,
    body: &Bytes,
) -> Response {
    let mut content = store.lock();
    if content.size_bytes() + body.len() > STORE_LIMIT_BYTES {
        return error(StatusCode::INSUFFICIENT_STORAGE, "TOOMANYREQUESTS", "the demo's registry is full");
    }
    let id = if *method == Method::POST { content.start_upload() } else { id.to_owned() };
    let Some(uploaded) = content.uploads.get_mut(&id) else {
        return error(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", "no such upload");
    };
    uploaded.extend_from_slice(body);
    let Some(wanted) = query.get("digest").filter(|_| *method != Method::PATCH) else {
        let range = format!("0-{}", uploaded.len().saturating_sub(1));
        let location = format!("/v2/{name}/blobs/uploads/{id}");
        return (StatusCode::ACCEPTED, [(header::LOCATION, location), (header::RANGE, range)])
            .into_response();
    };
    let blob = content.uploads.remove(&id).unwrap_or_default();
    if digest(&blob) != *wanted {
        return error(StatusCode::BAD_REQUEST, "DIGEST_INVALID", "the blob has another digest");
    }
    content.blobs.insert(wanted.clone(), Bytes::from(blob));
    found(StatusCode::CREATED, wanted, &format!("/v2/{name}/blobs/{wanted}"))
}

fn blob(store: &Store, method: &Method, digest: &str) -> Response {
    match (store.lock().blobs.get(digest), method) {
        (Some(blob), &(Method::GET | Method::HEAD)) => {
            ([(DIGEST_HEADER, digest.to_owned())], blob.clone()).into_response()
        }
        (Some(_), _) => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        (None, _) => error(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "no such blob"),
    }
}

const DIGEST_HEADER: header::HeaderName = header::HeaderName::from_static("docker-content-digest");

fn found(status: StatusCode, digest: &str, location: &str) -> Response {
    (status, [(DIGEST_HEADER, digest), (header::LOCATION, location)]).into_response()
}

fn error(status: StatusCode, code: &str, message: &str) -> Response {
    (status, axum::Json(json!({"errors": [{"code": code, "message": message}]}))).into_response()
}
