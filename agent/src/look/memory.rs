//! What a place remembers from look to look, so that an idle look is one request.

use std::collections::{HashMap, HashSet};

use voxsync_crds::CodeReference;
use voxsync_source::{
    git::Revision,
    registry::{ManifestFacts, TagList},
};

use super::builds::Builds;
use super::{
    place::{Access, FieldQuery, Want},
    verify::Judged,
};
use voxsync_promotion::SourceProblem;

/// How many good verdicts are remembered. What is judged again is only read again.
const VERDICTS_LIMIT: usize = 1000;

/// What a place remembers from look to look.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The last tag list, with what makes the next one cheap.
    pub(crate) tags: Option<TagList>,
    /// The tags that were elected from exactly that list, the best first.
    pub(crate) elected: HashMap<Want, Vec<String>>,
    /// When the images of tags were built, where that is asked.
    pub(crate) builds: Builds,
    /// Images that could be fetched. A tag is resolved once and keeps its digest for as long as something names it.
    images: HashMap<ImageKey, ManifestFacts>,
    /// The images that the last look that found some had for each want; they stay while looks fail.
    chosen: HashMap<Want, Vec<ImageKey>>,
    /// The images that the look under way has.
    found: HashMap<Want, Vec<ImageKey>>,
    /// The last commit, and what its files name.
    pub(crate) revision: Option<Revision>,
    /// By field; a file that names nothing stays so until the next commit.
    pub(crate) files: HashMap<FieldQuery, Result<Named, SourceProblem>>,
    /// Who wrote that commit, where it was asked.
    pub(crate) author: Option<Author>,
    /// Whose signatures were found good.
    verdicts: HashMap<Judged, String>,
}

/// An image, and how it was got at.
type ImageKey = (CodeReference, Access);

impl Memory {
    /// What is known of an image.
    pub(crate) fn image(&mut self, want: &Want, key: &ImageKey) -> Option<ManifestFacts> {
        let facts = self.images.get(key).cloned();
        if facts.is_some() {
            self.found.entry(want.clone()).or_default().push(key.clone());
        }
        facts
    }

    /// Whether an image is known without asking.
    pub(crate) fn knows(&self, key: &ImageKey) -> bool {
        self.images.contains_key(key)
    }

    /// Remembers an image that could be fetched.
    pub(crate) fn insert(&mut self, want: &Want, key: ImageKey, facts: ManifestFacts) {
        self.images.insert(key.clone(), facts);
        self.found.entry(want.clone()).or_default().push(key);
    }

    /// Whose good signature something has, if it was judged by the same before.
    pub(crate) fn verdict(&self, judged: &Judged) -> Option<String> {
        self.verdicts.get(judged).cloned()
    }

    /// Remembers a good verdict.
    pub(crate) fn judged(&mut self, judged: Judged, by: String) {
        if self.verdicts.len() >= VERDICTS_LIMIT {
            self.verdicts.clear();
        }
        self.verdicts.insert(judged, by);
    }

    /// Ends a look. Forgets the images that none of these wants has: one that is named again some day is fetched anew.
    pub(crate) fn keep<'a>(&mut self, wants: impl Iterator<Item = &'a Want>) {
        let wants: Vec<&Want> = wants.collect();
        self.chosen.extend(self.found.drain());
        self.chosen.retain(|want, _| wants.contains(&want));
        self.elected.retain(|want, _| wants.contains(&want));
        let chosen: HashSet<&ImageKey> = self.chosen.values().flatten().collect();
        self.images.retain(|key, _| chosen.contains(key));
    }
}

/// Who wrote a commit; none where that is not known.
#[derive(Clone, Debug)]
pub(crate) struct Author(pub(crate) Option<String>);

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
    fn all_images_of_the_last_look_that_found_some_are_kept() {
        let want = Want::Follow("one".into());
        let mut memory = Memory::default();
        memory.insert(&want, key("v2"), facts("2"));
        memory.insert(&want, key("v1"), facts("1"));
        memory.keep([&want].into_iter());
        memory.keep([&want].into_iter());
        assert!(memory.knows(&key("v1")) && memory.knows(&key("v2")), "the second look found nothing");
        memory.insert(&want, key("v3"), facts("3"));
        assert!(memory.image(&want, &key("v2")).is_some());
        memory.keep([&want].into_iter());
        assert_eq!(["v1", "v2", "v3"].map(|tag| memory.knows(&key(tag))), [false, true, true]);
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
