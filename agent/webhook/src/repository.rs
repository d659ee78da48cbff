//! Names of repositories, made equal: one repository has several addresses, and senders and CodeSyncs choose freely among
//! them.
//!
//! Two repositories may get one name (that of another port, for instance). Then there is a look too many, and no harm.

use std::fmt;

/// The longest address.
const ADDRESS_LIMIT_BYTES: usize = 1024;
/// What Docker Hub is also called.
const DOCKER_HUB: [&str; 4] =
    ["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];

/// The name of a repository of Git or of a registry: host and path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(String);

impl RepositoryName {
    /// The name of an address: a URL of Git (`https`, `ssh`, `git`, or `user@host:path`), or an image with or without tag
    /// and digest. None where there is no host or no path in it.
    pub fn new(address: &str) -> Option<Self> {
        if address.len() > ADDRESS_LIMIT_BYTES {
            return None;
        }
        let lower = address.trim().to_lowercase();
        let (host, path) = match lower.split_once("://") {
            Some(("file", _)) => return None,
            Some((_, rest)) => of_url(rest)?,
            None => of_scp(&lower).or_else(|| of_image(&lower))?,
        };
        let path = path.trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        if host.is_empty() || path.is_empty() {
            return None;
        }
        Some(Self(of_azure(host, path).unwrap_or_else(|| format!("{host}/{path}"))))
    }
}

/// `[user@]host[:port]/path`. The port says how to get there, not where.
fn of_url(rest: &str) -> Option<(&str, &str)> {
    let rest = rest.split(['?', '#']).next()?;
    let (authority, path) = rest.split_once('/')?;
    let host = authority.rsplit('@').next()?;
    let host = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(host, _)| host);
    Some((host, path))
}

/// `user@host:path`, or `host:path` where the path cannot be a port.
fn of_scp(text: &str) -> Option<(&str, &str)> {
    let (host, path) = text.split_once(':').filter(|(host, _)| !host.contains('/'))?;
    let is_scp = host.contains('@') || path.split_once('/').is_some_and(|(first, _)| !is_port(first));
    is_scp.then(|| (host.rsplit('@').next().unwrap_or(host), path))
}

/// `[host[:port]/]path[:tag][@digest]`. Here the port is a part of the name, and who says no host means Docker Hub.
fn of_image(text: &str) -> Option<(&str, &str)> {
    let text = text.split('@').next()?;
    let name = match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => text,
    };
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path),
        _ => (DOCKER_HUB[0], name),
    };
    if !DOCKER_HUB.contains(&host) {
        return Some((host, path));
    }
    Some((DOCKER_HUB[0], path.strip_prefix("library/").unwrap_or(path)))
}

/// Azure DevOps has three hosts: `dev.azure.com/organization/project/_git/name`, the older
/// `organization.visualstudio.com/project/_git/name`, and `ssh.dev.azure.com:v3/organization/project/name`.
fn of_azure(host: &str, path: &str) -> Option<String> {
    let path = match (host, host.strip_suffix(".visualstudio.com")) {
        ("dev.azure.com", _) => path.to_owned(),
        ("ssh.dev.azure.com", _) => path.strip_prefix("v3/")?.to_owned(),
        (_, Some(organization)) => {
            format!("{organization}/{}", path.strip_prefix("defaultcollection/").unwrap_or(path))
        }
        _ => return None,
    };
    Some(format!("dev.azure.com/{}", path.replace("/_git/", "/")))
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::git("git.example/team/code", &[
        "https://git.example/team/code", "https://git.example/team/code.git", "https://Git.Example/Team/code/",
        "http://git.example:8080/team/code.git", "https://user@git.example/team/code.git?x=1",
        "ssh://git@git.example:7999/team/code.git", "git@git.example:team/code.git", "git.example:team/code",
        "git://git.example/team/code.git", "git@git.example:/team/code.git",
    ])]
    #[case::image("ghcr.io/example/code", &[
        "ghcr.io/example/code", "GHCR.io/example/code:v1", "ghcr.io/example/code:v1@sha256:0123",
        "ghcr.io/example/code@sha256:0123", "ghcr.io/example/code:{shortCommit}",
    ])]
    #[case::image_with_port("127.0.0.1:5000/code", &["127.0.0.1:5000/code", "127.0.0.1:5000/code:v1"])]
    #[case::local_image("localhost:5000/a/code", &["localhost:5000/a/code:v1"])]
    #[case::docker_hub("docker.io/example/code", &[
        "example/code", "docker.io/example/code:v1", "index.docker.io/example/code", "registry-1.docker.io/example/code",
    ])]
    #[case::docker_hub_s_own("docker.io/debian", &["debian", "debian:13", "docker.io/library/debian"])]
    #[case::azure("dev.azure.com/org/project/code", &[
        "https://dev.azure.com/org/project/_git/code", "https://org@dev.azure.com/org/project/_git/code",
        "git@ssh.dev.azure.com:v3/org/project/code", "https://org.visualstudio.com/project/_git/code",
        "https://org.visualstudio.com/DefaultCollection/project/_git/code",
    ])]
    fn one_repository_has_one_name(#[case] wanted: &str, #[case] addresses: &[&str]) {
        for address in addresses {
            let name = RepositoryName::new(address).map(|name| name.to_string());
            assert_eq!(name.as_deref(), Some(wanted), "{address}");
        }
    }

    #[rstest]
    #[case("")]
    #[case("https://")]
    #[case("https://git.example")]
    #[case("https://git.example/")]
    #[case("https:///team/code")]
    #[case("file:///srv/code.git")]
    #[case("git@git.example:")]
    #[case("ghcr.io/")]
    fn what_names_nothing(#[case] address: &str) {
        assert_eq!(RepositoryName::new(address), None);
    }

    #[test]
    fn is_bounded() {
        assert_eq!(RepositoryName::new(&format!("ghcr.io/{}", "a".repeat(ADDRESS_LIMIT_BYTES))), None);
    }
}
