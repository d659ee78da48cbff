//! What happened. Texts are as they came: each channel makes them fit for itself.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use voxsync_crds::code_sync::NotificationOccasion;

/// How many bytes of a fingerprint are an id.
const ID_BYTES: usize = 16;

/// Something that happened to a CodeSync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Who is told of it.
    pub occasion: NotificationOccasion,
    /// The reason of the Kubernetes Event that says the same.
    pub reason: &'static str,
    /// The namespace of the CodeSync.
    pub namespace: String,
    /// Its name.
    pub code_sync: String,
    /// Its UID: one of the same name that comes later is another one.
    pub uid: String,
    /// The short name of the candidate.
    pub name: Option<String>,
    /// Its reference.
    pub reference: Option<String>,
    /// The short name of what was deployed before.
    pub from: Option<String>,
    /// The stage that it is about.
    pub stage: Option<String>,
    /// The promotion that it is about.
    pub promotion: Option<String>,
    /// A sentence for people.
    pub message: String,
    /// When it was decided.
    pub at: Timestamp,
}

impl News {
    /// The same for each try, so that who gets it twice can tell.
    pub(crate) fn id(&self) -> String {
        let mut hash = Sha256::new();
        for part in [&self.uid, self.reason, &self.message, &self.at.to_string()] {
            hash.update(part);
            hash.update([0]);
        }
        hex::encode(hash.finalize().get(..ID_BYTES).unwrap_or_default())
    }
}
