//! A code reference: the string in `spec.code.image`, taken apart and checked.
//!
//! Neither the operator's schema nor the API server checks a reference (`not a ref !!` is accepted and only its
//! pods fail), so nothing is written that did not come through [`CodeReference::parse`].
//! Grammar: OCI distribution specification 1.1, "Pulling manifests", and the `distribution/reference` grammar
//! for the host part.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest reference, in bytes: a host of 253 with its port, a name of 255, a tag and a digest.
pub const REFERENCE_LIMIT_BYTES: usize =
    253 + ":65535/".len() + 255 + 1 + TAG_LIMIT_BYTES + "@sha256:".len() + 64;
/// The longest reference that the operator's schema accepts, in bytes.
pub const WRITTEN_LIMIT_BYTES: usize = 512;
/// The longest tag, in bytes (OCI distribution specification).
pub const TAG_LIMIT_BYTES: usize = 128;

/// An OCI image that holds Puppet code: `repository:tag`, `repository@digest` or `repository:tag@digest`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CodeReference {
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// Why a string is not a code reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an image reference ({reason}); for example ghcr.io/example/puppet-code:v1.4.2")]
pub struct ReferenceError {
    text: String,
    reason: &'static str,
}

impl ReferenceError {
    /// What is wrong, without the string.
    pub fn reason(&self) -> &'static str {
        self.reason
    }
}

impl CodeReference {
    /// Takes a reference apart.
    ///
    /// # Errors
    /// Where the text does not follow the grammar, or names neither a tag nor a digest: without one of them
    /// a runtime would take `latest`, which nobody asked for.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let fail = |reason| ReferenceError { text: shorten(text), reason };
        if text.len() > REFERENCE_LIMIT_BYTES {
            return Err(fail("it is longer than a host, a name, a tag and a digest can be"));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err(fail("what follows @ is not sha256: and 64 lower-case hexadecimal digits"));
        }
        // A colon before the last slash belongs to the host's port.
        let after_slash = rest.rfind('/').map_or(0, |at| at + 1);
        let (repository, tag) = match rest[after_slash..].find(':') {
            Some(at) => (&rest[..after_slash + at], Some(&rest[after_slash + at + 1..])),
            None => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(fail("the tag has characters that a tag cannot have, or is longer than 128"));
        }
        if tag.is_none() && digest.is_none() {
            return Err(fail("it has neither a tag nor a digest"));
        }
        check_repository(repository).map_err(fail)?;
        Ok(Self {
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }

    /// Puts a reference together from parts that are checked like those of [`CodeReference::parse`].
    ///
    /// # Errors
    /// As [`CodeReference::parse`].
    pub fn new(repository: &str, tag: Option<&str>, digest: Option<&str>) -> Result<Self, ReferenceError> {
        let mut text = repository.to_owned();
        for (mark, part) in [(':', tag), ('@', digest)] {
            if let Some(part) = part {
                text.push(mark);
                text.push_str(part);
            }
        }
        Self::parse(&text)
    }

    /// Host and path, as written: `ghcr.io/example/puppet-code`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if it names one.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest (`sha256:…`), if it names one.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Whether both name the same code: by repository and digest where both have a digest, else as strings.
    pub fn is_same_code(&self, other: &Self) -> bool {
        match (&self.digest, &other.digest) {
            (Some(one), Some(two)) => self.repository == other.repository && one == two,
            _ => self == other,
        }
    }

    /// What a person reads in a table: `v1.4.2@45b23dee08`, the tag, or ten digits of the digest.
    pub fn short(&self) -> String {
        let digest = self.digest.as_deref().map(short_digest);
        match (&self.tag, digest) {
            (Some(tag), Some(digest)) => format!("{tag}@{digest}"),
            (Some(tag), None) => tag.clone(),
            (None, Some(digest)) => digest.to_owned(),
            (None, None) => self.repository.clone(),
        }
    }
}

/// Whether both strings name the same code; strings that are no references are compared as strings.
pub fn is_same_code(one: &str, two: &str) -> bool {
    match (CodeReference::parse(one), CodeReference::parse(two)) {
        (Ok(one), Ok(two)) => one.is_same_code(&two),
        _ => one == two,
    }
}

/// Whether the reference is `repository:tag` without a digest.
pub fn is_only_tag(reference: &str, repository: &str, tag: Option<&str>) -> bool {
    tag.is_some_and(|tag| {
        CodeReference::parse(reference).is_ok_and(|parsed| {
            parsed.repository() == repository && parsed.tag() == Some(tag) && parsed.digest().is_none()
        })
    })
}

/// The first ten hexadecimal digits of a digest, without its algorithm.
pub fn short_digest(digest: &str) -> &str {
    let hex = digest.split_once(':').map_or(digest, |(_, hex)| hex);
    hex.get(..10).unwrap_or(hex)
}

/// Whether the text is a digest: `sha256:` and 64 lower-case hexadecimal digits.
pub fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Whether the text is a tag.
pub fn is_tag(text: &str) -> bool {
    text.len() <= TAG_LIMIT_BYTES
        && text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && text.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | '-'))
}

fn check_repository(repository: &str) -> Result<(), &'static str> {
    let (host, path) = match repository.split_once('/') {
        Some((host, path)) if is_host(host) => (Some(host), path),
        _ => (None, repository),
    };
    if let Some(host) = host {
        check_host(host)?;
    }
    if path.split('/').all(is_path_component) {
        Ok(())
    } else {
        Err("a repository has lower-case letters, digits and single separators . _ - between them")
    }
}

/// The first component is a host if it could not be a path: a dot, a port, upper case, or `localhost`.
fn is_host(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':', '['])
        || first.chars().any(|char| char.is_ascii_uppercase())
}

fn check_host(host: &str) -> Result<(), &'static str> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else {
                return Err("the host's [ has no ]");
            };
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return Err("the host in [] is not an IPv6 address");
            }
            ("ipv6", port.strip_prefix(':'))
        }
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err("the host's port is not a number up to 65535");
    }
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|char| char.is_ascii_alphanumeric() || char == '-')
    };
    if name.split('.').all(label) { Ok(()) } else { Err("the host is not a host name") }
}

fn is_path_component(component: &str) -> bool {
    let alphanumeric = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit();
    if !component.starts_with(alphanumeric) || !component.ends_with(alphanumeric) {
        return false;
    }
    component
        .split(alphanumeric)
        .all(|separator| matches!(separator, "" | "." | "_" | "__") || separator.chars().all(|c| c == '-'))
}

/// References come from outside; a message quotes at most this much of one.
fn shorten(text: &str) -> String {
    const QUOTED_CHARACTERS: usize = 80;
    let mut quoted: String = text.chars().take(QUOTED_CHARACTERS).collect();
    if quoted.len() < text.len() {
        quoted.push('…');
    }
    quoted
}

impl fmt::Display for CodeReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(formatter, "@{digest}")?;
        }
        Ok(())
    }
}

impl std::str::FromStr for CodeReference {
    type Err = ReferenceError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for CodeReference {
    type Error = ReferenceError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<CodeReference> for String {
    fn from(reference: CodeReference) -> Self {
        reference.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use voxsync_hostile::{fuzz, near_text};

    const DIGEST: &str = "sha256:45b23dee08af5e43a7fea6c4cf9c25ccf269ee113168c19722f87876677c5cb2";

    #[rstest]
    #[case("ghcr.io/example/puppet-code:v1", "ghcr.io/example/puppet-code", Some("v1"), false)]
    #[case("localhost:5000/x:1", "localhost:5000/x", Some("1"), false)]
    #[case("127.0.0.1:5000/a/b_c/d--e:1", "127.0.0.1:5000/a/b_c/d--e", Some("1"), false)]
    #[case("[::1]:5000/x:1", "[::1]:5000/x", Some("1"), false)]
    #[case("puppet-code:1", "puppet-code", Some("1"), false)]
    fn takes_apart(
        #[case] text: &str,
        #[case] repository: &str,
        #[case] tag: Option<&str>,
        #[case] digest: bool,
    ) {
        let reference = CodeReference::parse(text).unwrap();
        assert_eq!(
            (reference.repository(), reference.tag(), reference.digest().is_some()),
            (repository, tag, digest)
        );
        assert_eq!(reference.to_string(), text);
    }

    #[test]
    fn takes_a_digest_with_and_without_a_tag() {
        let both = CodeReference::parse(&format!("ghcr.io/a/b:v1@{DIGEST}")).unwrap();
        let only = CodeReference::parse(&format!("ghcr.io/a/b@{DIGEST}")).unwrap();
        assert_eq!((both.tag(), both.digest()), (Some("v1"), Some(DIGEST)));
        assert!(both.is_same_code(&only));
        assert!(!both.is_same_code(&CodeReference::parse("ghcr.io/a/b:v1").unwrap()));
        assert_eq!(both.short(), "v1@45b23dee08");
    }

    #[rstest]
    #[case("not a ref !!")]
    #[case("ghcr.io/a/b")]
    #[case("ghcr.io/a/b:")]
    #[case("ghcr.io/a/b@sha256:123")]
    #[case("ghcr.io/UPPER/b:1")]
    #[case("ghcr.io//b:1")]
    #[case("ghcr.io/a/b-:1")]
    #[case("ghcr.io/a..b:1")]
    #[case("ghcr.io:99999/a:1")]
    #[case("https://ghcr.io/a:1")]
    #[case("")]
    #[case(":1")]
    #[case("a/b:v1\n")]
    #[case("ä/b:1")]
    fn refuses(#[case] text: &str) {
        let error = CodeReference::parse(text).unwrap_err().to_string();
        assert!(error.contains("is not an image reference"), "{error}");
    }

    #[test]
    fn the_longest_name_and_tag_have_room_for_a_digest() {
        let host = [63, 63, 63, 61].map(|length| "h".repeat(length)).join(".");
        let (name, tag) = ("n".repeat(255), "t".repeat(TAG_LIMIT_BYTES));
        let longest = CodeReference::new(&format!("{host}:65535/{name}"), Some(&tag), Some(DIGEST)).unwrap();
        assert_eq!(longest.to_string().len(), REFERENCE_LIMIT_BYTES);
        assert!(CodeReference::parse(&format!("{host}:65535/n{name}:{tag}@{DIGEST}")).is_err());
    }

    #[test]
    fn fuzz_reference() {
        let digest = format!("ghcr.io/a/b_c@{DIGEST}");
        let both = format!("r.example:5000/team/puppet-code:v1.4.2@{DIGEST}");
        let samples = [
            "ghcr.io/example/puppet-code:v1.4.2",
            "[2001:db8::1]:5000/a--b:1.x_y-z",
            "localhost/a.b__c:v",
            &digest,
            &both,
        ];
        fuzz(near_text(samples), |text| match CodeReference::parse(&text) {
            Ok(reference) => {
                assert!(reference.to_string() == text && text.len() <= REFERENCE_LIMIT_BYTES);
                let (repository, tag, digest) = (reference.repository(), reference.tag(), reference.digest());
                assert_eq!(CodeReference::new(repository, tag, digest).as_ref(), Ok(&reference));
                assert!(tag.is_none_or(is_tag) && digest.is_none_or(is_digest) && is_same_code(&text, &text));
                assert!(!reference.short().is_empty());
                true
            }
            Err(error) => {
                assert!(error.to_string().len() < 1000, "{error}");
                false
            }
        });
    }
}
