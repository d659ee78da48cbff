//! Why there are no credentials. Pure.

use super::Kind;
use crate::look::place::SecretName;

/// Why there are no credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CredentialProblem {
    /// No such Secret.
    #[error("{secret} does not exist: create it, or correct the reference to it")]
    Missing {
        /// Kind, namespace and name.
        secret: String,
    },
    /// The API server refuses or fails.
    #[error("{secret} cannot be read: {reason}")]
    Unreadable {
        /// Kind, namespace and name.
        secret: String,
        /// What the API server says.
        reason: String,
    },
    /// It has other keys.
    #[error("{secret}; what is needed: {needed}")]
    Keys {
        /// The Secret with the names of its keys.
        secret: String,
        /// The keys that would do.
        needed: &'static str,
    },
    /// A key holds something else.
    #[error("{secret} cannot be used: {reason}")]
    Unusable {
        /// Kind, namespace and name.
        secret: String,
        /// What is wrong, without the value.
        reason: String,
    },
    /// A login without a host, for an image whose host is named elsewhere.
    #[error(
        "{secret}; needed is .dockerconfigjson (kubectl create secret docker-registry): {repository} is named by a \
         file or a pin, and gets a login only if that says that it is for its host"
    )]
    NotBound {
        /// The Secret with the names of its keys.
        secret: String,
        /// Which repository.
        repository: String,
    },
    /// A Docker configuration for other hosts.
    #[error("{secret} has no login for {repository}: add one for its host")]
    NoLoginFor {
        /// Kind, namespace and name.
        secret: String,
        /// Which repository.
        repository: String,
    },
}

impl CredentialProblem {
    pub(crate) fn of_api(kind: Kind, name: SecretName<'_>, error: &kube::Error) -> Self {
        let secret = kind.named(name);
        match error {
            kube::Error::Api(status) if status.is_not_found() => Self::Missing { secret },
            kube::Error::Api(status) if status.is_forbidden() => Self::Unreadable {
                secret,
                reason: format!(
                    "this account may not get it; give it the verb get on {kind:?}s of this name"
                ),
            },
            _ => Self::Unreadable { secret, reason: "the API server did not give it".to_owned() },
        }
    }

    /// Whether it is as if no Secret was named, to those who take it so.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::NoLoginFor { .. })
    }
}
