//! The error of a look: a problem, with the repository and what was tried.

use std::{fmt, time::Duration};

use super::Problem;

/// A look that failed. It can be cloned: one look answers all that asked for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {attempt} {repository}: {problem}")]
pub struct RegistryError {
    /// The repository, as `host/path`.
    pub repository: String,
    /// What was tried.
    pub attempt: Attempt,
    /// Why it failed.
    pub problem: Problem,
}

/// What was tried on a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// To make a client.
    Prepare,
    /// To list the tags.
    ListTags,
    /// To read the manifest of a tag or digest.
    Read {
        /// The tag or digest.
        reference: String,
    },
}

impl fmt::Display for Attempt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prepare => formatter.write_str("prepare the connection to"),
            Self::ListTags => formatter.write_str("list the tags of"),
            Self::Read { reference } => write!(formatter, "read {reference:?} of"),
        }
    }
}

impl RegistryError {
    /// How long the registry asks to be left alone, if it does. At most one hour.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.problem {
            Problem::TooManyRequests { retry_after, .. } | Problem::Unavailable { retry_after, .. } => {
                retry_after
            }
            _ => None,
        }
    }
}
