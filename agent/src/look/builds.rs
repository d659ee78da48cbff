//! When the images of tags were built. That costs requests, so it is read once for each tag, and a part of a long list at
//! each look.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use voxsync_promotion::SourceProblem;
use voxsync_source::registry::{ManifestFacts, Subject, Wanted};

use super::{
    confirm::SILENT_TAGS_LIMIT,
    place::{Access, BROKEN_IMAGE, IMAGE_UNAVAILABLE, OF_ONE_TAG, READING_BUILD_TIMES},
    tools::Tools,
};

/// How many tags are asked for at one look.
pub(super) const TAGS_A_LOOK: usize = 50;

/// After how many looks what was not there is asked for again.
const LOOKS_UNTIL_ASKED_AGAIN: u32 = 10;

/// After how many tries in vain a tag counts as one that is not there, if its registry answered for others.
const TRIES_UNTIL_MISSING: u32 = 5;

/// What is known of the build times of a repository's tags.
#[derive(Debug, Default)]
pub(crate) struct Builds {
    /// None for an image that does not say when it was built, and for what is no image.
    known: HashMap<String, Option<Timestamp>>,
    /// What was listed and not there, or cannot be read. It holds up nobody, and is asked for again after some looks.
    missing: HashSet<String>,
    /// How often the registry had no answer for one.
    tries: HashMap<String, u32>,
    /// How many looks ago the first of them was asked for.
    patience: u32,
    /// How many tags this look may still ask for.
    left: usize,
}

impl Builds {
    /// Begins a look at a list of tags: those that are gone are forgotten. Says whether some of the others are to be asked
    /// for again.
    pub(super) fn begin<'a>(&mut self, tags: impl Iterator<Item = &'a str>) -> bool {
        self.left = TAGS_A_LOOK;
        self.patience = self.patience.saturating_add(1);
        let is_to_ask_again = self.patience >= LOOKS_UNTIL_ASKED_AGAIN && !self.missing.is_empty();
        if is_to_ask_again {
            self.missing.clear();
        }
        if !(self.known.is_empty() && self.tries.is_empty()) {
            let present: HashSet<&str> = tags.collect();
            self.known.retain(|tag, _| present.contains(tag.as_str()));
            self.tries.retain(|tag, _| present.contains(tag.as_str()));
        }
        is_to_ask_again
    }

    /// When the image of a tag was built, if that is known.
    pub(super) fn time(&self, tag: &str) -> Option<Timestamp> {
        self.known.get(tag).copied().flatten()
    }

    /// Forgets a tag whose image is another one by now.
    pub(super) fn forget(&mut self, tag: &str) {
        self.known.remove(tag);
    }

    fn is_settled(&self, tag: &str) -> bool {
        self.known.contains_key(tag) || self.missing.contains(tag)
    }

    /// Reads the times of tags that were not seen before.
    ///
    /// # Errors
    /// Where they are not all known yet: a part of them elects nobody.
    pub(super) async fn read(
        &mut self,
        tools: &Tools,
        (repository, access): (&str, &Access),
        tags: &HashSet<&str>,
    ) -> Result<(), SourceProblem> {
        let access = access.of_any_image();
        let mut unknown: Vec<&str> = tags.iter().filter(|tag| !self.is_settled(tag)).copied().collect();
        // What had no answer comes last: it keeps nobody from the others.
        unknown.sort_unstable_by_key(|tag| (self.tries_of(tag), *tag));
        let later = unknown.split_off(unknown.len().min(self.left)).len();
        self.left -= unknown.len();
        let (mut silent, mut unanswered, mut is_open) = (0, None, false);
        for tag in unknown {
            if silent < SILENT_TAGS_LIMIT {
                let wanted = Wanted { created: true, ..Wanted::default() };
                let question = tools.ask((repository, &access), Subject::Names, |client| async move {
                    client.resolve_for(tag, wanted).await
                });
                match self.learn(tag, question.await) {
                    Ok(()) => silent = 0,
                    Err(problem) if OF_ONE_TAG.contains(&problem.reason.as_str()) => {
                        silent += 1;
                        unanswered.get_or_insert(problem);
                    }
                    Err(problem) => return Err(problem),
                }
            }
            is_open |= !self.is_settled(tag);
        }
        if let Some(problem) = unanswered.filter(|_| is_open) {
            return Err(problem);
        }
        if later == 0 {
            return Ok(());
        }
        let message = format!("reading build times: {} of {} tags", tags.len() - later, tags.len());
        Err(SourceProblem { reason: READING_BUILD_TIMES.to_owned(), message, unreachable: false })
    }

    fn tries_of(&self, tag: &str) -> u32 {
        self.tries.get(tag).copied().unwrap_or_default()
    }

    fn put_aside(&mut self, tag: &str) {
        // The first of them says when: where one comes after the other, all are asked for again some time.
        if self.missing.is_empty() {
            self.patience = 0;
        }
        self.missing.insert(tag.to_owned());
    }

    fn learn(
        &mut self,
        tag: &str,
        answer: Result<ManifestFacts, SourceProblem>,
    ) -> Result<(), SourceProblem> {
        let built = match answer {
            Ok(facts) => facts.created,
            Err(problem) if OF_ONE_TAG.contains(&problem.reason.as_str()) => {
                let tries = self.tries_of(tag).saturating_add(1);
                self.tries.insert(tag.to_owned(), tries);
                if tries >= TRIES_UNTIL_MISSING && !self.known.is_empty() {
                    self.put_aside(tag);
                }
                return Err(problem);
            }
            Err(problem) if problem.unreachable => return Err(problem),
            Err(problem) if [IMAGE_UNAVAILABLE, BROKEN_IMAGE].contains(&problem.reason.as_str()) => {
                self.put_aside(tag);
                return Ok(());
            }
            Err(_) => None,
        };
        self.tries.remove(tag);
        self.known.insert(tag.to_owned(), built);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(reason: &str, unreachable: bool) -> SourceProblem {
        SourceProblem { reason: reason.to_owned(), message: String::new(), unreachable }
    }

    #[test]
    fn what_is_no_image_is_not_asked_for_again_and_what_is_not_there_yet_is_later() {
        let mut builds = Builds::default();
        assert_eq!(builds.learn("chart", Err(problem("NotAnImage", false))), Ok(()));
        assert_eq!(builds.learn("gone", Err(problem(IMAGE_UNAVAILABLE, false))), Ok(()));
        assert_eq!(builds.learn("broken", Err(problem(BROKEN_IMAGE, false))), Ok(()));
        let away = problem("Unreachable", true);
        assert_eq!(builds.learn("v1", Err(away.clone())), Err(away));
        let known: Vec<&String> = builds.known.keys().collect();
        assert_eq!(known, ["chart"]);
        assert!(builds.is_settled("gone") && !builds.is_settled("v1"), "it holds up nobody");
        for look in 1..=LOOKS_UNTIL_ASKED_AGAIN {
            let is_to_ask_again = builds.begin(["v1", "gone", "broken", "chart"].into_iter());
            assert_eq!(
                is_to_ask_again,
                look == LOOKS_UNTIL_ASKED_AGAIN,
                "although others go missing meanwhile"
            );
            if !is_to_ask_again {
                assert_eq!(builds.learn("v2", Err(problem(IMAGE_UNAVAILABLE, false))), Ok(()));
            }
            assert!(["gone", "broken"].iter().all(|tag| builds.is_settled(tag) != is_to_ask_again));
        }
        assert!(!builds.begin(["v2"].into_iter()));
        assert!(builds.known.is_empty() && builds.tries.is_empty(), "tags that are gone are forgotten");
    }
}
