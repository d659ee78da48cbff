//! The signatures that were found beside an image, within their bounds.

use std::collections::BTreeMap;

use super::Problem;

/// How many signatures of one image are read. Who may push may put any number there.
const SIGNATURES_LIMIT: usize = 64;
/// What all signatures of an image take together.
const SIGNATURES_LIMIT_BYTES: usize = 8 << 20;

/// A signature as it is beside an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundSignature {
    /// The old form of cosign.
    Simple {
        /// What is signed.
        payload: Vec<u8>,
        /// The annotations of its layer, with the signature.
        annotations: BTreeMap<String, String>,
    },
    /// A Sigstore bundle.
    Bundle(Vec<u8>),
    /// Something that is listed as a signature and cannot be read; why.
    Unreadable(String),
    /// Something that came otherwise than it can have been pushed, so nothing is known of it; why.
    Damaged(String),
}

/// What was found, within its bounds.
#[derive(Default)]
pub(super) struct Found {
    pub(super) signatures: Vec<FoundSignature>,
    size_bytes: usize,
}

impl Found {
    pub(super) fn is_full(&self) -> bool {
        self.signatures.len() >= SIGNATURES_LIMIT || self.size_bytes >= SIGNATURES_LIMIT_BYTES
    }

    pub(super) fn add(&mut self, size_bytes: usize, signature: FoundSignature) {
        if !self.is_full() {
            self.size_bytes += size_bytes;
            self.signatures.push(signature);
        }
    }

    /// A signature that is not as it must be; another one may be good. What is wrong with the registry itself is passed on.
    pub(super) fn add_unreadable(&mut self, problem: Problem) -> Result<(), Problem> {
        let why = problem.to_string();
        let unread = match problem {
            Problem::DigestMismatch { .. } => FoundSignature::Damaged(why),
            Problem::BrokenContent { .. }
            | Problem::DigestNotFound { .. }
            | Problem::InvalidAnswer { .. } => FoundSignature::Unreadable(why),
            problem => return Err(problem),
        };
        self.add(0, unread);
        Ok(())
    }
}
