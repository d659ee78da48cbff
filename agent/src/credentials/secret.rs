//! What the keys of a Secret mean. Pure.

use std::{collections::BTreeMap, fmt};

use k8s_openapi::api::core::v1::Secret;
use voxsync_source::{
    git::{GitLogin, PRIVATE_KEY_NAMES},
    registry::{Login, Repository, docker_config},
};

use crate::look::place::SecretName;

const DOCKER_CONFIG_KEYS: [&str; 2] = [".dockerconfigjson", ".dockercfg"];
const FOR_A_REGISTRY: &str = ".dockerconfigjson, or username and password, or token";
const FOR_GIT: &str = "username and password, or token, or ssh-privatekey (or identity) and known_hosts";
const FOR_TLS: &str = "ca.crt, or tls.crt and tls.key, or all three";
/// How many names of keys a message shows.
const SHOWN_KEYS_LIMIT: usize = 10;

/// The keys of a Secret. Shows no value.
pub(crate) struct SecretKeys {
    name: String,
    values: BTreeMap<String, Vec<u8>>,
}

impl SecretKeys {
    pub(crate) fn of(name: SecretName<'_>, secret: Secret) -> Self {
        let data = secret.data.unwrap_or_default();
        let values = data.into_iter().map(|(key, value)| (key, value.0)).collect();
        Self { name: format!("{}/{}", name.namespace, name.name), values }
    }

    fn bytes(&self, key: &str) -> Option<&[u8]> {
        self.values.get(key).map(Vec::as_slice).filter(|value| !value.is_empty())
    }

    /// A value as text, without the line break at its end that `echo` leaves.
    fn text(&self, key: &str) -> Result<Option<String>, CredentialProblem> {
        let Some(bytes) = self.bytes(key) else { return Ok(None) };
        let text = std::str::from_utf8(bytes).map_err(|_| CredentialProblem::Unusable {
            secret: self.name.clone(),
            reason: format!("{key} is not text"),
        })?;
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    fn pair(&self, one: &str, two: &str) -> Result<Option<(String, String)>, CredentialProblem> {
        Ok(self.text(one)?.zip(self.text(two)?))
    }

    fn lacks(&self, needed: &'static str) -> CredentialProblem {
        CredentialProblem::Keys { secret: self.to_string(), needed }
    }
}

/// The Secret and the names of its keys.
impl fmt::Display for SecretKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.values.keys().map(String::as_str).take(SHOWN_KEYS_LIMIT).collect();
        let names =
            if names.is_empty() { "no keys".to_owned() } else { format!("the keys {}", names.join(", ")) };
        write!(formatter, "Secret {} has {names}", self.name)
    }
}

impl fmt::Debug for SecretKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

/// Why there are no credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CredentialProblem {
    /// No such Secret.
    #[error("Secret {secret} does not exist: create it, or correct the reference to it")]
    Missing {
        /// Namespace and name.
        secret: String,
    },
    /// The API server refuses or fails.
    #[error("Secret {secret} cannot be read: {reason}")]
    Unreadable {
        /// Namespace and name.
        secret: String,
        /// What the API server says.
        reason: String,
    },
    /// It has other keys.
    #[error("{secret}; needed are {needed}")]
    Keys {
        /// The Secret with the names of its keys.
        secret: String,
        /// The keys that would do.
        needed: &'static str,
    },
    /// A key holds something else.
    #[error("Secret {secret} cannot be used: {reason}")]
    Unusable {
        /// Namespace and name.
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
    #[error("Secret {secret} has no login for {repository}: add one for its host")]
    NoLoginFor {
        /// Namespace and name.
        secret: String,
        /// Which repository.
        repository: String,
    },
}

impl CredentialProblem {
    pub(crate) fn of_api(name: SecretName<'_>, error: &kube::Error) -> Self {
        let secret = format!("{}/{}", name.namespace, name.name);
        match error {
            kube::Error::Api(status) if status.is_not_found() => Self::Missing { secret },
            kube::Error::Api(status) if status.is_forbidden() => Self::Unreadable {
                secret,
                reason: "this account may not get it; give it the verb get on Secrets of this namespace"
                    .to_owned(),
            },
            _ => Self::Unreadable { secret, reason: "the API server did not give it".to_owned() },
        }
    }

    /// Whether it is as if no Secret was named, to those who take it so.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::NoLoginFor { .. })
    }
}

/// The login for a repository; `only_bound` refuses one that does not say itself for which host it is.
pub(crate) fn registry_login(
    keys: &SecretKeys,
    repository: &Repository,
    only_bound: bool,
) -> Result<Login, CredentialProblem> {
    if let Some(config) = DOCKER_CONFIG_KEYS.iter().find_map(|key| keys.bytes(key)) {
        let login = docker_config::login_for(config, repository).map_err(|error| {
            CredentialProblem::Unusable { secret: keys.name.clone(), reason: error.to_string() }
        })?;
        return login.ok_or_else(|| CredentialProblem::NoLoginFor {
            secret: keys.name.clone(),
            repository: repository.to_string(),
        });
    }
    if only_bound {
        // A file or a pin could name a host that is to get the login of another.
        return Err(CredentialProblem::NotBound {
            secret: keys.to_string(),
            repository: repository.to_string(),
        });
    }
    if let Some((username, password)) = keys.pair("username", "password")? {
        return Ok(Login::Basic { username, password });
    }
    keys.text("token")?.map(Login::Bearer).ok_or_else(|| keys.lacks(FOR_A_REGISTRY))
}

/// The login of a Git server.
pub(crate) fn git_login(keys: &SecretKeys) -> Result<GitLogin, CredentialProblem> {
    let private_key = PRIVATE_KEY_NAMES.iter().find_map(|name| Some((*name, keys.bytes(name)?)));
    if let Some((name, private_key)) = private_key {
        let known_hosts = keys.text("known_hosts")?.ok_or_else(|| keys.lacks(FOR_GIT))?;
        // A private key must end with the line break that it came with.
        let private_key_pem = String::from_utf8(private_key.to_vec()).map_err(|_| {
            CredentialProblem::Unusable { secret: keys.name.clone(), reason: format!("{name} is not text") }
        })?;
        return Ok(GitLogin::Ssh { private_key_pem, known_hosts });
    }
    if let Some((username, password)) = keys.pair("username", "password")? {
        return Ok(GitLogin::Basic { username, password });
    }
    keys.text("token")?.map(GitLogin::Bearer).ok_or_else(|| keys.lacks(FOR_GIT))
}

/// Certificates in PEM. Shows none of them.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    /// Authorities to trust besides those of the system.
    pub(crate) authorities: Option<String>,
    /// A client certificate and its key.
    pub(crate) identity: Option<String>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Tls(authorities: {}, identity: {})",
            self.authorities.is_some(),
            self.identity.is_some()
        )
    }
}

/// The certificates in a Secret.
pub(crate) fn tls(keys: &SecretKeys) -> Result<Tls, CredentialProblem> {
    let pair = keys.pair("tls.crt", "tls.key")?;
    let tls = Tls {
        authorities: keys.text("ca.crt")?,
        identity: pair.map(|(certificate, key)| format!("{certificate}\n{key}\n")),
    };
    if tls == Tls::default() { Err(keys.lacks(FOR_TLS)) } else { Ok(tls) }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;
    use rstest::rstest;

    use super::*;

    fn keys(pairs: &[(&str, &str)]) -> SecretKeys {
        let data =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())));
        let secret = Secret { data: Some(data.collect()), ..Secret::default() };
        SecretKeys::of(SecretName { namespace: "puppet", name: "login" }, secret)
    }

    const DOCKER: &str = r#"{"auths": {"ghcr.io": {"username": "u", "password": "hunter2"}}}"#;

    #[rstest]
    #[case::docker(&[(".dockerconfigjson", DOCKER)], Ok(Login::Basic { username: "u".into(), password: "hunter2".into() }))]
    #[case::basic(&[("username", "u"), ("password", "hunter2\n")], Ok(Login::Basic { username: "u".into(), password: "hunter2".into() }))]
    #[case::token(&[("token", "hunter2")], Ok(Login::Bearer("hunter2".into())))]
    #[case::half(&[("username", "u")], Err("Secret puppet/login has the keys username; needed are .dockerconfigjson, or username and password, or token"))]
    #[case::empty(&[], Err("Secret puppet/login has no keys; needed are .dockerconfigjson, or username and password, or token"))]
    #[case::other_host(&[(".dockerconfigjson", r#"{"auths": {}}"#)], Err("Secret puppet/login has no login for ghcr.io/a/b: add one for its host"))]
    fn registries(#[case] pairs: &[(&str, &str)], #[case] wanted: Result<Login, &str>) {
        let repository = "ghcr.io/a/b".parse().unwrap();
        let login = registry_login(&keys(pairs), &repository, false).map_err(|problem| problem.to_string());
        assert_eq!(login, wanted.map_err(str::to_owned));
    }

    #[rstest]
    #[case::basic(&[("username", "u"), ("password", "p")], Ok(GitLogin::Basic { username: "u".into(), password: "p".into() }))]
    #[case::ssh(&[("identity", "k\n"), ("known_hosts", "h")], Ok(GitLogin::Ssh { private_key_pem: "k\n".into(), known_hosts: "h".into() }))]
    #[case::kubernetes_type(&[("ssh-privatekey", "k\n"), ("known_hosts", "h")], Ok(GitLogin::Ssh { private_key_pem: "k\n".into(), known_hosts: "h".into() }))]
    #[case::no_hosts(&[("identity", "k")], Err("Secret puppet/login has the keys identity; needed are username and password, or token, or ssh-privatekey (or identity) and known_hosts"))]
    fn git(#[case] pairs: &[(&str, &str)], #[case] wanted: Result<GitLogin, &str>) {
        let login = git_login(&keys(pairs)).map_err(|problem| problem.to_string());
        assert_eq!(login, wanted.map_err(str::to_owned));
    }

    #[rstest]
    #[case::basic(&[("username", "u"), ("password", "hunter2")])]
    #[case::token(&[("token", "hunter2")])]
    #[case::nothing(&[])]
    #[case::other_host(&[(".dockerconfigjson", r#"{"auths": {"other.example": {"username": "u", "password": "p"}}}"#)])]
    fn a_host_that_a_file_names_gets_no_login_that_is_not_for_it(#[case] pairs: &[(&str, &str)]) {
        let evil = "evil.example/a".parse().unwrap();
        let problem = registry_login(&keys(pairs), &evil, true).unwrap_err().to_string();
        assert!(problem.contains("evil.example/a") && !problem.contains("hunter2"), "{problem}");
        let bound =
            registry_login(&keys(&[(".dockerconfigjson", DOCKER)]), &"ghcr.io/a/b".parse().unwrap(), true);
        assert!(bound.is_ok(), "{bound:?}");
    }

    #[test]
    fn the_message_about_git_names_the_keys_that_are_read() {
        assert!(PRIVATE_KEY_NAMES.iter().all(|name| FOR_GIT.contains(name)), "{FOR_GIT}");
    }

    #[test]
    fn nothing_shows_a_value() {
        let keys = keys(&[("password", "hunter2"), ("tls.crt", "hunter2"), ("tls.key", "hunter2")]);
        let shown = format!("{keys} {keys:?} {:?}", tls(&keys).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
