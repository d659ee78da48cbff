//! What waits to be sent: in order, not too fast, tried again, and given up in the end. Pure: the time is passed in.
//!
//! There is a line for each place that letters go to, and one letter of it is under way at a time. A line that is too long
//! loses its oldest letters; the next one says how many. Letters are of an owner: one owner cannot fill a line that it
//! shares with others, and each owner hears for itself that its letters do not arrive.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    hash::Hash,
    time::Duration,
};

use tokio::time::Instant;
use voxsync_source::pause;

use crate::{
    Failure,
    send::{Again, LONGEST_WAIT},
};

/// One letter a second goes to a place, which is what Slack allows
/// (<https://docs.slack.dev/apis/web-api/rate-limits>, "Incoming webhooks").
const INTERVAL: Duration = Duration::from_secs(1);
/// How long nothing must have gone there for ten letters to go at once: these are the nine before the last.
const BURST: Duration = Duration::from_secs(9);
/// How many letters wait for one place.
const LINE_LIMIT: usize = 32;
/// How many of them are of one owner.
const OWNER_LIMIT: usize = 16;
/// How many letters wait in all.
const LIMIT: usize = 1_024;
/// How many places are remembered; above that, those for which nothing waits are forgotten.
const PLACES_LIMIT: usize = 4_096;
/// How long a letter is tried.
const TRY_TIME: Duration = Duration::from_mins(10);
/// The pause after a first failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between tries.
const LONGEST_PAUSE: Duration = Duration::from_mins(2);
/// How often a letter is refused before it is given up. What is refused once may be so because of a Secret that was changed
/// in the last minute.
const REFUSALS: u32 = 2;

/// What waits to be sent: letters `L` of owners `O` to places `P`.
#[derive(Debug)]
pub struct Queue<P, O, L> {
    lines: HashMap<P, Line<O, L>>,
}

#[derive(Debug)]
struct Line<O, L> {
    letters: VecDeque<Waiting<O, L>>,
    under_way: Option<Waiting<O, L>>,
    /// How many were left out since one arrived that said so.
    left_out: usize,
    /// When the last one would have gone at a steady pace.
    paced_to: Instant,
    not_before: Instant,
    failures: u32,
    /// Who knows that letters do not arrive.
    told: BTreeSet<O>,
}

#[derive(Debug)]
struct Waiting<O, L> {
    owner: O,
    letter: L,
    until: Instant,
    refusals: u32,
    /// How many it says were left out before it.
    left_out: usize,
}

/// A letter that is to be sent now.
#[derive(Debug, PartialEq, Eq)]
pub struct Due<P, L> {
    /// Where to.
    pub place: P,
    /// What.
    pub letter: L,
    /// How many were left out before it.
    pub left_out: usize,
}

/// How a try ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended<O, L> {
    /// It arrived.
    Sent,
    /// It failed; what has had its time will not arrive, all else is tried again.
    Failed(Vec<Lost<O, L>>),
}

/// A letter that will not arrive.
#[derive(Debug, PartialEq, Eq)]
pub struct Lost<O, L> {
    /// Whose it was.
    pub owner: O,
    /// What it was.
    pub letter: L,
    /// Whether it is the first of this owner since one arrived there.
    pub is_news: bool,
}

impl<P, O, L> Default for Queue<P, O, L> {
    fn default() -> Self {
        Self { lines: HashMap::new() }
    }
}

impl<P, O, L> Queue<P, O, L>
where
    P: Clone + Eq + Hash,
    O: Clone + Ord,
    L: Clone,
{
    /// Takes a letter in; gives back how many it cost, itself perhaps.
    pub fn put(&mut self, place: &P, owner: O, letter: L, now: Instant) -> usize {
        let is_full = self.len() >= LIMIT;
        if self.lines.len() >= PLACES_LIMIT {
            self.lines.retain(|_, line| !line.is_idle());
        }
        let line = self.lines.entry(place.clone()).or_insert_with(|| Line::new(now));
        line.put(Waiting { owner, letter, until: now + TRY_TIME, refusals: 0, left_out: 0 }, is_full)
    }

    /// The next letter that may go now.
    pub fn take(&mut self, now: Instant) -> Option<Due<P, L>> {
        let due = self.lines.iter_mut().filter(|(_, line)| line.due().is_some_and(|due| due <= now));
        let (place, line) = due.min_by_key(|(_, line)| line.due())?;
        let mut waiting = line.letters.pop_front()?;
        line.paced_to = line.paced_to.max(now) + INTERVAL;
        waiting.left_out = line.left_out;
        let due = Due { place: place.clone(), letter: waiting.letter.clone(), left_out: waiting.left_out };
        line.under_way = Some(waiting);
        Some(due)
    }

    /// When the next letter may go; none where nothing waits but for what is under way.
    pub fn next_due(&self) -> Option<Instant> {
        self.lines.values().filter_map(Line::due).min()
    }

    /// How many letters wait or are under way.
    pub fn len(&self) -> usize {
        let of = |line: &Line<O, L>| line.letters.len() + usize::from(line.under_way.is_some());
        self.lines.values().map(of).sum()
    }

    /// Whether nothing waits and nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.lines.values().all(Line::is_idle)
    }

    /// Takes in how the try of the letter ended that was under way to a place.
    pub fn ended(&mut self, place: &P, result: Result<(), &Failure>, now: Instant) -> Ended<O, L> {
        let line = self.lines.get_mut(place);
        let Some((line, waiting)) = line.and_then(|line| line.under_way.take().map(|it| (line, it))) else {
            return Ended::Failed(Vec::new());
        };
        match result {
            Ok(()) => {
                line.left_out = line.left_out.saturating_sub(waiting.left_out);
                line.failures = 0;
                line.told.clear();
                Ended::Sent
            }
            Err(failure) => Ended::Failed(line.failed(waiting, failure.again, now)),
        }
    }
}

impl<O: Clone + Ord, L> Line<O, L> {
    fn new(now: Instant) -> Self {
        Self {
            letters: VecDeque::new(),
            under_way: None,
            left_out: 0,
            paced_to: now,
            not_before: now,
            failures: 0,
            told: BTreeSet::new(),
        }
    }

    fn is_idle(&self) -> bool {
        self.letters.is_empty() && self.under_way.is_none()
    }

    fn due(&self) -> Option<Instant> {
        let is_free = self.under_way.is_none() && !self.letters.is_empty();
        let paced = self.paced_to.checked_sub(BURST).unwrap_or(self.not_before);
        is_free.then_some(self.not_before.max(paced))
    }

    fn put(&mut self, waiting: Waiting<O, L>, is_full: bool) -> usize {
        let of_owner = |one: &Waiting<O, L>| one.owner == waiting.owner;
        let oldest_of_owner = self.letters.iter().position(of_owner);
        let makes_way = if self.letters.iter().filter(|one| of_owner(one)).count() >= OWNER_LIMIT {
            oldest_of_owner
        } else if is_full || self.letters.len() >= LINE_LIMIT {
            Some(0)
        } else {
            None
        };
        let costs = usize::from(makes_way.is_some());
        self.left_out = self.left_out.saturating_add(costs);
        // Where all is full and this place has nothing to give, the letter itself is left out.
        if makes_way.is_none_or(|at| self.letters.remove(at).is_some()) {
            self.letters.push_back(waiting);
        }
        costs
    }

    fn failed(&mut self, mut waiting: Waiting<O, L>, again: Again, now: Instant) -> Vec<Lost<O, L>> {
        self.failures = self.failures.saturating_add(1);
        let mut rest = pause(FIRST_PAUSE, self.failures, LONGEST_PAUSE);
        match again {
            Again::Later(asked) => rest = rest.max(asked.unwrap_or_default().min(LONGEST_WAIT)),
            Again::Never => waiting.refusals += 1,
        }
        self.not_before = now + rest;
        if waiting.refusals >= REFUSALS {
            waiting.until = now;
        }
        self.letters.push_front(waiting);
        let (lost, kept) = std::mem::take(&mut self.letters)
            .into_iter()
            .partition(|one: &Waiting<O, L>| one.until <= self.not_before);
        self.letters = kept;
        let lost: VecDeque<Waiting<O, L>> = lost;
        let of = |Waiting { owner, letter, .. }| {
            let is_news = self.told.insert(O::clone(&owner));
            Lost { owner, letter, is_news }
        };
        lost.into_iter().map(of).collect()
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
