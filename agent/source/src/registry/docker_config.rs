//! Logins out of Docker configuration Secrets, found as the kubelet finds them (`pkg/credentialprovider` in Kubernetes).
//!
//! Pure: bytes of a Secret in, a login out. One thing is stricter than the kubelet: a path in a key ends at a slash, so
//! `ghcr.io/team` is no login for `ghcr.io/team-two`.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose};
use serde::Deserialize;
use serde_json::Value;

use super::{Login, Repository};

const MAX_SECRET_BYTES: usize = 1 << 20;
const MAX_STORE_CHARACTERS: usize = 64;
const DOCKER_HUB_KEY_HOSTS: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// A Docker configuration that is none, wherever it came from. Never quotes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DockerConfigError {
    /// Not JSON, or not of the right shape.
    #[error("it is not a Docker configuration, which is JSON with logins in `auths`")]
    Shape,
    /// `auth` is not `base64(user:password)`.
    #[error("its entry for {key:?} has an `auth` that is not base64 of user:password")]
    Auth {
        /// The entry.
        key: String,
    },
    /// Larger than Kubernetes allows a Secret to be.
    #[error("it has {bytes} bytes, more than {MAX_SECRET_BYTES}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

/// Whether a key is for a repository; the kubelet's `matchImages` are such keys, too.
pub(super) fn is_for(key: &str, repository: &Repository) -> bool {
    Fit::of(key, repository).is_some()
}

/// Absent fields and empty ones mean the same.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Entry {
    username: Option<String>,
    password: Option<String>,
    auth: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

/// The login for a repository in the text of `.dockerconfigjson`, or of the older `.dockercfg`.
///
/// Of several entries that fit, the one with the longest path wins, then the one whose host has no wildcard. `None` if
/// no entry fits or the one that does is empty.
pub fn login_for(secret: &[u8], repository: &Repository) -> Result<Option<Login>, DockerConfigError> {
    if secret.len() > MAX_SECRET_BYTES {
        return Err(DockerConfigError::TooLarge { bytes: secret.len() });
    }
    login_in(&entries(secret)?, repository)
}

/// The credential store in which a Docker configuration says that the login for a repository is.
pub(super) fn store_for(config: &[u8], repository: &Repository) -> Option<String> {
    let config: Value = serde_json::from_slice(config).ok()?;
    let helpers = config.get("credHelpers").and_then(Value::as_object).into_iter().flatten();
    let mut helpers = helpers.filter(|(key, _)| is_for(key, repository)).map(|(_, store)| store);
    let store = helpers.next().or(config.get("credsStore"))?.as_str().filter(|store| !store.is_empty())?;
    Some(store.chars().take(MAX_STORE_CHARACTERS).collect())
}

/// The login for a repository in the entries of a Docker configuration.
pub(super) fn login_in(
    entries: &BTreeMap<String, Entry>,
    repository: &Repository,
) -> Result<Option<Login>, DockerConfigError> {
    let fitting = entries.iter().filter_map(|(key, entry)| Some((Fit::of(key, repository)?, key, entry)));
    let best = fitting.max_by(|(left, left_key, _), (right, right_key, _)| {
        left.cmp(right).then_with(|| left_key.cmp(right_key))
    });
    match best {
        Some((_, key, entry)) => entry.login(key),
        None => Ok(None),
    }
}

/// `.dockerconfigjson` has the entries in `auths`; in `.dockercfg` they are all there is.
fn entries(secret: &[u8]) -> Result<BTreeMap<String, Entry>, DockerConfigError> {
    let mut entries: Value = serde_json::from_slice(secret).map_err(|_| DockerConfigError::Shape)?;
    if let Some(auths) = entries.get_mut("auths") {
        entries = auths.take();
    }
    serde_json::from_value(entries).map_err(|_| DockerConfigError::Shape)
}

impl Entry {
    fn login(&self, key: &str) -> Result<Option<Login>, DockerConfigError> {
        let given = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
        if let Some(token) = given(&self.registrytoken) {
            return Ok(Some(Login::Bearer(token)));
        }
        if let Some(token) = given(&self.identitytoken) {
            return Ok(Some(Login::Identity(token)));
        }
        if let Some(auth) = given(&self.auth) {
            let unreadable = || DockerConfigError::Auth { key: key.to_owned() };
            let (username, password) = decoded(&auth).ok_or_else(unreadable)?;
            return Ok(Some(Login::Basic { username, password }));
        }
        let (username, password) = (given(&self.username), given(&self.password));
        let basic = username.zip(password).map(|(username, password)| Login::Basic { username, password });
        Ok(basic)
    }
}

fn decoded(auth: &str) -> Option<(String, String)> {
    let auth = auth.trim().trim_end_matches('=');
    let bytes = general_purpose::STANDARD_NO_PAD.decode(auth).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (username, password) = text.split_once(':')?;
    Some((username.to_owned(), password.trim_matches('\0').to_owned()))
}

/// How well a key fits; greater is better.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    path_characters: usize,
    is_exact_host: bool,
}

impl Fit {
    /// Keys are a host, a host and a path, or a URL of either, perhaps of the registry's API.
    fn of(key: &str, repository: &Repository) -> Option<Self> {
        let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
        let (host, path) = key.split_once('/').unwrap_or((key, ""));
        let path = ["v1", "v2"]
            .iter()
            .find_map(|version| path.strip_prefix(version))
            .map_or(path, |rest| if rest.is_empty() || rest.starts_with('/') { rest } else { path });
        let path = path.trim_matches('/');
        let host = host.to_ascii_lowercase();
        let host = if DOCKER_HUB_KEY_HOSTS.contains(&host.as_str()) { "docker.io" } else { &host };
        let fits = host_fits(host, repository.host()) && path_fits(path, repository.path());
        fits.then(|| Self { path_characters: path.len(), is_exact_host: !host.contains('*') })
    }
}

/// Label by label, so that `*` never spans a dot; the port must be the same.
fn host_fits(pattern: &str, host: &str) -> bool {
    let (pattern, pattern_port) = without_port(pattern);
    let (host, port) = without_port(host);
    let (patterns, labels) = (pattern.split('.'), host.split('.'));
    pattern_port == port
        && patterns.clone().count() == labels.clone().count()
        && patterns.zip(labels).all(|(pattern, label)| label_fits(pattern, label))
}

fn without_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    }
}

/// `*` is any number of characters: the parts between have to follow each other.
fn label_fits(pattern: &str, label: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == label };
    let Some(mut label) = label.strip_prefix(start) else { return false };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        let Some((_, after)) = label.split_once(part) else { return false };
        label = after;
    }
    label.ends_with(end)
}

fn path_fits(pattern: &str, path: &str) -> bool {
    let Some(rest) = path.strip_prefix(pattern) else { return false };
    pattern.is_empty() || rest.is_empty() || rest.starts_with('/')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn found(secret: &serde_json::Value, repository: &str) -> Result<Option<Login>, DockerConfigError> {
        login_for(secret.to_string().as_bytes(), &repository.parse().unwrap())
    }

    fn basic(username: &str, password: &str) -> Login {
        Login::Basic { username: username.into(), password: password.into() }
    }

    #[rstest]
    #[case("ghcr.io", "ghcr.io/a/b", true)]
    #[case("https://ghcr.io", "ghcr.io/a/b", true)]
    #[case("https://ghcr.io/v1/", "ghcr.io/a/b", true)]
    #[case("ghcr.io/v2", "ghcr.io/a/b", true)]
    #[case("http://ghcr.io/v2/a", "ghcr.io/a/b", true)]
    #[case("ghcr.io/a", "ghcr.io/a/b", true)]
    #[case("ghcr.io/a/", "ghcr.io/a/b", true)]
    #[case("ghcr.io/a/b", "ghcr.io/a/b", true)]
    #[case("GHCR.io", "ghcr.io/a/b", true)]
    #[case("ghcr.io/a", "ghcr.io/ab", false)]
    #[case("ghcr.io/v1x", "ghcr.io/a", false)]
    #[case("ghcr.io", "evil-ghcr.io/a", false)]
    #[case("ghcr.io", "ghcr.io.evil.example/a", false)]
    #[case("ghcr.io:443", "ghcr.io/a", false)]
    #[case("localhost:5000", "localhost:5000/a", true)]
    #[case("localhost:5000", "localhost:5001/a", false)]
    #[case("localhost", "localhost:5000/a", false)]
    #[case("[::1]:5000", "[::1]:5000/a", true)]
    #[case("*.example.com", "registry.example.com/a", true)]
    #[case("*.example.com", "a.b.example.com/a", false)]
    #[case("*.example.com", "example.com/a", false)]
    #[case("*.*.example.com:5000/x", "a.b.example.com:5000/x/y", true)]
    #[case("r*y-*.example.com", "registry-eu.example.com/a", true)]
    #[case("r*y-*.example.com", "registry.example.com/a", false)]
    #[case("*", "ghcr.io/a", false)]
    #[case("https://index.docker.io/v1/", "example/code", true)]
    #[case("docker.io", "example", true)]
    #[case("docker.io/library", "example", true)]
    #[case("docker.io/library", "example/code", false)]
    fn keys(#[case] key: &str, #[case] repository: &str, #[case] fits: bool) {
        let secret = json!({"auths": {key: {"username": "u", "password": "p"}}});
        assert_eq!(found(&secret, repository).unwrap().is_some(), fits);
    }

    #[test]
    fn the_longest_path_wins_then_the_exact_host() {
        let entry = |name: &str| json!({"username": name, "password": "p"});
        let secret = json!({"auths": {
            "*.example.com/team/code": entry("wildcard-code"), "r.example.com/team": entry("team"),
            "*.example.com": entry("wildcard"), "r.example.com": entry("host"),
        }});
        let cases =
            [("team/code", "wildcard-code"), ("team/x", "team"), ("other/x", "host"), ("teams/x", "host")];
        for (path, expected) in cases {
            assert_eq!(
                found(&secret, &format!("r.example.com/{path}")).unwrap(),
                Some(basic(expected, "p")),
                "{path}"
            );
        }
    }

    #[rstest]
    #[case(json!({"auth": "dXNlcjpwYTpzcw=="}), Some(basic("user", "pa:ss")))]
    #[case(json!({"auth": "dXNlcjpwYTpzcw"}), Some(basic("user", "pa:ss")))]
    #[case(json!({"auth": "dXNlcjpwYTpzcw==", "username": "x", "password": "y"}), Some(basic("user", "pa:ss")))]
    #[case(json!({"username": "x", "password": "y", "auth": ""}), Some(basic("x", "y")))]
    #[case(json!({"username": "x", "password": "y", "email": "z"}), Some(basic("x", "y")))]
    #[case(json!({"identitytoken": "t", "auth": "PHRva2VuPjo="}), Some(Login::Identity("t".into())))]
    #[case(json!({"registrytoken": "t"}), Some(Login::Bearer("t".into())))]
    #[case(json!({}), None)]
    fn entries_in_all_forms(#[case] entry: serde_json::Value, #[case] expected: Option<Login>) {
        assert_eq!(found(&json!({"auths": {"ghcr.io": entry}}), "ghcr.io/a").unwrap(), expected);
        assert_eq!(found(&json!({"ghcr.io": entry}), "ghcr.io/a").unwrap(), expected);
    }

    #[rstest]
    #[case(json!({"auths": {"ghcr.io": {"auth": "aHVudGVyMg=="}}}).to_string(), "an `auth` that is not base64 of user:password")]
    #[case(json!({"auths": {"ghcr.io": {"auth": "aHVudGVy Mg"}}}).to_string(), "an `auth` that is not base64 of user:password")]
    #[case(json!({"auths": {"ghcr.io": "hunter2"}}).to_string(), "is not a Docker configuration")]
    #[case(json!({"auths": null}).to_string(), "is not a Docker configuration")]
    #[case(json!("hunter2").to_string(), "is not a Docker configuration")]
    #[case("hunter2".to_owned(), "is not a Docker configuration")]
    #[case("x".repeat(2 << 20), "more than 1048576")]
    fn refused_without_a_quote(#[case] secret: String, #[case] expected: &str) {
        let refused = login_for(secret.as_bytes(), &"ghcr.io/a".parse().unwrap());
        let message = refused.unwrap_err().to_string();
        assert!(
            message.contains(expected) && !message.contains("hunter") && !message.contains("aHVu"),
            "{message}"
        );
    }

    #[rstest]
    #[case(json!({"auths": {"ghcr.io": {}}, "credsStore": "desktop"}), Some("desktop"))]
    #[case(json!({"credHelpers": {"ghcr.io": "gcloud", "other.example": "x"}, "credsStore": "pass"}), Some("gcloud"))]
    #[case(json!({"credHelpers": {"other.example": "x"}}), None)]
    #[case(json!({"auths": {"ghcr.io": {}}, "credsStore": ""}), None)]
    #[case(json!("x"), None)]
    fn stores(#[case] config: serde_json::Value, #[case] expected: Option<&str>) {
        let store = store_for(config.to_string().as_bytes(), &"ghcr.io/a".parse().unwrap());
        assert_eq!(store.as_deref(), expected);
    }

    #[test]
    fn nothing_of_a_login_is_shown() {
        let logins =
            [basic("user", "hidden"), Login::Bearer("hidden".into()), Login::Identity("hidden".into())];
        assert!(!format!("{logins:?}").contains("hidden"));
    }
}
