//! A call: a request whose resource is known, and how its answer is to look.
//!
//! Pure but for the clock, which is an option of the sandbox.

use std::sync::Arc;

use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    admission::Terms,
    api::{Shared, accept, json_answer, with_warnings},
    managed_fields::{Writer, default_manager},
    refusal::Refusal,
    request::{Query, Route, body},
    resource::Resource,
    scale,
    store::Key,
    table::{RowObject, Shape, shaped},
    write::Context,
};

/// A request on a resource.
pub(crate) struct Call<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) resource: Arc<Resource>,
    pub(crate) route: Route,
    pub(crate) query: Query,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) bytes: &'a Bytes,
}

impl Call<'_> {
    pub(crate) fn now(&self) -> Timestamp {
        (self.shared.options.clock)()
    }

    pub(crate) fn key(&self, name: &str) -> Key {
        let namespace = self.route.namespace.as_deref().filter(|_| self.resource.namespaced);
        Key::new(namespace.unwrap_or_default(), name)
    }

    pub(crate) fn is_scale(&self) -> bool {
        self.route.subresource.as_deref() == Some("scale")
    }

    pub(crate) fn context(&self, operation: &'static str) -> Context<'_> {
        let user_agent = self.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let manager =
            self.query.get("fieldManager").map_or_else(|| default_manager(user_agent), str::to_owned);
        let subresource = self.route.subresource.clone().unwrap_or_default();
        let api_version = self.resource.api_version();
        Context {
            resource: &self.resource,
            writer: Writer { manager, operation, api_version, subresource },
            terms: Terms {
                field_validation: self.query.field_validation(),
                image_volumes: self.shared.options.image_volumes,
            },
            dry_run: self.query.is_dry_run(),
            now: self.now(),
        }
    }

    /// The object in the body, which must be of this resource.
    pub(crate) fn object(&self) -> Result<Value, Refusal> {
        let object = body(self.bytes)?;
        if !object.is_object() {
            return Err(Refusal::bad_request("the body of the request is not an object"));
        }
        let of = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (kind, api_version) = (of("kind"), of("apiVersion"));
        let expected = (self.resource.kind.clone(), self.resource.api_version());
        if (!kind.is_empty() && kind != expected.0) || (!api_version.is_empty() && api_version != expected.1)
        {
            return Err(Refusal::bad_request(format!(
                "the API version in the data ({api_version}, kind {kind}) does not match the expected API version \
                 ({}, kind {})",
                expected.1, expected.0
            )));
        }
        Ok(self.resource.absorb(object))
    }

    pub(crate) fn shown(&self, code: StatusCode, object: &Value, warnings: &[String]) -> Response {
        let shown = match &self.resource.scale {
            Some(paths) if self.is_scale() => scale::shown(paths, object),
            _ => shaped(&self.resource, object, self.shape(), self.row_object(), self.now()),
        };
        with_warnings(json_answer(code, &shown), warnings)
    }

    pub(crate) fn shape(&self) -> Shape {
        Shape::of_accept(accept(self.headers))
    }

    pub(crate) fn row_object(&self) -> RowObject {
        RowObject::of_query(self.query.get("includeObject"))
    }
}
