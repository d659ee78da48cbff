//! In which shape the installed API has `spec.code`: read from `/openapi/v3`, which every account may read.
//!
//! Protocol: Kubernetes API concepts, "OpenAPI V3": an index of documents, one a group and version, each with a
//! hash of its content in the address.

use kube::Client;
use serde::Deserialize;
use serde_json::Value;
use voxsync_crds::{
    code_sync::TargetKind,
    openvox::{CodeShape, GROUP, VERSION},
};

use crate::{Error, error::is_not_found};

const INDEX_PATH: &str = "/openapi/v3";

/// The shape of `spec.code` in the installed API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shapes {
    /// That of a Config; none where the API has no Configs, or their schema does not say.
    pub config: Option<CodeShape>,
    /// That of a Server.
    pub server: Option<CodeShape>,
}

impl Shapes {
    /// That of a kind.
    pub fn of(self, kind: TargetKind) -> Option<CodeShape> {
        match kind {
            TargetKind::Config => self.config,
            TargetKind::Server => self.server,
        }
    }
}

#[derive(Deserialize)]
struct Index {
    paths: std::collections::BTreeMap<String, Document>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(rename = "serverRelativeURL")]
    address: String,
}

/// Where the schema of Configs and Servers is; the address changes with its content. `None` where the API has no
/// such group.
pub(crate) async fn address(client: &Client) -> Result<Option<String>, Error> {
    let Some(text) = get(client, INDEX_PATH).await? else { return Ok(None) };
    let mut index: Index =
        serde_json::from_str(&text).map_err(|_| Error::NotASchema { path: INDEX_PATH.to_owned() })?;
    Ok(index.paths.remove(&format!("apis/{GROUP}/{VERSION}")).map(|document| document.address))
}

/// The shapes that the schema at an address says.
pub(crate) async fn read(client: &Client, address: &str) -> Result<Shapes, Error> {
    let Some(text) = get(client, address).await? else { return Ok(Shapes::default()) };
    let document: Value =
        serde_json::from_str(&text).map_err(|_| Error::NotASchema { path: address.to_owned() })?;
    Ok(Shapes { config: of_kind(&document, "Config"), server: of_kind(&document, "Server") })
}

async fn get(client: &Client, path: &str) -> Result<Option<String>, Error> {
    let failed = |source| Error::Schema { path: path.to_owned(), source: Box::new(source) };
    // The query only makes the address change with the content; a reader needs the path alone.
    let plain = path.split('?').next().unwrap_or(path);
    let request = kube::core::request::Request::new(plain)
        .list(&kube::api::ListParams::default())
        .map_err(|error| failed(kube::Error::BuildRequest(error)))?;
    match client.request_text(request).await {
        Ok(text) => Ok(Some(text)),
        Err(error) if is_not_found(&error) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

fn of_kind(document: &Value, kind: &str) -> Option<CodeShape> {
    let schemas = document.get("components")?.get("schemas")?.as_object()?;
    let schema = schemas.values().find(|schema| {
        let names = schema.get("x-kubernetes-group-version-kind").and_then(Value::as_array);
        names.into_iter().flatten().any(|name| {
            name.get("group") == Some(&GROUP.into())
                && name.get("version") == Some(&VERSION.into())
                && name.get("kind") == Some(&kind.into())
        })
    })?;
    let code = schema.get("properties")?.get("spec")?.get("properties")?.get("code")?;
    match code.get("type")?.as_str()? {
        "object" => Some(CodeShape::Object),
        "array" => Some(CodeShape::List),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case("object", Some(CodeShape::Object))]
    #[case("array", Some(CodeShape::List))]
    #[case("string", None)]
    fn the_schema_says_the_shape(#[case] code_type: &str, #[case] wanted: Option<CodeShape>) {
        let schema = |kind: &str| {
            json!({
                "x-kubernetes-group-version-kind": [{"group": GROUP, "version": VERSION, "kind": kind}],
                "properties": {"spec": {"properties": {"code": {"type": code_type}}}},
            })
        };
        let document =
            json!({"components": {"schemas": {"list": schema("ConfigList"), "one": schema("Config")}}});
        assert_eq!(of_kind(&document, "Config"), wanted);
        assert_eq!(of_kind(&document, "Server"), None);
    }
}
