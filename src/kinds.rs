//! What an API server says of voxsync's own kinds, for people: where they are not installed, how to install them.

use kube::core::Status;

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

/// An error of a call on one of the kinds.
pub fn explained(error: kube::Error) -> anyhow::Error {
    match &error {
        kube::Error::Api(status) if status.code == 404 && !is_about_an_object(status) => {
            anyhow::anyhow!(NOT_INSTALLED)
        }
        _ => error.into(),
    }
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
    }
}
