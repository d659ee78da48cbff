//! What a place remembers from look to look, so that an idle look is one request.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use voxsync_crds::CodeReference;
use voxsync_source::{
    git::Revision,
    registry::{ManifestFacts, TagList},
};

use super::builds::Builds;
use super::{
    place::{Access, FieldQuery, Want},
    verify::{Judged, VerifyQuery},
};
use voxsync_promotion::SourceProblem;
use voxsync_verify::{Refusal, Signed};

/// How many good verdicts are remembered, and how many refusals. What is judged again is only read again.
const VERDICTS_LIMIT: usize = 1000;
/// How long a refusal is remembered: somebody may sign it yet.
const REFUSAL_AGE_LIMIT: SignedDuration = SignedDuration::from_hours(1);

/// What a place remembers from look to look.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The last tag list, with what makes the next one cheap.
    pub(crate) tags: Option<TagList>,
    /// The tags that were elected from exactly that list.
    pub(crate) elected: HashMap<Want, Elected>,
    /// When the images of tags were built, where that is asked.
    pub(crate) builds: Builds,
    /// Images that could be fetched. A tag is resolved once and keeps its digest for as long as something names it.
    images: HashMap<ImageKey, ManifestFacts>,
    /// The images that the last look that found some had for each want; they stay while looks fail.
    chosen: HashMap<Want, Vec<ImageKey>>,
    /// What images were when their tags were last asked for.
    asked: HashMap<ImageKey, (Option<String>, Timestamp)>,
    /// Images that somebody waits for.
    sought: HashSet<ImageKey>,
    /// When the look under way began.
    now: Timestamp,
    /// The images that the look under way has.
    found: HashMap<Want, Vec<ImageKey>>,
    /// The last commit, and what its files name.
    pub(crate) revision: Option<Revision>,
    /// By field; a file that names nothing stays so until the next commit.
    pub(crate) files: HashMap<FieldQuery, Result<Named, SourceProblem>>,
    /// Who wrote that commit, where it was asked.
    pub(crate) author: Option<Author>,
    /// Whose signatures were found good.
    verdicts: HashMap<Judged, Signed>,
    /// What was refused, why, and when the look began that did it.
    refusals: HashMap<Judged, (Refusal, Timestamp)>,
    /// Whether the last keys of each query can be used, with their name.
    keys: HashMap<VerifyQuery, (String, Result<(), String>)>,
}

/// An image, and how it was got at.
pub(crate) type ImageKey = (CodeReference, Access);

/// The tags that were elected, the best first.
#[derive(Clone, Debug)]
pub(crate) struct Elected {
    pub(crate) tags: Vec<String>,
    /// The tags that somebody waits for, whether they are among the best or not.
    pub(crate) awaited: Vec<String>,
}

impl Memory {
    /// For one who looks only once.
    pub(crate) fn of_one_look() -> Self {
        Self { builds: Builds::of_one_look(), ..Self::default() }
    }

    /// Begins a look, with the images that somebody waits for.
    pub(crate) fn begin(&mut self, now: Timestamp, sought: HashSet<ImageKey>) {
        self.now = now;
        self.sought = sought;
    }

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
        self.asked.insert(key.clone(), (Some(facts.digest.clone()), self.now));
        self.images.insert(key.clone(), facts);
        self.found.entry(want.clone()).or_default().push(key);
    }

    /// What an image was when its tag was last asked for, if there was one, and when the look began that did it.
    pub(crate) fn asked(&self, key: &ImageKey) -> Option<(Option<&str>, Timestamp)> {
        self.asked.get(key).map(|(digest, at)| (digest.as_deref(), *at))
    }

    /// Remembers what a tag is now: where that is another image, what was known of it is forgotten.
    pub(crate) fn confirm(&mut self, key: ImageKey, digest: Option<String>) {
        if self.images.get(&key).is_some_and(|facts| Some(&facts.digest) != digest.as_ref()) {
            self.forget(&key);
        }
        self.asked.insert(key, (digest, self.now));
    }

    /// Forgets an image: its tag is another one's by now, or nobody's.
    fn forget(&mut self, key: &ImageKey) {
        self.images.remove(key);
        self.asked.remove(key);
        self.builds.forget(key.0.tag().unwrap_or_default());
        self.elected.clear();
    }

    /// Whose good signature something has, if it was judged by the same before, and still counts.
    pub(crate) fn verdict(&self, judged: &Judged, now: Timestamp) -> Option<Signed> {
        let signed = self.verdicts.get(judged).filter(|signed| signed.until.is_none_or(|until| now < until));
        signed.cloned()
    }

    /// Remembers a good verdict.
    pub(crate) fn judged(&mut self, judged: Judged, signed: Signed) {
        if self.verdicts.len() >= VERDICTS_LIMIT {
            self.verdicts.clear();
        }
        self.verdicts.insert(judged, signed);
    }

    /// Why something was refused that was judged by the same, not long ago.
    pub(crate) fn refusal(&self, judged: &Judged) -> Option<Refusal> {
        let (refusal, at) = self.refusals.get(judged)?;
        (self.now.duration_since(*at) < REFUSAL_AGE_LIMIT).then(|| refusal.clone())
    }

    /// Remembers why something was refused.
    pub(crate) fn refused(&mut self, judged: Judged, refusal: Refusal) {
        if self.refusals.len() >= VERDICTS_LIMIT {
            self.refusals.clear();
        }
        self.refusals.insert(judged, (refusal, self.now));
    }

    /// Believes no refusal any longer, nor that something is not there: somebody says that there is news.
    pub(crate) fn hear_news(&mut self) {
        self.refusals.clear();
        self.builds.ask_for_all_again();
    }

    /// Whether the keys of this name can be used, or what is wrong with them; none where that is not known.
    pub(crate) fn are_usable(&self, query: &VerifyQuery, name: &str) -> Option<Result<(), String>> {
        self.keys.get(query).filter(|(known, _)| known == name).map(|(_, usable)| usable.clone())
    }

    /// Remembers whether keys can be used.
    pub(crate) fn found_of_keys(&mut self, query: &VerifyQuery, name: String, usable: Result<(), String>) {
        if self.keys.len() >= VERDICTS_LIMIT {
            self.keys.clear();
        }
        self.keys.insert(query.clone(), (name, usable));
    }

    /// Ends a look. Forgets the images that none of these wants has: one that is named again some day is fetched anew.
    pub(crate) fn keep<'a>(&mut self, wants: impl Iterator<Item = &'a Want>) {
        let wants: Vec<&Want> = wants.collect();
        self.chosen.extend(self.found.drain());
        self.chosen.retain(|want, _| wants.contains(&want));
        self.elected.retain(|want, _| wants.contains(&want));
        let chosen: HashSet<&ImageKey> = self.chosen.values().flatten().collect();
        self.images.retain(|key, _| chosen.contains(key));
        self.asked.retain(|key, _| self.images.contains_key(key) || self.sought.contains(key));
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
    fn a_tag_that_is_another_image_by_now_is_fetched_anew() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let want = Want::Follow("one".into());
        let mut memory = Memory::default();
        memory.begin(at(1), HashSet::from([key("v1")]));
        memory.insert(&want, key("v1"), facts("1"));
        memory.begin(at(2), HashSet::from([key("v1")]));
        memory.confirm(key("v1"), Some("1".into()));
        assert_eq!((memory.knows(&key("v1")), memory.asked(&key("v1"))), (true, Some((Some("1"), at(2)))));
        memory.begin(at(3), HashSet::from([key("v1")]));
        memory.confirm(key("v1"), Some("2".into()));
        assert_eq!((memory.knows(&key("v1")), memory.asked(&key("v1"))), (false, Some((Some("2"), at(3)))));
        memory.confirm(key("v1"), None);
        assert_eq!(memory.asked(&key("v1")), Some((None, at(3))), "there is none any more");
        memory.keep([].into_iter());
        assert!(memory.asked(&key("v1")).is_some(), "somebody waits for it");
        memory.begin(at(4), HashSet::new());
        memory.keep([].into_iter());
        assert_eq!(memory.asked(&key("v1")), None);
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
