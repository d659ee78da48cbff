//! A repository's name, taken apart and made the same for all ways to write it.

use std::{fmt, str::FromStr};

use thiserror::Error;
use voxsync_crds::reference::{CodeReference, ReferenceError};

const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_ALIASES: [&str; 3] = [DOCKER_HUB, "index.docker.io", "registry-1.docker.io"];
const DOCKER_HUB_API: &str = "registry-1.docker.io";

const MAX_SHOWN_CHARACTERS: usize = 100;

/// A text that is not the name of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{shown:?} is not a repository (host and path): {advice}; for example ghcr.io/example/puppet-code")]
pub struct RepositoryError {
    /// The start of the text.
    shown: String,
    advice: String,
}

impl RepositoryError {
    fn of(text: &str, error: &ReferenceError) -> Self {
        let start = |text: &str| text.chars().take(MAX_SHOWN_CHARACTERS).collect::<String>();
        let name = text.rsplit_once('/').map_or(text, |(_, name)| name);
        let advice = if let Some((scheme, _)) = text.split_once("://") {
            format!("leave out `{}://`", start(scheme))
        } else if text.contains('@') {
            "leave out the `@` and the digest".to_owned()
        } else if let Some((_, tag)) = name.split_once(':') {
            format!("leave out the tag `:{}`", start(tag))
        } else {
            error.reason().to_owned()
        };
        Self { shown: start(text), advice }
    }
}

/// A repository: a host (with a port, if it has one) and a path.
///
/// Names without a host mean Docker Hub, as they do for the kubelet: `example` is `docker.io/library/example`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    host: String,
    path: String,
}

impl Repository {
    /// `ghcr.io`, `localhost:5000`, `docker.io`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// `example/puppet-code`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The host that answers; Docker Hub's is not the one in its names.
    pub fn api_host(&self) -> &str {
        if self.host == DOCKER_HUB { DOCKER_HUB_API } else { &self.host }
    }
}

impl FromStr for Repository {
    type Err = RepositoryError;

    fn from_str(text: &str) -> Result<Self, RepositoryError> {
        // With a tag of our own the text has to be a repository and nothing else.
        CodeReference::new(text, Some("tag"), None).map_err(|error| RepositoryError::of(text, &error))?;
        let (host, path) = match text.split_once('/') {
            Some((first, path)) if is_host(first) => (first.to_ascii_lowercase(), path),
            _ => (DOCKER_HUB.to_owned(), text),
        };
        if !DOCKER_HUB_ALIASES.contains(&host.as_str()) {
            return Ok(Self { host, path: path.to_owned() });
        }
        let path = if path.contains('/') { path.to_owned() } else { format!("library/{path}") };
        Ok(Self { host: DOCKER_HUB.to_owned(), path })
    }
}

/// As [`CodeReference`] tells a host from a path: a host has what a path cannot have, or is `localhost`.
fn is_host(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':', '['])
        || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

impl fmt::Display for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.host, self.path)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("ghcr.io/example/puppet-code", "ghcr.io", "example/puppet-code", "ghcr.io")]
    #[case("localhost:5000/x", "localhost:5000", "x", "localhost:5000")]
    #[case("localhost/x", "localhost", "x", "localhost")]
    #[case("[::1]:5000/a/b", "[::1]:5000", "a/b", "[::1]:5000")]
    #[case("GHCR.io/a/b", "ghcr.io", "a/b", "ghcr.io")]
    #[case("example", "docker.io", "library/example", "registry-1.docker.io")]
    #[case("example/code", "docker.io", "example/code", "registry-1.docker.io")]
    #[case("docker.io/example", "docker.io", "library/example", "registry-1.docker.io")]
    #[case("index.docker.io/a/b", "docker.io", "a/b", "registry-1.docker.io")]
    fn taken_apart(#[case] text: &str, #[case] host: &str, #[case] path: &str, #[case] api: &str) {
        let repository: Repository = text.parse().unwrap();
        assert_eq!((repository.host(), repository.path(), repository.api_host()), (host, path, api));
    }

    #[rstest]
    #[case("")]
    #[case("ghcr.io/")]
    #[case("ghcr.io/UPPER/x")]
    #[case("ghcr.io/a/../b")]
    #[case("ghcr.io/a//b")]
    #[case("ghcr.io/a?b")]
    #[case("ghcr.io/a/b:v1")]
    #[case("ghcr.io/a/b@sha256:45b23dee08af5e43a7fea6c4cf9c25ccf269ee113168c19722f87876677c5cb2")]
    #[case("https://ghcr.io/a")]
    #[case("user:secret@ghcr.io/a")]
    fn refused(#[case] text: &str) {
        assert!(text.parse::<Repository>().is_err());
    }

    #[rstest]
    #[case("oci://ghcr.io/a/b", "leave out `oci://`; for example")]
    #[case("http://127.0.0.1:5000/a", "leave out `http://`; for example")]
    #[case("ghcr.io/a/b:v1", "leave out the tag `:v1`; for example")]
    #[case("ghcr.io/a/b@sha256:45", "leave out the `@` and the digest; for example")]
    #[case("ghcr.io/UPPER/x", "; for example")]
    fn says_what_to_leave_out(#[case] text: &str, #[case] wanted: &str) {
        let message = text.parse::<Repository>().unwrap_err().to_string();
        assert!(message.contains(wanted) && !message.contains(":tag"), "{message}");
    }
}
