//! What is kept of a CodeRelease: there are many, and each is written once.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use voxsync_crds::{CodeReference, CodeRelease, code_release::CodeReleaseSpec, code_sync::Outcome};

/// What is kept of a CodeRelease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseFact {
    /// Its name.
    pub name: String,
    /// The uid of its CodeSync.
    pub code_sync_uid: String,
    /// The promotion that it is the record of.
    pub promotion: String,
    /// When that ended, by the clock of the process that wrote it.
    pub ended_at: Timestamp,
    /// When it was created, by the clock of the API server, in whole seconds.
    pub created: Timestamp,
    /// What it released, with its digest; none where it did not end so.
    pub released: Option<Box<str>>,
    /// SHA-256 of its `spec`, in hexadecimal: what the next release calls `previousHash`.
    pub hash: String,
}

impl ReleaseFact {
    pub(crate) fn of(release: &CodeRelease) -> Self {
        Self {
            name: release.metadata.name.clone().unwrap_or_default(),
            code_sync_uid: release.spec.code_sync_uid.clone(),
            promotion: release.spec.promotion.clone(),
            ended_at: release.spec.ended_at.timestamp(),
            created: match &release.metadata.creation_timestamp {
                Some(created) => created.0,
                None => release.spec.ended_at.timestamp(),
            },
            released: Self::released_by(&release.spec).map(Into::into),
            hash: hash(&release.spec),
        }
    }

    /// What a release brought everywhere; whatever the form that it was written in, the digest is in it.
    pub fn released_by(release: &CodeReleaseSpec) -> Option<String> {
        let candidate = Some(&release.candidate).filter(|_| release.outcome == Outcome::Released)?;
        let (tag, digest) = (candidate.tag.as_deref(), Some(candidate.digest.as_str()));
        CodeReference::new(&candidate.repository, tag, digest).ok().map(|reference| reference.to_string())
    }
}

/// SHA-256 of a release's `spec` as JSON without spaces, with sorted members, in hexadecimal.
fn hash(spec: &CodeReleaseSpec) -> String {
    let text = serde_json::to_value(spec).map(|value| value.to_string()).unwrap_or_default();
    Sha256::digest(text).iter().fold(String::with_capacity(64), |mut hexadecimal, byte| {
        hexadecimal
            .extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
        hexadecimal
    })
}
