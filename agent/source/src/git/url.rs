//! A Git URL, parsed once: after this, nobody looks at the text again to find out what it means.
//!
//! Pure. A URL with a password in it is refused, and the message never repeats it: logins come from Secrets.

use std::{fmt, net::Ipv6Addr, path::PathBuf, str::FromStr};

use gix::bstr::ByteSlice as _;
use thiserror::Error;

/// The longest URL taken.
const MAX_URL_BYTES: usize = 2048;
/// The port of `git daemon` where the URL names none.
const GIT_DAEMON_PORT: u16 = 9418;

/// Where a Git repository is: `https`, `http`, `ssh` (also `user@host:path`), `git` or `file`.
///
/// Shown without any login; a user name is kept for ssh only, where it is part of the address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GitUrl {
    text: String,
    host: String,
    place: Place,
}

/// What a transport needs to know of the URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Http,
    Git { host: String, port: u16, path: String },
    Ssh { user: Option<String>, host: String, port: Option<u16>, path: String },
    File(PathBuf),
}

/// Why a text is no usable Git URL. Never holds the URL itself: it may have a password in it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GitUrlError {
    /// The URL carries a password.
    #[error("has a password in it: put the login into a Secret and name it in `secretRef`")]
    Password,
    /// A scheme that voxsync does not speak.
    #[error("has the scheme `{0}`: use https, http, ssh, git or file")]
    Scheme(String),
    /// Not a URL at all, or one with parts that a repository cannot have.
    #[error("is not the URL of a Git repository ({0}); for example https://git.example/control-repo.git")]
    Malformed(&'static str),
}

impl GitUrl {
    /// The URL as it may be shown and logged.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host; empty for `file`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether it is a repository in the file system of this process.
    pub fn is_file(&self) -> bool {
        matches!(self.place, Place::File(_))
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }
}

impl fmt::Display for GitUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for GitUrl {
    type Err = GitUrlError;

    fn from_str(text: &str) -> Result<Self, GitUrlError> {
        bounded(text)?;
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(GitUrlError::Malformed("it has a space or a control character in it"));
        }
        let mut url = gix::url::parse(text).map_err(|_| GitUrlError::Malformed("it cannot be parsed"))?;
        if url.password().is_some() {
            return Err(GitUrlError::Password);
        }
        let path = url.path.to_str().map_err(|_| GitUrlError::Malformed("its path is not UTF-8"))?.to_owned();
        if path.trim_matches('/').is_empty() {
            return Err(GitUrlError::Malformed("it names no repository on the host"));
        }
        let place = match url.scheme {
            gix::url::Scheme::Https | gix::url::Scheme::Http => {
                if text.contains(['?', '#']) {
                    return Err(GitUrlError::Malformed("it has a query or a fragment"));
                }
                host_of(&url)?;
                url.set_user(None);
                Place::Http
            }
            gix::url::Scheme::Git => {
                url.set_user(None);
                Place::Git { host: host_of(&url)?, port: url.port.unwrap_or(GIT_DAEMON_PORT), path }
            }
            gix::url::Scheme::Ssh => {
                let user = url.user().map(str::to_owned);
                if user.as_deref().is_some_and(|user| user.starts_with('-')) || path.starts_with('-') {
                    return Err(GitUrlError::Malformed("its user or path begins with a dash"));
                }
                let host = host_of(&url)?;
                let path = gix::url::expand_path::for_shell(path.into()).to_string();
                Place::Ssh { user, host, port: url.port, path }
            }
            // A bare path parses as `file`, too: what is meant must be said.
            gix::url::Scheme::File if text.starts_with("file://") => Place::File(PathBuf::from(path)),
            gix::url::Scheme::File => return Err(GitUrlError::Malformed("it has no scheme")),
            other => return Err(GitUrlError::Scheme(other.as_str().to_owned())),
        };
        let host = url.host().unwrap_or_default().to_ascii_lowercase();
        let text = match place {
            // As it was written: the user is a part of it, and gix leaves out the brackets of an address.
            Place::Ssh { .. } => text.to_owned(),
            Place::Http | Place::Git { .. } | Place::File(_) => url.to_bstring().to_string(),
        };
        // What is shown can be read again: some characters are longer in it.
        bounded(&text)?;
        Ok(Self { text, host, place })
    }
}

fn bounded(text: &str) -> Result<(), GitUrlError> {
    if text.len() > MAX_URL_BYTES {
        return Err(GitUrlError::Malformed("it is longer than 2048 bytes"));
    }
    Ok(())
}

/// The host, in characters that can be an argument of a program without being an option of it; an IPv6 address without
/// its brackets.
fn host_of(url: &gix::Url) -> Result<String, GitUrlError> {
    let host = url.host().unwrap_or_default();
    let in_brackets = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_address = in_brackets.unwrap_or(host).parse::<Ipv6Addr>().is_ok();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_name = !host.is_empty() && !host.starts_with('-') && host.chars().all(allowed);
    if !is_address && !is_name {
        return Err(GitUrlError::Malformed("its host is missing or has a character that no host has"));
    }
    Ok(in_brackets.unwrap_or(host).to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use voxsync_hostile::{fuzz, near_text};

    use super::*;

    #[test]
    fn fuzz_url() {
        let samples = [
            "https://git.example:8443/team/control-repo.git",
            "https://org:hunter2@dev.example/org/_git/repo",
            "ssh://git@[2001:db8::1]:2222/~/a.git",
            "git@git.example:a/b.git",
            "git://git.example/a.git",
            "file:///srv/git/a%20b.git",
            "ext::sh",
        ];
        fuzz(near_text(samples), |text| match text.parse::<GitUrl>() {
            Ok(url) => {
                let again: GitUrl = url.as_str().parse().unwrap();
                assert_eq!((again.as_str(), again.place()), (url.as_str(), url.place()));
                if let Place::Ssh { user, host, path, .. } = url.place() {
                    let words = [user.as_deref().unwrap_or_default(), host, path];
                    assert!(!words.iter().any(|word| word.starts_with('-')), "an option of ssh: {words:?}");
                }
                true
            }
            Err(error) => {
                assert!(error.to_string().len() < 1000, "{error}");
                false
            }
        });
    }

    #[rstest]
    #[case("https://git.example/control-repo.git", "https://git.example/control-repo.git")]
    #[case("http://git.example:3000/a/b", "http://git.example:3000/a/b")]
    #[case("https://org@dev.example/org/_git/repo", "https://dev.example/org/_git/repo")]
    #[case("ssh://git@git.example:2222/a.git", "ssh://git@git.example:2222/a.git")]
    #[case("git@git.example:a/b.git", "git@git.example:a/b.git")]
    #[case("git://git.example/a.git", "git://git.example/a.git")]
    #[case("https://[2001:db8::1]:8443/a.git", "https://[2001:db8::1]:8443/a.git")]
    #[case("ssh://git@[2001:db8::1]/a.git", "ssh://git@[2001:db8::1]/a.git")]
    #[case("git@[git.example]:a.git", "git@[git.example]:a.git")]
    #[case("file:///srv/git/a.git", "file:///srv/git/a.git")]
    fn is_taken(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(text.parse::<GitUrl>().unwrap().as_str(), shown);
    }

    #[rstest]
    #[case("https://u:hunter2@git.example/a.git", "password")]
    #[case("ssh://git:hunter2@git.example/a.git", "password")]
    #[case("ext::sh -c whoami", "control character")]
    #[case("ext::whoami", "scheme")]
    #[case("ftp://git.example/a.git", "scheme")]
    #[case("/srv/git/a.git", "scheme")]
    #[case("../a.git", "scheme")]
    #[case("https://git.example", "repository")]
    #[case("https://git.example/", "no repository")]
    #[case("https:///a.git", "Git repository")]
    #[case("https://git.example/a.git?x=1", "query")]
    #[case("https://git.example/a.git#x", "fragment")]
    #[case("ssh://-oProxyCommand=id/a.git", "Git repository")]
    #[case("ssh://-lroot@git.example/a.git", "dash")]
    #[case("git@git.example:-a.git", "dash")]
    #[case("[[]:a.git", "Git repository")]
    #[case("", "Git repository")]
    fn is_refused(#[case] text: &str, #[case] reason: &str) {
        let error = text.parse::<GitUrl>().unwrap_err().to_string();
        assert!(error.contains(reason), "{text}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn what_is_too_long_to_be_shown_is_refused() {
        let written = |count| format!("https://git.example/{}", "ü".repeat(count));
        let shown = written(300).parse::<GitUrl>().unwrap();
        assert!(shown.as_str().len() > written(300).len() && shown.as_str().parse() == Ok(shown.clone()));
        assert!(written(900).len() < MAX_URL_BYTES);
        let error = written(900).parse::<GitUrl>().unwrap_err().to_string();
        assert!(error.contains("longer than 2048 bytes"), "{error}");
    }

    #[test]
    fn all_ways_to_a_host_are_one_host() {
        for text in [
            "https://Git.example:3000/a",
            "ssh://git@git.example/a",
            "git@git.example:a",
            "git://git.example/a",
        ] {
            assert_eq!(text.parse::<GitUrl>().unwrap().host(), "git.example", "{text}");
        }
        assert_eq!("file:///srv/a.git".parse::<GitUrl>().unwrap().host(), "");
    }

    #[test]
    fn an_ssh_address_is_taken_apart() {
        let place = |text: &str| text.parse::<GitUrl>().unwrap().place().clone();
        let ssh = |user: Option<&str>, port, path: &str| Place::Ssh {
            user: user.map(str::to_owned),
            host: "git.example".to_owned(),
            port,
            path: path.to_owned(),
        };
        assert_eq!(place("ssh://git@git.example:2222/a.git"), ssh(Some("git"), Some(2222), "/a.git"));
        assert_eq!(place("git@git.example:a.git"), ssh(Some("git"), None, "a.git"));
        assert_eq!(place("ssh://git.example/~/a.git"), ssh(None, None, "~/a.git"));
    }
}
