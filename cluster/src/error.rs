//! Why the cluster could not be read.

use crate::Kind;

/// Why the cluster could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A list failed.
    #[error("cannot list {kind}s: {source}{}", advice(.source))]
    List {
        /// What was listed.
        kind: Kind,
        /// Why it failed.
        source: Box<kube::Error>,
    },
    /// `/openapi/v3` could not be read.
    #[error("cannot read {path}, which says in which shape Configs and Servers name code: {source}")]
    Schema {
        /// What was read.
        path: String,
        /// Why it failed.
        source: Box<kube::Error>,
    },
    /// `/openapi/v3` has something else than a schema.
    #[error(
        "cannot read {path}, which says in which shape Configs and Servers name code: it is not a schema"
    )]
    NotASchema {
        /// What was read.
        path: String,
    },
}

fn advice(error: &kube::Error) -> &'static str {
    match error {
        kube::Error::Api(status) if status.is_forbidden() => {
            ": give this account the verbs list and watch on it"
        }
        kube::Error::Api(status) if status.is_not_found() => ": is its CustomResourceDefinition installed?",
        _ => "",
    }
}

pub(crate) fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_not_found())
}
