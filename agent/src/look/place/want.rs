//! What is looked for at a place.

use voxsync_policy::{PolicyError, TagPolicy, TagRule};
use voxsync_source::git::ImageTemplate;

use super::access::Access;

/// What one CodeSync wants of a place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Want {
    /// The best tag of a repository by this rule.
    Best(TagQuery),
    /// The image that a tag of a repository is now.
    Follow(String),
    /// The image that a file names.
    Named {
        /// Which file and which field.
        field: FieldQuery,
        /// How to get to the image.
        image: Access,
    },
    /// The image that CI builds of a commit.
    Built {
        /// Which image.
        template: ImageTemplate,
        /// How to get to it.
        image: Access,
    },
    /// The image itself.
    Image,
}

/// Which tags are candidates.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TagQuery {
    pub(crate) rule: TagRule,
    pub(crate) matching: Option<String>,
    pub(crate) ignore: Vec<String>,
    /// How many of the best are wanted: more than one where they have to reach an age.
    pub(crate) count: usize,
}

impl TagQuery {
    pub(crate) fn policy(&self) -> Result<TagPolicy, PolicyError> {
        TagPolicy::new(self.rule.clone(), self.matching.as_deref(), &self.ignore)
    }
}

/// Where in a repository or file the reference is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct FieldQuery {
    /// The path in a Git repository; empty for files of this machine, whose path is the place.
    pub(crate) path: String,
    pub(crate) field: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) name: Option<String>,
}
