//! What a place remembers from look to look, so that an idle look is one request.

use std::collections::{HashMap, HashSet};

use voxsync_crds::CodeReference;
use voxsync_source::{
    git::Revision,
    registry::{ManifestFacts, TagList},
};

use super::place::{Access, FieldQuery, Want};
use voxsync_promotion::SourceProblem;

/// What a place remembers from look to look.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The last tag list, with what makes the next one cheap.
    pub(crate) tags: Option<TagList>,
    /// The tags that were elected from exactly that list.
    pub(crate) elected: HashMap<Want, String>,
    /// Images that could be fetched. A tag is resolved once and keeps its digest for as long as something names it.
    images: HashMap<ImageKey, ManifestFacts>,
    /// The image that was fetched last for each want; it stays while looks fail.
    chosen: HashMap<Want, ImageKey>,
    /// The last commit, and what its files name.
    pub(crate) revision: Option<Revision>,
    /// By field; a file that names nothing stays so until the next commit.
    pub(crate) files: HashMap<FieldQuery, Result<Named, SourceProblem>>,
}

/// An image, and how it was got at.
type ImageKey = (CodeReference, Access);

impl Memory {
    /// What is known of an image.
    pub(crate) fn image(&mut self, want: &Want, key: &ImageKey) -> Option<ManifestFacts> {
        let facts = self.images.get(key).cloned();
        if facts.is_some() {
            self.chosen.insert(want.clone(), key.clone());
        }
        facts
    }

    /// Remembers an image that could be fetched.
    pub(crate) fn insert(&mut self, want: &Want, key: ImageKey, facts: ManifestFacts) {
        self.images.insert(key.clone(), facts);
        self.chosen.insert(want.clone(), key);
    }

    /// Forgets the images that none of these wants has: one that is named again some day is fetched anew.
    pub(crate) fn keep<'a>(&mut self, wants: impl Iterator<Item = &'a Want>) {
        let wants: Vec<&Want> = wants.collect();
        self.chosen.retain(|want, _| wants.contains(&want));
        self.elected.retain(|want, _| wants.contains(&want));
        let chosen: HashSet<&ImageKey> = self.chosen.values().collect();
        self.images.retain(|key, _| chosen.contains(key));
    }
}

/// What a file of a commit names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Named {
    pub(crate) reference: CodeReference,
    pub(crate) author: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(tag: &str) -> ImageKey {
        (format!("ghcr.io/a/b:{tag}").parse().unwrap(), Access::default())
    }

    fn facts(digest: &str) -> ManifestFacts {
        ManifestFacts {
            digest: digest.to_owned(),
            media_type: String::new(),
            is_index: false,
            created: None,
            revision: None,
            source: None,
            version: None,
            config_digest: String::new(),
        }
    }

    #[test]
    fn an_image_is_forgotten_when_its_want_has_another() {
        let (one, two) = (Want::Follow("one".into()), Want::Follow("two".into()));
        let mut memory = Memory::default();
        memory.insert(&one, key("v1"), facts("1"));
        memory.insert(&two, key("v1"), facts("1"));
        memory.insert(&one, key("v2"), facts("2"));
        memory.keep([&one, &two].into_iter());
        assert!(memory.image(&one, &key("v1")).is_some(), "two has it, and its looks may fail");
        memory.insert(&two, key("v2"), facts("2"));
        memory.keep([&one, &two].into_iter());
        assert!(memory.images.contains_key(&key("v1")), "one names it again");
        memory.insert(&one, key("v2"), facts("2"));
        memory.keep([&one, &two].into_iter());
        assert_eq!(memory.image(&one, &key("v1")), None);
        memory.keep([].into_iter());
        assert!(memory.images.is_empty() && memory.chosen.is_empty());
    }
}
