//! What a place remembers from look to look, so that an idle look is one request.

use std::collections::HashMap;

use voxsync_crds::CodeReference;
use voxsync_source::{
    git::Revision,
    registry::{ManifestFacts, TagList},
};

use super::place::{Access, FieldQuery};
use voxsync_promotion::SourceProblem;

/// What a place remembers from look to look.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The last tag list, with what makes the next one cheap.
    pub(crate) tags: Option<TagList>,
    /// Images that could be fetched. A tag is resolved once and keeps its digest.
    pub(crate) images: HashMap<(CodeReference, Access), ManifestFacts>,
    /// The last commit, and what its files name.
    pub(crate) revision: Option<Revision>,
    /// By field; a file that names nothing stays so until the next commit.
    pub(crate) files: HashMap<FieldQuery, Result<Named, SourceProblem>>,
}

/// What a file of a commit names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Named {
    pub(crate) reference: CodeReference,
    pub(crate) author: Option<String>,
}
