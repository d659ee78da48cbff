//! From an HTTP request to what it asks for: path, query and body.
//!
//! Pure. Bounds on size are the router's.

use std::collections::BTreeMap;

use serde_json::Value;
use url::form_urlencoded;

use crate::{protobuf, refusal::Refusal};

/// What a path below `/api` or `/apis` names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Route {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) namespace: Option<String>,
    pub(crate) plural: String,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

impl Route {
    /// `/api/v1/namespaces/n/secrets/a`, `/apis/apps/v1/deployments`, …
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let decoded: Vec<String> = path.trim_matches('/').split('/').map(percent_decoded).collect();
        let parts: Vec<&str> = decoded.iter().map(String::as_str).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, plural, rest @ ..] if !matches!(*plural, "status" | "finalize") => {
                (Some((*namespace).to_owned()), [&[*plural], rest].concat())
            }
            rest => (None, rest.to_vec()),
        };
        let (plural, name, subresource) = match rest.as_slice() {
            [plural] => (*plural, None, None),
            [plural, name] => (*plural, Some(*name), None),
            [plural, name, subresource] => (*plural, Some(*name), Some(*subresource)),
            _ => return None,
        };
        Some(Self {
            group: group.to_owned(),
            version: version.to_owned(),
            namespace,
            plural: plural.to_owned(),
            name: name.map(str::to_owned),
            subresource: subresource.map(str::to_owned),
        })
    }
}

fn percent_decoded(part: &str) -> String {
    // A path has no form encoding, so a plus sign stands for itself.
    form_urlencoded::parse(part.replace('+', "%2B").as_bytes())
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}

/// The parameters of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    values: BTreeMap<String, String>,
}

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        Self { values: form_urlencoded::parse(text.as_bytes()).into_owned().collect() }
    }

    /// A parameter that is there and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some("true" | "1"))
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        self.get(name)
            .map(|value| {
                value.parse().map_err(|_| {
                    Refusal::bad_request(format!("invalid value {value:?} of parameter {name}: not a number"))
                })
            })
            .transpose()
    }

    pub(crate) fn is_dry_run(&self) -> bool {
        self.get("dryRun").is_some()
    }

    pub(crate) fn field_validation(&self) -> FieldValidation {
        match self.get("fieldValidation") {
            Some("Strict") => FieldValidation::Strict,
            Some("Ignore") => FieldValidation::Ignore,
            _ => FieldValidation::Warn,
        }
    }
}

/// What becomes of fields that a schema does not know. They are dropped in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    Ignore,
    Warn,
    Strict,
}

/// A body as JSON, whether it came as JSON, as YAML, or as what little protobuf is understood.
pub(crate) fn body(bytes: &[u8]) -> Result<Value, Refusal> {
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    if bytes.starts_with(b"k8s\0") {
        return protobuf::read(bytes).ok_or_else(|| {
            let message = "the sandbox reads objects of this kind as JSON or YAML only, not as protobuf: write them \
                           to a file and use kubectl apply -f";
            Refusal::new(415, "UnsupportedMediaType", message)
        });
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Refusal::bad_request(format!("the body of the request is not UTF-8: {error}")))?;
    serde_saphyr::from_str(text).map_err(|error| {
        Refusal::bad_request(format!("the body of the request is neither JSON nor YAML: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/api/v1/secrets", "", None, "secrets", None, None)]
    #[case("/api/v1/namespaces", "", None, "namespaces", None, None)]
    #[case("/api/v1/namespaces/n", "", None, "namespaces", Some("n"), None)]
    #[case("/api/v1/namespaces/n/status", "", None, "namespaces", Some("n"), Some("status"))]
    #[case("/api/v1/namespaces/n/pods/p/log", "", Some("n"), "pods", Some("p"), Some("log"))]
    #[case("/apis/apps/v1/namespaces/n/deployments/d", "apps", Some("n"), "deployments", Some("d"), None)]
    #[case("/apis/g.dev/v1/things/a%2Fb", "g.dev", None, "things", Some("a/b"), None)]
    fn routes(
        #[case] path: &str,
        #[case] group: &str,
        #[case] namespace: Option<&str>,
        #[case] plural: &str,
        #[case] name: Option<&str>,
        #[case] subresource: Option<&str>,
    ) {
        let expected = Route {
            group: group.to_owned(),
            version: "v1".to_owned(),
            namespace: namespace.map(str::to_owned),
            plural: plural.to_owned(),
            name: name.map(str::to_owned),
            subresource: subresource.map(str::to_owned),
        };
        assert_eq!(Route::parse(path), Some(expected));
    }

    #[test]
    fn bodies_are_json_or_yaml() {
        assert_eq!(body(b"{\"a\": 1}").unwrap(), body(b"a: 1").unwrap());
        assert_eq!(body(b"{a: [").unwrap_err().code, 400);
    }
}
