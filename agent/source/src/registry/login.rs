//! As whom a registry is asked. Holds secrets and never shows them.

use std::fmt;

/// A login for one registry.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub enum Login {
    /// Nobody.
    #[default]
    Anonymous,
    /// A user name and a password or access token.
    Basic {
        /// The user name.
        username: String,
        /// The password or access token.
        password: String,
    },
    /// A token that the registry itself takes (`registrytoken` in a Docker configuration).
    Bearer(String),
    /// A refresh token for the registry's token server (`identitytoken` in a Docker configuration).
    Identity(String),
}

/// Shows the kind only.
impl fmt::Debug for Login {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Basic { .. } => "Basic(…)",
            Self::Bearer(_) => "Bearer(…)",
            Self::Identity(_) => "Identity(…)",
        })
    }
}
