//! What is looked at, and what for: the values that say whether two looks are one.

mod access;
mod finding;
mod reason;
mod want;

use std::path::PathBuf;

use voxsync_crds::{CodeReference, code_sync::GitTag};
use voxsync_source::git::GitUrl;

pub(crate) use access::{Access, SecretName};
pub(crate) use finding::{Finding, Found, JudgedBy};
pub(crate) use reason::{
    BAD_CREDENTIALS, BAD_REFERENCE, BROKEN_IMAGE, IMAGE_UNAVAILABLE, NOT_FOUND, OF_ONE_TAG, PLATFORM_MISSING,
    READING_BUILD_TIMES, TOO_MANY_REQUESTS, UNAUTHORIZED, UNREACHABLE, problem, unusable,
};
pub(crate) use want::{FieldQuery, TagQuery, Want};

/// One place that is looked at. Equal places are looked at once, whoever asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// A repository of a registry.
    Registry {
        /// Host and path, as written.
        repository: String,
        /// How to get in.
        access: Access,
    },
    /// A branch, tags or a commit of a Git repository.
    Git {
        /// Where it is.
        url: GitUrl,
        /// What is followed.
        follow: GitFollow,
        /// How to get in.
        access: Access,
    },
    /// A file on this machine.
    File {
        /// Its path.
        path: PathBuf,
    },
    /// An image that a person named.
    Image {
        /// The reference.
        reference: CodeReference,
        /// How to get in.
        access: Access,
    },
}

impl Place {
    /// How to get in, where that takes anything.
    pub(crate) fn access(&self) -> Option<&Access> {
        match self {
            Self::Registry { access, .. } | Self::Git { access, .. } | Self::Image { access, .. } => {
                Some(access)
            }
            Self::File { .. } => None,
        }
    }

    /// What kind of place it is, for metrics.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Registry { .. } => "registry",
            Self::Git { .. } => "git",
            Self::File { .. } => "file",
            Self::Image { .. } => "image",
        }
    }
}

/// What is followed in a Git repository.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum GitFollow {
    /// A branch.
    Branch(String),
    /// The best tag by this rule.
    Tag(GitTag),
    /// This commit.
    Commit(String),
}
