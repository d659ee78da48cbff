//! When the images of tags were built. That costs requests, so it is read once for each tag, and a part of a long list at
//! each look.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use voxsync_promotion::SourceProblem;
use voxsync_source::registry::{ManifestFacts, Subject, Wanted};

use super::{
    place::{Access, IMAGE_UNAVAILABLE, READING_BUILD_TIMES},
    tools::Tools,
};

/// How many tags are asked for at one look.
pub(super) const TAGS_A_LOOK: usize = 50;

/// After how many looks what was not there is asked for again.
const LOOKS_UNTIL_ASKED_AGAIN: u32 = 10;

/// What is known of the build times of a repository's tags.
#[derive(Debug, Default)]
pub(crate) struct Builds {
    /// None for an image that does not say when it was built, and for what is no image.
    known: HashMap<String, Option<Timestamp>>,
    /// What was listed and not there. It holds up nobody, and is asked for again after some looks.
    missing: HashSet<String>,
    /// How many looks ago one of them was asked for.
    patience: u32,
    /// How many tags this look may still ask for.
    left: usize,
}

impl Builds {
    /// Begins a look at a list of tags: those that are gone are forgotten.
    pub(super) fn begin<'a>(&mut self, tags: impl Iterator<Item = &'a str>) {
        self.left = TAGS_A_LOOK;
        self.patience = self.patience.saturating_add(1);
        if self.patience >= LOOKS_UNTIL_ASKED_AGAIN {
            self.missing.clear();
        }
        if !self.known.is_empty() {
            let present: HashSet<&str> = tags.collect();
            self.known.retain(|tag, _| present.contains(tag.as_str()));
        }
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
        unknown.sort_unstable();
        let later = unknown.split_off(unknown.len().min(self.left)).len();
        self.left -= unknown.len();
        for tag in unknown {
            let wanted = Wanted { created: true, ..Wanted::default() };
            let question = tools.ask((repository, &access), Subject::Names, |client| async move {
                client.resolve_for(tag, wanted).await
            });
            self.learn(tag, question.await)?;
        }
        if later == 0 {
            return Ok(());
        }
        let message = format!("reading build times: {} of {} tags", tags.len() - later, tags.len());
        Err(SourceProblem { reason: READING_BUILD_TIMES.to_owned(), message, unreachable: false })
    }

    fn learn(
        &mut self,
        tag: &str,
        answer: Result<ManifestFacts, SourceProblem>,
    ) -> Result<(), SourceProblem> {
        let built = match answer {
            Ok(facts) => facts.created,
            Err(problem) if problem.unreachable => return Err(problem),
            Err(problem) if problem.reason == IMAGE_UNAVAILABLE => {
                self.missing.insert(tag.to_owned());
                self.patience = 0;
                return Ok(());
            }
            Err(_) => None,
        };
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
        let away = problem("Unreachable", true);
        assert_eq!(builds.learn("v1", Err(away.clone())), Err(away));
        let known: Vec<&String> = builds.known.keys().collect();
        assert_eq!(known, ["chart"]);
        assert!(builds.is_settled("gone") && !builds.is_settled("v1"), "it holds up nobody");
        for look in 1..=LOOKS_UNTIL_ASKED_AGAIN {
            builds.begin(["v1", "gone", "chart"].into_iter());
            assert_eq!(builds.is_settled("gone"), look < LOOKS_UNTIL_ASKED_AGAIN);
        }
        builds.begin(["v1"].into_iter());
        assert!(builds.known.is_empty(), "tags that are gone are forgotten");
    }
}
