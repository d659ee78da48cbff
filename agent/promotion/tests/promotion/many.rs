//! `minimumAge` where better ones come faster than they get old enough: always one is the next, and it comes true.

use std::collections::BTreeMap;

use jiff::Timestamp;
use voxsync_crds::{code_sync::CandidateStatus, duration::DurationText};
use voxsync_promotion::{RIPENING_LIMIT, awaited};

use super::world::{World, candidate, candidate_at, digest};

const MINUTE: i64 = 60;
const AGE: i64 = 60 * MINUTE;
/// The most that one place of the list may span, where the places are spread over an hour.
const SPREAD: i64 = 10 * MINUTE;

/// A registry that gets better and better tags.
struct Stream {
    world: World,
    /// When each patch version was pushed.
    pushed: BTreeMap<usize, Timestamp>,
    /// What the status says is old enough, and when.
    named: Option<(usize, Timestamp)>,
}

fn patch(tag: &str) -> usize {
    tag.strip_prefix("v2.0.").unwrap().parse().unwrap()
}

impl Stream {
    fn new() -> Self {
        let mut world = World::promoted();
        world.spec.minimum_age = Some(DurationText("1h".into()));
        world.observed.generation += 1;
        world.settle();
        Self { world, pushed: BTreeMap::new(), named: None }
    }

    fn push(&mut self, patch: usize) {
        self.pushed.insert(patch, self.world.now);
    }

    /// As a look has it: the best ones, and what is awaited.
    fn look(&mut self) {
        let world = &mut self.world;
        let awaited = awaited(&world.spec, &world.status, true);
        let is_awaited = |tag: &str| awaited.iter().any(|awaited| awaited.reference.tag() == Some(tag));
        let tags = self.pushed.keys().rev().map(|patch| format!("v2.0.{patch}"));
        let listed = tags.enumerate().filter(|(rank, tag)| *rank < RIPENING_LIMIT || is_awaited(tag));
        let mut found: Vec<CandidateStatus> = listed.map(|(_, tag)| candidate(&tag)).collect();
        found.push(candidate("v1.4.2"));
        world.finds_candidate(found.remove(0));
        world.observed.source.next_best = found;
        world.settle();
    }

    /// What the canary runs.
    fn runs(&self) -> Option<usize> {
        let tag = self.world.tags().swap_remove(0);
        (tag != "v1.4.2").then(|| patch(&tag))
    }

    fn check(&mut self) {
        let now = self.world.now;
        let age_of = |patch: usize| now.duration_since(self.pushed[&patch]).as_secs();
        let runs = self.runs();
        assert!(runs.is_none_or(|patch| age_of(patch) >= AGE), "{runs:?} is too young");
        assert!(self.world.status.ripening.len() <= RIPENING_LIMIT);
        if let Some((patch, _)) = self.named.filter(|(_, until)| *until <= now) {
            assert!(runs >= Some(patch), "v2.0.{patch} was said to be old enough by now, and {runs:?} runs");
        }
        let row = self.world.status.waiting.iter().find(|row| row.reason == "MinimumAge");
        self.named = row.map(|row| {
            let tag = row.message.split(' ').next().unwrap();
            (patch(tag), row.until.unwrap().timestamp())
        });
    }
}

#[test]
fn with_a_new_one_every_minute_what_runs_is_never_much_older_than_it_must_be() {
    let mut stream = Stream::new();
    for minute in 0..300 {
        stream.push(usize::try_from(minute).unwrap());
        stream.look();
        stream.check();
        if minute > 60 {
            let pushed = stream.pushed[&stream.runs().expect("something of the stream")];
            let age = stream.world.now.duration_since(pushed).as_secs();
            assert!(age <= AGE + SPREAD, "{age} seconds, minute {minute}");
        }
        stream.world.passes(MINUTE);
    }
}

#[test]
fn a_look_that_finds_nothing_new_changes_nothing_however_many_there_are() {
    let mut stream = Stream::new();
    for patch in 0..50 {
        stream.push(patch);
        stream.look();
        stream.world.passes(MINUTE);
    }
    stream.look();
    stream.world.forget();
    for _ in 0..5 {
        stream.world.passes(10);
        stream.look();
    }
    assert_eq!(stream.world.status_writes, 0);
}

#[test]
fn one_in_the_middle_that_is_pushed_again_is_not_what_it_was() {
    let mut stream = Stream::new();
    for patch in 0..40 {
        stream.push(patch);
        stream.look();
        stream.world.passes(MINUTE);
    }
    let next = stream.world.status.ripening.last().unwrap().clone();
    let again = candidate_at(&next.name, &digest("evil"));
    for found in &mut stream.world.observed.source.next_best {
        if found.name == next.name {
            *found = again.clone();
        }
    }
    stream.world.settle();
    assert!(stream.world.status.ripening.iter().all(|kept| kept.digest != next.digest));
    assert!(stream.world.event("TagMoved").contains(&format!("the tag {} of ", next.name)));
}

/// Some number below the limit: the same for the same story and place in it.
fn chance(story: usize, place: usize, limit: usize) -> usize {
    let digits = digest(&format!("{story} {place}"));
    usize::from_str_radix(&digits[14..22], 16).unwrap() % limit
}

/// They come in bursts, and some are lower than others that are there; a look is a minute.
#[test]
fn what_the_status_names_comes_true() {
    for story in 0..5 {
        let mut stream = Stream::new();
        let mut highest = 100;
        for minute in 0..150 {
            for number in 0..chance(story, minute, 4) {
                highest += 1;
                let is_lower = chance(story, minute * 10 + number + 1000, 3) == 0;
                let patch = if is_lower { highest - chance(story, highest, 30) } else { highest };
                if !stream.pushed.contains_key(&patch) {
                    stream.push(patch);
                }
            }
            if !stream.pushed.is_empty() {
                stream.look();
                stream.check();
            }
            stream.world.passes(MINUTE);
        }
        assert!(stream.runs().is_some(), "story {story}, of {} tags", stream.pushed.len());
    }
}
