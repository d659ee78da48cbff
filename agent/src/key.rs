//! The name of a CodeSync.

use std::fmt;

use voxsync_crds::CodeSync;

/// Namespace and name of a CodeSync.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CodeSyncKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl CodeSyncKey {
    pub(crate) fn of(code_sync: &CodeSync) -> Self {
        Self {
            namespace: code_sync.metadata.namespace.clone().unwrap_or_default(),
            name: code_sync.metadata.name.clone().unwrap_or_default(),
        }
    }
}

impl fmt::Display for CodeSyncKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}
