//! Which repository, with which login, how far to trust it, how long to wait. Values only.
//!
//! Nothing here prints a secret: `Debug` names the kind of login and no more.

use std::{fmt, path::PathBuf, time::Duration};

use super::GitUrl;
use crate::Traffic;

/// One repository and how to reach it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct GitRemote {
    /// Where it is.
    pub url: GitUrl,
    /// Sent to the host of `url` only, never over a redirect.
    pub login: GitLogin,
    /// Certificates (PEM, one or more) of authorities to trust besides those of the system; for https.
    pub ca_pem: Option<String>,
    /// Client certificate and its key (PEM, both in one text); for https.
    pub identity_pem: Option<String>,
    /// `file://` repositories must be below this folder; `None` refuses them all.
    pub file_root: Option<PathBuf>,
    /// How long one look or one read may take in all.
    pub timeout: Duration,
    /// Who is told of each HTTP request.
    pub traffic: Traffic,
}

/// The login of a Git server.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum GitLogin {
    /// None.
    Anonymous,
    /// HTTP basic authentication; over plain `http://` too, if that is what the URL says.
    Basic {
        /// The user name.
        username: String,
        /// The password or token.
        password: String,
    },
    /// An HTTP bearer token.
    Bearer(String),
    /// An SSH key, and the hosts it may be used with.
    Ssh {
        /// The private key, without a passphrase.
        private_key_pem: String,
        /// The text of a `known_hosts` file: only a host that is in it with its present key is talked to.
        known_hosts: String,
    },
}

impl fmt::Debug for GitLogin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Basic { .. } => "Basic",
            Self::Bearer(_) => "Bearer",
            Self::Ssh { .. } => "Ssh",
        })
    }
}

impl fmt::Debug for GitRemote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, login, ca_pem, identity_pem, file_root, timeout, traffic: _ } = self;
        formatter
            .debug_struct("GitRemote")
            .field("url", &url.as_str())
            .field("login", login)
            .field("ca_pem", &ca_pem.is_some())
            .field("identity_pem", &identity_pem.is_some())
            .field("file_root", file_root)
            .field("timeout", timeout)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let logins = [
            GitLogin::Basic { username: "hunter1".to_owned(), password: "hunter2".to_owned() },
            GitLogin::Bearer("hunter2".to_owned()),
            GitLogin::Ssh { private_key_pem: "hunter2".to_owned(), known_hosts: String::new() },
        ];
        for login in logins {
            let remote = GitRemote {
                url: "https://git.example/a.git".parse().unwrap(),
                login,
                ca_pem: None,
                identity_pem: Some("hunter2".to_owned()),
                file_root: None,
                timeout: Duration::from_secs(1),
                traffic: Traffic::default(),
            };
            let shown = format!("{remote:?} {remote:#?}");
            assert!(shown.contains("git.example") && !shown.contains("hunter"), "{shown}");
        }
    }
}
