//! What is kept of a CodeRelease: there are many, and each is written once.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use voxsync_crds::{CodeRelease, code_release::CodeReleaseSpec};

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
            hash: hash(&release.spec),
        }
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
