//! What an API server says of voxsync's own kinds, for people: where they are not installed, how to install them.

use anyhow::Context as _;
use kube::{Api, ResourceExt as _, core::Status};
use voxsync_crds::CodeSync;

const NOT_INSTALLED: &str =
    "voxsync's kinds are not installed in this cluster: `voxsync crds | kubectl apply --server-side -f -`";

/// The object, or none where there is no such one.
pub fn found<T>(asked: kube::Result<T>) -> anyhow::Result<Option<T>> {
    match asked {
        Ok(object) => Ok(Some(object)),
        Err(kube::Error::Api(status)) if status.code == 404 && is_about_an_object(&status) => Ok(None),
        Err(error) => Err(explained(error)),
    }
}

/// The CodeSync of a name, or none where there is no such one. `api` is that of the namespace.
pub async fn find_code_sync(
    api: &Api<CodeSync>,
    namespace: &str,
    name: &str,
) -> anyhow::Result<Option<CodeSync>> {
    found(api.get(name).await).with_context(|| format!("codesync {namespace}/{name}"))
}

/// The CodeSync of a name, which must be there.
pub async fn code_sync(api: &Api<CodeSync>, namespace: &str, name: &str) -> anyhow::Result<CodeSync> {
    find_code_sync(api, namespace, name).await?.ok_or_else(|| no_code_sync(namespace, name))
}

/// What a command is given to mean a CodeSync, whatever namespace the reader's context has: it can be copied.
pub fn named(namespace: &str, name: &str) -> String {
    format!("{name} -n {namespace}")
}

/// As [`named`], of an object.
pub fn named_of(code_sync: &CodeSync) -> String {
    named(&code_sync.namespace().unwrap_or_default(), &code_sync.name_any())
}

/// Says that there is no such CodeSync, and what to do.
pub fn no_code_sync(namespace: &str, name: &str) -> anyhow::Error {
    anyhow::anyhow!("there is no codesync {name:?} in namespace {namespace:?}: see `voxsync status -A`")
}

/// An error of a call on one of the kinds.
pub fn explained(error: kube::Error) -> anyhow::Error {
    match &error {
        kube::Error::Api(status) if status.code == 404 && is_about_a_kind(status) => {
            anyhow::anyhow!(NOT_INSTALLED)
        }
        _ => error.into(),
    }
}

/// Whether an error may pass by itself: nothing was answered, or that the API server is not well.
pub fn is_away(error: &anyhow::Error) -> bool {
    match error.chain().find_map(|cause| cause.downcast_ref::<kube::Error>()) {
        Some(kube::Error::Api(status)) => status.code == 429 || status.code >= 500,
        Some(_) => true,
        None => false,
    }
}

/// Whether an answer says that who asks may not: that does not pass by itself.
pub fn is_refusal(status: &Status) -> bool {
    matches!(status.code, 401 | 403)
}

/// How an API server says that it has no such path.
const NO_SUCH_PATH: [&str; 2] = ["404 page not found", "could not find the requested resource"];

/// Whether an answer says that the kind is not there: a proxy in front, or another server, answers 404 in other words.
fn is_about_a_kind(status: &Status) -> bool {
    !is_about_an_object(status) && NO_SUCH_PATH.iter().any(|words| status.message.contains(words))
}

/// Whether an answer names an object. Of a path that it does not have, an API server says nothing more.
fn is_about_an_object(status: &Status) -> bool {
    status.details.as_ref().is_some_and(|details| !details.name.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn api_error(status: Value) -> kube::Error {
        kube::Error::Api(serde_json::from_value::<Status>(status).unwrap().boxed())
    }

    #[test]
    fn tells_an_object_that_is_not_there_from_a_kind_that_is_not() {
        let object = json!({"code": 404, "reason": "NotFound", "message": "codesyncs.voxsync.dev \"a\" not found",
            "details": {"name": "a", "group": "voxsync.dev", "kind": "codesyncs"}});
        assert!(found::<()>(Err(api_error(object))).unwrap().is_none());
        let forbidden = api_error(json!({"code": 403, "reason": "Forbidden", "message": "no"}));
        assert!(found::<()>(Err(forbidden)).unwrap_err().downcast_ref::<kube::Error>().is_some());
        for path in [
            json!({"code": 404, "reason": "Failed to parse error data", "message": "404 page not found"}),
            json!({"code": 404, "reason": "NotFound", "message": "the server could not find the requested resource", "details": {}}),
        ] {
            let error = found::<()>(Err(api_error(path))).unwrap_err().to_string();
            assert!(error.contains("voxsync crds | kubectl apply"), "{error}");
        }
        let of_proxy =
            json!({"code": 404, "reason": "Failed to parse error data", "message": "<h1>No such site</h1>"});
        let error = found::<()>(Err(api_error(of_proxy))).unwrap_err();
        assert!(error.downcast_ref::<kube::Error>().is_some(), "{error}");
    }
}
