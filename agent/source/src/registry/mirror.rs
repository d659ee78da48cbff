//! Mirrors: another registry that is asked before the one that is named. Pure.

use std::str::FromStr;

use super::Repository;

/// How an option says that a mirror may be asked about names, too.
const RESOLVES: &str = "+resolve";

/// What a registry is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// What a digest names: whoever gives it can give nothing else.
    Content,
    /// What changes without a change of its name: which tags there are, what a tag is, which signatures an image has.
    Names,
}

/// A registry that has the images of another one. What it may be asked for has the names that containerd gives it
/// (`capabilities` of a `hosts.toml`): each pulls, and some resolve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// Whose images it has.
    host: String,
    /// Where it has them: host, and perhaps a path before that of the repository.
    place: String,
    plain_http: bool,
    /// Whether it says what names mean: it has all that the registry has, and is trusted as that.
    resolves: bool,
}

/// A text that is no mirror.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a mirror; give HOST=MIRROR, for example docker.io=mirror.example, or \
     docker.io=http://harbor.example:8080/hub+resolve for one that has all tags and signatures as well"
)]
pub struct MirrorError {
    text: String,
}

impl Mirror {
    /// Where this mirror has a repository, if it may be asked about such a subject, and whether in plain HTTP.
    pub fn of(&self, repository: &Repository, subject: Subject) -> Option<(Repository, bool)> {
        if self.host != repository.host() || (subject == Subject::Names && !self.resolves) {
            return None;
        }
        let mirrored = format!("{}/{}", self.place, repository.path()).parse().ok()?;
        Some((mirrored, self.plain_http))
    }
}

impl FromStr for Mirror {
    type Err = MirrorError;

    fn from_str(text: &str) -> Result<Self, MirrorError> {
        let refused = || MirrorError { text: text.to_owned() };
        let (host, place) = text.split_once('=').ok_or_else(refused)?;
        let (place, resolves) = place.strip_suffix(RESOLVES).map_or((place, false), |place| (place, true));
        let (place, plain_http) = match place.strip_prefix("http://") {
            Some(place) => (place, true),
            None => (place.strip_prefix("https://").unwrap_or(place), false),
        };
        let place = place.strip_suffix('/').unwrap_or(place);
        // Names of repositories say what a host is, and how it is written.
        let named: Repository = format!("{host}/x").parse().map_err(|_| refused())?;
        let mirrored: Repository = format!("{place}/x").parse().map_err(|_| refused())?;
        let is_host = |host: &str| host.contains(['.', ':']) || host == "localhost";
        if host.contains('/') || !is_host(host) || !is_host(place.split('/').next().unwrap_or_default()) {
            return Err(refused());
        }
        if mirrored.host() == named.host() {
            return Err(refused());
        }
        Ok(Self { host: named.host().to_owned(), place: place.to_owned(), plain_http, resolves })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("docker.io=mirror.example", "example/code", Some(("mirror.example/example/code", false)))]
    #[case("docker.io=mirror.example", "example", Some(("mirror.example/library/example", false)))]
    #[case("index.docker.io=https://mirror.example/", "a/b", Some(("mirror.example/a/b", false)))]
    #[case("docker.io=http://harbor.example:8080/hub/cache", "a/b", Some(("harbor.example:8080/hub/cache/a/b", true)))]
    #[case("ghcr.io=localhost", "ghcr.io/a/b", Some(("localhost/a/b", false)))]
    #[case("docker.io=mirror.example", "ghcr.io/a/b", None)]
    #[case("localhost:5000=mirror.example", "localhost:5001/a", None)]
    fn places(#[case] mirror: Mirror, #[case] repository: Repository, #[case] wanted: Option<(&str, bool)>) {
        let found = mirror.of(&repository, Subject::Content);
        assert_eq!(
            found.map(|(found, plain)| (found.to_string(), plain)),
            wanted.map(|(at, plain)| (at.to_owned(), plain))
        );
        assert_eq!(mirror.of(&repository, Subject::Names), None, "nobody said that it resolves");
    }

    #[rstest]
    #[case("docker.io=mirror.example+resolve", "mirror.example/a/b")]
    #[case("docker.io=http://harbor.example:8080/hub+resolve", "harbor.example:8080/hub/a/b")]
    fn one_that_resolves_is_asked_about_all(#[case] mirror: Mirror, #[case] wanted: &str) {
        for subject in [Subject::Content, Subject::Names] {
            let (found, _) = mirror.of(&"a/b".parse().unwrap(), subject).unwrap();
            assert_eq!(found.to_string(), wanted);
        }
    }

    #[rstest]
    #[case("docker.io")]
    #[case("=mirror.example")]
    #[case("docker.io=")]
    #[case("docker.io/library=mirror.example")]
    #[case("docker.io=user:secret@mirror.example")]
    #[case("docker.io=index.docker.io")]
    #[case("docker.io=mirror")]
    #[case("docker.io=ftp://mirror.example")]
    #[case("docker.io=mirror.example+push")]
    #[case("docker.io=+resolve")]
    fn refused(#[case] text: &str) {
        assert!(text.parse::<Mirror>().is_err());
    }
}
