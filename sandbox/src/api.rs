//! The HTTP face: one request in, one answer out.
//!
//! Everything between reading the body and answering is one synchronous step under the store's lock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};

use crate::{
    call::Call,
    discovery, openapi,
    options::SandboxOptions,
    refusal::Refusal,
    request::{Query, Route},
    store::Store,
    verb,
};

/// The largest body of a request, as the API server has it.
pub(crate) const BODY_BYTES: usize = 3 * 1024 * 1024;

const OPENAPI_V2: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// What all requests and the simulation share.
pub(crate) struct Shared {
    store: Mutex<Store>,
    pub(crate) options: SandboxOptions,
}

impl Shared {
    pub(crate) fn new(options: SandboxOptions) -> Self {
        Self { store: Mutex::new(Store::new(options.remembered_changes)), options }
    }

    /// The store. A panic elsewhere leaves it whole: every step changes it last.
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers a request.
pub(crate) async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, BODY_BYTES).await else {
        let message = format!("Request entity too large: limit is {BODY_BYTES}");
        return Refusal::new(413, "RequestEntityTooLarge", message).into_response();
    };
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let path = parts.uri.path();
    answer(&shared, &parts.method, path, query, &parts.headers, &bytes)
        .unwrap_or_else(axum::response::IntoResponse::into_response)
}

fn answer(
    shared: &Arc<Shared>,
    method: &Method,
    path: &str,
    query: Query,
    headers: &HeaderMap,
    bytes: &Bytes,
) -> Result<Response, Refusal> {
    if let Some(found) = fixed(shared, path, headers) {
        return if method == Method::GET { found } else { Err(Refusal::method_not_allowed()) };
    }
    let route = Route::parse(path).ok_or_else(Refusal::no_such_path)?;
    let mut store = shared.store();
    let resource =
        store.catalog.find(&route.group, &route.version, &route.plural).ok_or_else(Refusal::no_such_path)?;
    let call = Call { shared, resource, route, query, headers, bytes };
    verb::answer(&mut store, &call, method)
}

/// The answers that are not about objects; nothing if the path is.
fn fixed(shared: &Shared, path: &str, headers: &HeaderMap) -> Option<Result<Response, Refusal>> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let store = shared.store();
    let aggregated = accept(headers).split(',').any(|one| {
        one.contains("as=APIGroupDiscoveryList") && one.split(';').any(|part| part.trim() == "v=v2")
    });
    let or_missing = |found: Option<Value>| found.ok_or_else(Refusal::no_such_path);
    let document = match parts.as_slice() {
        ["healthz" | "livez" | "readyz", ..] => return Some(Ok("ok".into_response())),
        [""] => Ok(
            json!({"paths": ["/api", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"]}),
        ),
        ["version"] => Ok(discovery::version(&shared.options.server_version)),
        ["api" | "apis"] if aggregated => {
            let document = discovery::aggregated(&store.catalog, path.trim_matches('/') == "api");
            return Some(Ok(typed(discovery::AGGREGATED, document.to_string())));
        }
        ["api"] => Ok(discovery::core_versions()),
        ["apis"] => Ok(discovery::group_list(&store.catalog)),
        ["apis", group] => or_missing(discovery::group(&store.catalog, group)),
        ["api", version] => or_missing(discovery::resource_list(&store.catalog, "", version)),
        ["apis", group, version] => or_missing(discovery::resource_list(&store.catalog, group, version)),
        // Clients that know no OpenAPI v3 ask for this as protobuf, in which an empty document has no bytes.
        ["openapi", "v2"] => return Some(Ok(typed(OPENAPI_V2, String::new()))),
        ["openapi", "v3"] => Ok(openapi::index(&store.catalog)),
        ["openapi", "v3", "api", version] => or_missing(openapi::document(&store.catalog, "", version)),
        ["openapi", "v3", "apis", group, version] => {
            or_missing(openapi::document(&store.catalog, group, version))
        }
        _ => return None,
    };
    Some(document.map(|document| json_answer(StatusCode::OK, &document)))
}

pub(crate) fn accept(headers: &HeaderMap) -> &str {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

pub(crate) fn json_answer(code: StatusCode, document: &Value) -> Response {
    json_text(code, document.to_string())
}

pub(crate) fn json_text(code: StatusCode, text: String) -> Response {
    (code, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

fn typed(content_type: &'static str, text: String) -> Response {
    ([(header::CONTENT_TYPE, content_type)], text).into_response()
}

/// An endless answer: a watch.
pub(crate) fn streamed(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Adds the warnings that `kubectl` shows to its user.
pub(crate) fn with_warnings(mut response: Response, warnings: &[String]) -> Response {
    for warning in warnings {
        let escaped = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{escaped}\"")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
    response
}
