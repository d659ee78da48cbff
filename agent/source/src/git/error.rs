//! What can go wrong with a Git repository, in words that say what to do, or with an advice beside them.
//!
//! Texts that come from outside (a server's answer, ssh's words, names in a tree) are bounded and have their
//! control characters taken out before they get here: see [`clean`].

use std::time::Duration;

use thiserror::Error;

use super::{GitUrl, github::AppProblem};
use crate::{Advice, NoWay};

/// The most bytes of a foreign text in one message.
const MAX_FOREIGN_TEXT_BYTES: usize = 300;

/// A look or a read that failed, with the repository it failed on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("Git {url}: {problem}")]
pub struct GitError {
    /// The repository, as it may be shown.
    pub url: GitUrl,
    /// What went wrong.
    pub problem: GitProblem,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GitProblem {
    /// No connection: name not found, refused, no route.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// The proxy on the way does not let us through, or is not there.
    #[error("{0}")]
    Proxy(NoWay),
    /// The time for one look or read was over.
    #[error("no complete answer within {0} seconds")]
    TimedOut(u64),
    /// The server wants a login and none was given.
    #[error("the server asks for a login ({0}) and there is none")]
    LoginNeeded(String),
    /// The server refuses the login.
    #[error("the server does not know this login ({0})")]
    LoginRefused(String),
    /// The login is known, but may not read the repository.
    #[error("the server does not let this login read the repository (HTTP 403)")]
    Forbidden,
    /// The kind of login does not fit the URL.
    #[error("{0}")]
    LoginMismatch(&'static str),
    /// The repository is not there, or the server hides it from this login.
    #[error("there is no such repository, or this login may not see it ({0})")]
    RepositoryMissing(String),
    /// The server redirects. Redirects are not followed: a login is for the host it was given for.
    #[error("the server redirects to {0}: if that is right, put it into `url`")]
    Redirected(String),
    /// The server wants fewer requests.
    #[error("the server wants to be asked later (HTTP {status}{})", said.as_deref().map(|said| format!(": {said}")).unwrap_or_default())]
    AskLater {
        /// The HTTP status.
        status: u16,
        /// What it said, if that is known.
        said: Option<String>,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// Another HTTP status than the protocol has.
    #[error("the server answers HTTP {0}")]
    HttpStatus(u16),
    /// What answers does not speak the Git protocol.
    #[error("what answers there is not a Git server: {0}")]
    NotGit(String),
    /// The server's certificate is out of date.
    #[error("the certificate of the server has expired")]
    CertificateExpired,
    /// The server's certificate is signed by nobody who is trusted.
    #[error("the certificate of the server is signed by an authority that is not trusted here")]
    CertificateUnknownAuthority,
    /// The server does not speak TLS.
    #[error(
        "the server does not speak TLS: is it the right port? A server with plain HTTP is named with http://"
    )]
    NotTls,
    /// Any other fault of TLS.
    #[error("no TLS connection: {0}")]
    Tls(String),
    /// The CA or client certificate given is not usable.
    #[error("{0} is not usable: {1}")]
    CertificateSecret(&'static str, String),
    /// The host is not in `known_hosts`.
    #[error(
        "the SSH host key of {host} is not known: check it, and add it to `known_hosts` of the Secret \
         (`ssh-keyscan {host}` shows it)"
    )]
    HostKeyUnknown {
        /// As `ssh-keyscan` and `known_hosts` want it.
        host: String,
    },
    /// The host has another key than `known_hosts` says.
    #[error(
        "{host} has another SSH host key than `known_hosts` of the Secret says: either the host was rebuilt \
         (then replace the line) or somebody is in between"
    )]
    HostKeyChanged {
        /// As `known_hosts` has it.
        host: String,
    },
    /// The SSH server is too old, or set up for something else.
    #[error("the SSH server has no algorithm in common with this client ({0}): bring it up to date")]
    SshAlgorithms(String),
    /// The SSH client could not be used at all.
    #[error("ssh cannot be used: {0}")]
    Ssh(String),
    /// The branch is not there.
    #[error("there is no branch `{branch}`{}", similar_names(similar))]
    BranchMissing {
        /// What was asked for.
        branch: String,
        /// The names nearest to it, at most a few.
        similar: Vec<String>,
    },
    /// A GitHub App gets no token.
    #[error(transparent)]
    App(#[from] AppProblem),
    /// No such commit, or none that the server gives.
    #[error(
        "there is no commit {0} in it, or none that the server gives by its id: name it by a branch or tag, or allow it \
         on the server (`uploadpack.allowReachableSHA1InWant`)"
    )]
    CommitMissing(String),
    /// The id is one of something else.
    #[error("{id} is a {what}, not a commit: give the id of the commit")]
    NotACommit {
        /// The id as written.
        id: String,
        /// `tag`, `tree` or `blob`.
        what: String,
    },
    /// More references than are looked at; a part of them would be no answer.
    #[error(
        "it has more than {0} references of the kind that is followed: follow a branch, or delete old tags"
    )]
    TooManyReferences(usize),
    /// No tag satisfies the policy; the text counts why.
    #[error("{0}")]
    NoTag(String),
    /// Not a branch name.
    #[error("`{0}` is not a branch name")]
    BranchName(String),
    /// The path cannot be one in a repository.
    #[error("the path `{path}` {reason}")]
    PathMalformed {
        /// The path as written.
        path: String,
        /// Why.
        reason: &'static str,
    },
    /// The path is not in the commit.
    #[error("`{path}` is not in commit {commit}: {folder} has {}", names(entries))]
    PathMissing {
        /// What was asked for.
        path: String,
        /// The commit, shortened.
        commit: String,
        /// The last folder on the way that is there.
        folder: String,
        /// What that folder has, at most a few names.
        entries: Vec<String>,
    },
    /// There is something at the path (or on the way to it), but no file.
    #[error("`{path}` in commit {commit} is a {what}: it must be a plain file")]
    NotAFile {
        /// The part of the path that is no file.
        path: String,
        /// The commit, shortened.
        commit: String,
        /// `folder`, `symlink` or `submodule`.
        what: &'static str,
    },
    /// The file is too large to be a reference.
    #[error("`{path}` is {bytes} bytes, the limit for a reference file is {limit}")]
    FileTooLarge {
        /// The file.
        path: String,
        /// Its size.
        bytes: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The server sent more than is taken for what was asked.
    #[error("the server sent more than {0} MiB: the repository is too large to be read here")]
    TooMuchData(u64),
    /// A `file://` URL that points outside of the folder for them.
    #[error("{0}")]
    FileRefused(&'static str),
    /// The folder for fetched repositories cannot be used.
    #[error("the cache folder cannot be used: {0}")]
    Cache(String),
    /// What was received, or is in a local repository, is no sound repository.
    #[error("the repository cannot be read: {0}")]
    Broken(String),
}

impl GitProblem {
    /// What to do about it, where its own text does not say so.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Self::LoginNeeded(_) => Some(Advice::GiveLogin),
            Self::CertificateUnknownAuthority => Some(Advice::GiveAuthority),
            Self::CertificateSecret(..) => Some(Advice::CheckCertificates),
            _ => None,
        }
    }
}

/// A text from outside, made fit for a message: one line, bounded, without control characters.
pub(super) fn clean(text: &str) -> String {
    let mut cleaned = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !cleaned.is_empty() {
            cleaned.push(' ');
        }
        cleaned.push_str(word);
        if cleaned.len() > MAX_FOREIGN_TEXT_BYTES {
            cleaned.truncate(cleaned.floor_char_boundary(MAX_FOREIGN_TEXT_BYTES));
            cleaned.push('…');
            break;
        }
    }
    cleaned
}

fn similar_names(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; similar: {}", names.join(", ")) }
}

fn names(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_bounded_and_on_one_line() {
        assert_eq!(clean("  a\tb\r\n\u{1b}[31mc\n"), "a b [31mc");
        let long = clean(&"é".repeat(1000));
        assert!(long.len() <= MAX_FOREIGN_TEXT_BYTES + '…'.len_utf8() && long.ends_with('…'), "{long}");
    }

    #[test]
    fn a_message_names_the_repository() {
        let error = GitError {
            url: "https://git.example/control-repo.git".parse().unwrap(),
            problem: GitProblem::LoginRefused("HTTP 401".to_owned()),
        };
        assert_eq!(
            error.to_string(),
            "Git https://git.example/control-repo.git: the server does not know this login (HTTP 401)"
        );
    }
}
