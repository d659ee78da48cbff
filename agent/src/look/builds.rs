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

/// After how many tries in vain a tag is put aside, if its registry answers for others.
const TRIES_UNTIL_PUT_ASIDE: u32 = 5;

/// What is known of the build times of a repository's tags.
#[derive(Debug, Default)]
pub(crate) struct Builds {
    /// None for an image that does not say when it was built, and for what is no image.
    known: HashMap<String, Option<Timestamp>>,
    /// What was asked for in vain.
    lacking: HashMap<String, Lack>,
    /// What was put aside and is to be asked for again, after all else: it holds up nobody.
    again: HashSet<String>,
    /// How many looks there were.
    looks: u32,
    /// How many tags this look may still ask for.
    left: usize,
    /// How many of those that were put aside this look asked for in vain.
    vain: usize,
    /// Whether there is no look after this one, so that one try must do.
    is_of_one_look: bool,
}

/// Why nothing is known of a tag that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lack {
    /// It was listed and not there.
    Missing,
    /// So often there was no answer for it, or none that can be read.
    Unanswered(u32),
}

impl Builds {
    /// For one who looks only once.
    pub(super) fn of_one_look() -> Self {
        Self { is_of_one_look: true, ..Self::default() }
    }

    /// Begins a look at a list of tags: those that are gone are forgotten. Says whether some of the others are to be asked
    /// for again.
    pub(super) fn begin<'a>(&mut self, tags: impl Iterator<Item = &'a str>) -> bool {
        (self.left, self.vain, self.looks) = (TAGS_A_LOOK, 0, self.looks.wrapping_add(1));
        if !(self.known.is_empty() && self.lacking.is_empty()) {
            let present: HashSet<&str> = tags.collect();
            self.known.retain(|tag, _| present.contains(tag.as_str()));
            self.lacking.retain(|tag, _| present.contains(tag.as_str()));
        }
        if self.looks.is_multiple_of(LOOKS_UNTIL_ASKED_AGAIN) {
            self.ask_for_all_again();
        }
        let unanswered = self.lacking.iter().filter(|(_, lack)| **lack != Lack::Missing);
        let again = unanswered.filter(|(tag, _)| self.is_put_aside(tag)).map(|(tag, _)| tag.clone());
        self.again = again.chain(self.again.iter().filter(|tag| self.is_put_aside(tag)).cloned()).collect();
        !self.again.is_empty()
    }

    /// Has all asked for again that was put aside: somebody says that there is news.
    pub(super) fn ask_for_all_again(&mut self) {
        self.again = self.lacking.keys().cloned().collect();
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
        self.known.contains_key(tag) || self.is_put_aside(tag)
    }

    fn is_put_aside(&self, tag: &str) -> bool {
        self.lacking.get(tag).is_some_and(|lack| match lack {
            Lack::Missing => true,
            Lack::Unanswered(tries) => *tries >= self.enough_tries(),
        })
    }

    fn enough_tries(&self) -> u32 {
        if self.is_of_one_look { 1 } else { TRIES_UNTIL_PUT_ASIDE }
    }

    fn tries_of(&self, tag: &str) -> u32 {
        match self.lacking.get(tag) {
            Some(Lack::Unanswered(tries)) => *tries,
            _ => 0,
        }
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
        let place = (repository, &access);
        let mut open = self.in_order(tags.iter().filter(|tag| !self.is_settled(tag)).copied());
        let later = open.split_off(open.len().min(self.left)).len();
        self.left -= open.len();
        let (mut silent, mut in_vain, mut unanswered, mut is_answering) = (0, Vec::new(), None, false);
        for tag in &open {
            if silent >= SILENT_TAGS_LIMIT {
                break;
            }
            match self.learn(tag, ask(tools, place, tag).await) {
                Ok(()) => {
                    silent = 0;
                    is_answering |= self.known.contains_key(*tag);
                }
                Err(problem) if OF_ONE_TAG.contains(&problem.reason.as_str()) => {
                    silent += 1;
                    in_vain.push(*tag);
                    unanswered.get_or_insert(problem);
                }
                Err(problem) => return Err(problem),
            }
        }
        let is_enough = |tag: &&str| self.tries_of(tag) + 1 >= self.enough_tries();
        if !is_answering && in_vain.iter().any(is_enough) {
            is_answering = self.is_answering(tools, place).await;
        }
        for tag in in_vain {
            self.count_try(tag, is_answering);
        }
        if let Some(problem) = unanswered.filter(|_| open.iter().any(|tag| !self.is_settled(tag))) {
            return Err(problem);
        }
        if later > 0 {
            let message = format!("reading build times: {} of {} tags", tags.len() - later, tags.len());
            return Err(SourceProblem {
                reason: READING_BUILD_TIMES.to_owned(),
                message,
                unreachable: false,
            });
        }
        self.read_again(tools, place, tags).await;
        Ok(())
    }

    /// Asks for what was put aside. That it is so still is no problem of the look.
    async fn read_again(&mut self, tools: &Tools, place: (&str, &Access), tags: &HashSet<&str>) {
        for tag in self.in_order(tags.iter().filter(|tag| self.again.contains(**tag)).copied()) {
            if self.left == 0 || self.vain >= SILENT_TAGS_LIMIT {
                break;
            }
            self.left -= 1;
            match self.learn(tag, ask(tools, place, tag).await) {
                Ok(()) => self.vain += usize::from(self.tries_of(tag) > 0),
                Err(problem) if OF_ONE_TAG.contains(&problem.reason.as_str()) => {
                    self.vain += 1;
                    self.count_try(tag, true);
                }
                // It wants to be left alone.
                Err(_) => self.vain = SILENT_TAGS_LIMIT,
            }
        }
    }

    /// What had no answer comes last: it keeps nobody from the others.
    fn in_order<'a>(&self, tags: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        let mut tags: Vec<&str> = tags.collect();
        tags.sort_unstable_by_key(|tag| (self.lacking.get(*tag).copied(), *tag));
        tags
    }

    /// Whether the registry still has answers for tags that it had some for.
    async fn is_answering(&self, tools: &Tools, place: (&str, &Access)) -> bool {
        let known = self.known.iter().filter(|(_, built)| built.is_some());
        for (tag, _) in known.take(SILENT_TAGS_LIMIT) {
            if ask(tools, place, tag).await.is_ok() {
                return true;
            }
        }
        false
    }

    /// One more try in vain. While the registry answers for no other, nothing is put aside.
    fn count_try(&mut self, tag: &str, is_answering: bool) {
        let most = if is_answering { u32::MAX } else { self.enough_tries() - 1 };
        let tries = self.tries_of(tag).saturating_add(1).min(most);
        self.lacking.insert(tag.to_owned(), Lack::Unanswered(tries));
    }

    fn learn(
        &mut self,
        tag: &str,
        answer: Result<ManifestFacts, SourceProblem>,
    ) -> Result<(), SourceProblem> {
        self.again.remove(tag);
        let built = match answer {
            Ok(facts) => facts.created,
            Err(problem) if problem.unreachable => return Err(problem),
            Err(problem) if problem.reason == IMAGE_UNAVAILABLE => {
                self.lacking.insert(tag.to_owned(), Lack::Missing);
                return Ok(());
            }
            Err(problem) if problem.reason == BROKEN_IMAGE => {
                let tries = self.tries_of(tag).saturating_add(1).max(TRIES_UNTIL_PUT_ASIDE);
                self.lacking.insert(tag.to_owned(), Lack::Unanswered(tries));
                return Ok(());
            }
            Err(_) => None,
        };
        self.lacking.remove(tag);
        self.known.insert(tag.to_owned(), built);
        Ok(())
    }
}

async fn ask(tools: &Tools, place: (&str, &Access), tag: &str) -> Result<ManifestFacts, SourceProblem> {
    let wanted = Wanted { created: true, ..Wanted::default() };
    let question =
        tools.ask(place, Subject::Names, |client| async move { client.resolve_for(tag, wanted).await });
    question.await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(reason: &str, unreachable: bool) -> SourceProblem {
        SourceProblem { reason: reason.to_owned(), message: String::new(), unreachable }
    }

    #[test]
    fn what_is_no_image_is_not_asked_for_again_and_what_is_broken_or_not_there_yet_is() {
        let mut builds = Builds::default();
        assert_eq!(builds.learn("chart", Err(problem("NotAnImage", false))), Ok(()));
        let away = problem("Unreachable", true);
        assert_eq!(builds.learn("v1", Err(away.clone())), Err(away));
        let known: Vec<&String> = builds.known.keys().collect();
        assert_eq!(known, ["chart"]);
        for look in 1..=2 * LOOKS_UNTIL_ASKED_AGAIN {
            assert_eq!(builds.learn("gone", Err(problem(IMAGE_UNAVAILABLE, false))), Ok(()));
            assert_eq!(builds.learn("broken", Err(problem(BROKEN_IMAGE, false))), Ok(()));
            assert!(["gone", "broken"].iter().all(|tag| builds.is_settled(tag)), "they hold up nobody");
            assert!(builds.begin(["v1", "gone", "broken", "chart"].into_iter()));
            let again: HashSet<&str> = builds.again.iter().map(String::as_str).collect();
            let is_turn = look % LOOKS_UNTIL_ASKED_AGAIN == 0;
            assert_eq!(again, ["broken"].into_iter().chain(is_turn.then_some("gone")).collect());
        }
        assert!(!builds.is_settled("v1"));
        assert!(!builds.begin(["v2"].into_iter()));
        assert!(builds.known.is_empty() && builds.lacking.is_empty(), "tags that are gone are forgotten");
    }
}
