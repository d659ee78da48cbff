//! What the keys of a Secret mean. Pure.

use std::{collections::BTreeMap, fmt};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use voxsync_crds::code_sync::{NotificationChannel, Webhook};
use voxsync_notification::{Destination, Keys};
use voxsync_source::{
    git::{GitHubApp, GitLogin, PRIVATE_KEY_NAMES, has_passphrase},
    registry::{
        Login, Repository,
        docker_config::{self, DockerConfigError},
    },
};

use super::CredentialProblem;
use crate::look::place::SecretName;

const DOCKER_CONFIG_KEYS: [&str; 2] = [".dockerconfigjson", ".dockercfg"];
const FOR_A_REGISTRY: &str = ".dockerconfigjson, or username and password, or token";
const FOR_A_SERVER: &str = "username and password, or token";
const FOR_GIT: &str = "username and password, or token, or ssh-privatekey (or identity) and known_hosts, or githubAppID, \
    githubAppInstallationID and githubAppPrivateKey";
const KNOWN_HOSTS: &str = "known_hosts";
/// The keys of a GitHub App, as other tools name them, too.
const GITHUB_APP_KEYS: [&str; 3] = ["githubAppID", "githubAppInstallationID", "githubAppPrivateKey"];
const GITHUB_APP_BASE_URL: &str = "githubAppBaseURL";
const FOR_A_GITHUB_APP: &str = "githubAppID, githubAppInstallationID and githubAppPrivateKey";
const CA: &str = "ca.crt";
/// As openvox-operator names the certificate of an authority.
const CA_OF_OPERATOR: &str = "ca_crt.pem";
/// A client certificate and its key, as Kubernetes and as openvox-operator name them.
const IDENTITIES: [[&str; 2]; 2] = [["tls.crt", "tls.key"], ["cert.pem", "key.pem"]];
/// How a certificate in PEM begins.
const PEM_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
const FOR_TLS: &str = "ca.crt, or tls.crt and tls.key, or all three";
/// How many names of keys a message shows.
const SHOWN_KEYS_LIMIT: usize = 10;

/// What holds the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Secret,
    ConfigMap,
}

impl Kind {
    pub(super) fn named(self, name: SecretName<'_>) -> String {
        format!("{self:?} {}/{}", name.namespace, name.name)
    }
}

/// The keys of a Secret, or of a ConfigMap. Shows no value.
pub(crate) struct SecretKeys {
    name: String,
    values: BTreeMap<String, Vec<u8>>,
}

impl SecretKeys {
    pub(crate) fn of(name: SecretName<'_>, secret: Secret) -> Self {
        let data = secret.data.unwrap_or_default();
        let values = data.into_iter().map(|(key, value)| (key, value.0)).collect();
        Self { name: Kind::Secret.named(name), values }
    }

    pub(crate) fn of_config_map(name: SecretName<'_>, config_map: ConfigMap) -> Self {
        let texts = config_map.data.unwrap_or_default().into_iter();
        let values = texts.map(|(key, value)| (key, value.into_bytes())).collect();
        Self { name: Kind::ConfigMap.named(name), values }
    }

    /// All keys that have a value.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let files = self.values.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        files.filter(|(_, value)| !is_empty(value))
    }

    fn bytes(&self, key: &str) -> Option<&[u8]> {
        self.values.get(key).map(Vec::as_slice).filter(|value| !is_empty(value))
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

/// Whether a value has no more than the line break that `echo` leaves.
fn is_empty(value: &[u8]) -> bool {
    value.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

/// The Secret and the names of its keys, and which of them are empty.
impl fmt::Display for SecretKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(name, value): (&String, &Vec<u8>)| {
            if is_empty(value) { format!("{name} (is empty)") } else { name.clone() }
        };
        let names: Vec<String> = self.values.iter().map(shown).take(SHOWN_KEYS_LIMIT).collect();
        let names =
            if names.is_empty() { "no keys".to_owned() } else { format!("the keys {}", names.join(", ")) };
        write!(formatter, "{} has {names}", self.name)
    }
}

impl fmt::Debug for SecretKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
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
            let advice = match error {
                DockerConfigError::Shape => "; make one with `kubectl create secret docker-registry`",
                _ => "",
            };
            CredentialProblem::Unusable { secret: keys.name.clone(), reason: format!("{error}{advice}") }
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

/// The login of a server that a check asks.
pub(crate) fn server_login(keys: &SecretKeys) -> Result<Login, CredentialProblem> {
    if let Some((username, password)) = keys.pair("username", "password")? {
        return Ok(Login::Basic { username, password });
    }
    keys.text("token")?.map(Login::Bearer).ok_or_else(|| keys.lacks(FOR_A_SERVER))
}

/// The login of a Git server.
pub(crate) fn git_login(keys: &SecretKeys) -> Result<GitLogin, CredentialProblem> {
    let private_key = PRIVATE_KEY_NAMES.iter().find_map(|name| Some((*name, keys.bytes(name)?)));
    if let Some((name, private_key)) = private_key {
        let known_hosts = keys.text(KNOWN_HOSTS)?.ok_or_else(|| keys.lacks(KNOWN_HOSTS))?;
        // A private key must end with the line break that it came with.
        let private_key_pem = String::from_utf8(private_key.to_vec()).map_err(|_| {
            CredentialProblem::Unusable { secret: keys.name.clone(), reason: format!("{name} is not text") }
        })?;
        if has_passphrase(&private_key_pem) {
            let reason = format!(
                "{name} has a passphrase, which voxsync cannot be asked for: give it a key without one (`ssh-keygen -p`)"
            );
            return Err(CredentialProblem::Unusable { secret: keys.name.clone(), reason });
        }
        return Ok(GitLogin::Ssh { private_key_pem, known_hosts });
    }
    if let Some((username, password)) = keys.pair("username", "password")? {
        return Ok(GitLogin::Basic { username, password });
    }
    keys.text("token")?.map(GitLogin::Bearer).ok_or_else(|| keys.lacks(FOR_GIT))
}

/// The GitHub App of a Secret that has one; a Secret that has only a part of one is a mistake.
pub(crate) fn github_app(keys: &SecretKeys) -> Result<Option<GitHubApp>, CredentialProblem> {
    if GITHUB_APP_KEYS.iter().all(|key| keys.bytes(key).is_none()) {
        return Ok(None);
    }
    let [app, installation, private_key_pem] =
        GITHUB_APP_KEYS.map(|key| keys.text(key)?.ok_or_else(|| keys.lacks(FOR_A_GITHUB_APP)));
    let installation = installation?.trim().parse().map_err(|_| CredentialProblem::Unusable {
        secret: keys.name.clone(),
        reason: "githubAppInstallationID is not a number".to_owned(),
    })?;
    Ok(Some(GitHubApp {
        app: app?.trim().to_owned(),
        installation,
        private_key_pem: private_key_pem?,
        base_url: keys.text(GITHUB_APP_BASE_URL)?,
    }))
}

/// Whether a kubelet finds a login in a Secret, be it for whatever registry.
pub(crate) fn check_pull_secret(keys: &SecretKeys) -> Result<(), CredentialProblem> {
    let has_login = DOCKER_CONFIG_KEYS.iter().any(|key| keys.bytes(key).is_some());
    if has_login { Ok(()) } else { Err(keys.lacks(DOCKER_CONFIG_KEYS[0])) }
}

/// Whether a Secret has what a sender of webhooks proves itself with.
pub(crate) fn check_webhook_secret(keys: &SecretKeys) -> Result<(), CredentialProblem> {
    keys.bytes(Webhook::SECRET_KEY).map(drop).ok_or_else(|| keys.lacks(Webhook::SECRET_KEY))
}

/// Where a notification goes.
pub(crate) fn notification_destination(
    keys: &SecretKeys,
    channel: NotificationChannel,
) -> Result<Destination, CredentialProblem> {
    let found = Keys {
        address: keys.text("address")?,
        token: keys.text("token")?,
        hmac_key: keys.text("hmac-key")?.map(String::into_bytes),
        username: keys.text("username")?,
        password: keys.text("password")?,
        from: keys.text("from")?,
        to: keys.text("to")?,
    };
    Destination::of(channel, &found)
        .map_err(|error| CredentialProblem::Unusable { secret: keys.name.clone(), reason: error.to_string() })
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

/// The authorities in a ConfigMap.
pub(crate) fn authorities(keys: &SecretKeys) -> Result<String, CredentialProblem> {
    authorities_in(keys)?.ok_or_else(|| keys.lacks(CA))
}

fn authorities_in(keys: &SecretKeys) -> Result<Option<String>, CredentialProblem> {
    for name in [CA, CA_OF_OPERATOR] {
        match keys.text(name)? {
            None => {}
            Some(text) if text.contains(PEM_CERTIFICATE) => return Ok(Some(text)),
            Some(_) => {
                return Err(CredentialProblem::Unusable {
                    secret: keys.name.clone(),
                    reason: format!("{name} holds no PEM certificate, which begins with {PEM_CERTIFICATE}"),
                });
            }
        }
    }
    Ok(None)
}

/// The certificates in a Secret.
pub(crate) fn tls(keys: &SecretKeys) -> Result<Tls, CredentialProblem> {
    let mut pair = None;
    for [certificate, key] in IDENTITIES {
        pair = pair.or(keys.pair(certificate, key)?);
    }
    let tls = Tls {
        authorities: authorities_in(keys)?,
        identity: pair.map(|(certificate, key)| format!("{certificate}\n{key}\n")),
    };
    if tls == Tls::default() { Err(keys.lacks(FOR_TLS)) } else { Ok(tls) }
}

#[cfg(test)]
#[path = "secret_tests.rs"]
mod tests;
