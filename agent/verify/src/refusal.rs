//! Why nothing is verified: because of the signatures, or because of what they are judged by.

/// Why no signature is good. Where there are several, the one that is nearest to good: the later here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// There is none (yet).
    #[error("it has no signature yet, and goes on when it has one")]
    Missing,
    /// A commit or tag has none, and will never have one: another one has to be made.
    #[error("{what} has no signature, and gets none later: make a signed one (`{command}`)")]
    Unsigned {
        /// What it is.
        what: &'static str,
        /// How to sign such a thing.
        command: &'static str,
    },
    /// It cannot be read.
    #[error("its signature cannot be read: {0}")]
    Malformed(String),
    /// It is of a kind that is not judged here.
    #[error("its signature is of a kind that voxsync does not judge: {0}")]
    Unsupported(String),
    /// Another key made it, or what it signs was changed.
    #[error(
        "{}: sign it with one of them, or add the key of who signed it; a signature that was changed looks the same",
        by_whom(trusted, found.as_deref())
    )]
    WrongKey {
        /// The keys that are trusted.
        trusted: String,
        /// The key that it says it is by, where it says so.
        found: Option<String>,
    },
    /// The evidence beside it (certificate, log, timestamp) does not hold.
    #[error("its signature does not hold: {0}")]
    Tampered(String),
    /// Somebody else signed it.
    #[error(
        "it is signed by {found}, which is none of verify.cosign.identities: let the right one sign it, or add this identity"
    )]
    WrongIdentity {
        /// Who did.
        found: String,
    },
    /// A good signature of something else was put here.
    #[error("its signature is by somebody trusted, but it is the signature of something else: {0}")]
    OfAnother(String),
    /// The key or certificate was not valid any more (or not yet).
    #[error("its signature is out of date: {0}")]
    Expired(String),
}

impl Refusal {
    /// What it is if there was a signature, and none of those who are trusted made it.
    pub(crate) fn or_wrong_key(self, trusted: &impl ToString, found: Option<String>) -> Self {
        if self == Self::Missing { Self::WrongKey { trusted: trusted.to_string(), found } } else { self }
    }
}

fn by_whom(trusted: &str, found: Option<&str>) -> String {
    match found {
        Some(found) => format!("it is signed by {found}, not by {trusted}"),
        None => format!("no signature of it is by {trusted}"),
    }
}

/// Keys, signers or a trusted root that cannot be used: nothing is verified by them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct BadMaterial {
    /// The key of the Secret.
    pub file: String,
    /// What is wrong with it and what to do.
    pub problem: String,
}

impl BadMaterial {
    pub(crate) fn new(file: &str, problem: impl Into<String>) -> Self {
        Self { file: file.to_owned(), problem: problem.into() }
    }
}
