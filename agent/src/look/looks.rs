//! Who wants what of which place, when it is due, and what was found. Synchronous, with time passed in: the
//! controller carries the looks out.
//!
//! Equal places are one row, looked at once for all; what was found stays until nobody wants it any more.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasher as _, RandomState},
    sync::LazyLock,
    time::Duration,
};

use jiff::Timestamp;
use voxsync_crds::{CodeReference, code_sync::CandidateStatus};
use voxsync_promotion::Awaited;

use super::{
    awaits::{Awaits, Sought},
    cadence::Cadence,
    memory::Memory,
    place::{Finding, Place, Want},
    tries::Tries,
    verify::{Asked, Kept, VerifyQuery},
};
use crate::key::CodeSyncKey;

/// How long between two looks that are called for, from the begin of the one to that of the next: who calls may be a flood.
const CALL_PAUSE: Duration = Duration::from_secs(1);

/// Who wants a look.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Subscriber {
    pub(crate) key: CodeSyncKey,
    pub(crate) purpose: Purpose,
}

/// What a CodeSync looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// Candidates.
    Source,
    /// The image that a person pinned.
    Pin,
}

/// What a subscriber wants, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) place: Place,
    pub(crate) want: Want,
    /// By which signatures what is found is judged.
    pub(crate) verify: Option<VerifyQuery>,
    pub(crate) cadence: Cadence,
}

/// Whether a first look may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// It is new: look at once.
    AtOnce,
    /// The process just started: spread.
    Spread,
}

/// A look to carry out.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: PlaceId,
    pub(crate) place: Place,
    pub(crate) asked: Vec<Asked>,
    /// Whether what Secrets and `ConfigMap`s held before is not believed: somebody called, perhaps who changed one.
    pub(crate) is_afresh: bool,
    /// What is to be judged whatever is found.
    pub(crate) kept: Vec<Kept>,
    /// The tags that somebody waits for.
    pub(crate) sought: HashMap<Want, Sought>,
    pub(crate) begun: Timestamp,
    pub(crate) memory: Memory,
}

/// A look that was carried out: a finding for all that the job asks.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) id: PlaceId,
    pub(crate) findings: Vec<(Asked, Finding)>,
    pub(crate) memory: Memory,
}

/// The times of looks, for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookTimes {
    /// When the last look began.
    pub last: Option<Timestamp>,
    /// When the next one is due; none while one is under way.
    pub next: Option<Timestamp>,
}

/// Names a place for as long as somebody wants it.
pub(crate) type PlaceId = u64;

/// All looks.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    ids: HashMap<Place, PlaceId>,
    rows: HashMap<PlaceId, Row>,
    due: BTreeSet<(Timestamp, PlaceId)>,
    subscriptions: HashMap<Subscriber, Subscription>,
    last_id: PlaceId,
}

#[derive(Debug)]
struct Row {
    place: Place,
    subscribers: HashMap<Subscriber, Wish>,
    findings: HashMap<Asked, Finding>,
    /// None while a look is under way.
    memory: Option<Memory>,
    begun: u64,
    ended: u64,
    tries: Tries,
    /// Look again at once after the look that is under way: it began too early.
    again: bool,
    /// Somebody outside says that there is news, and no look began since.
    called: bool,
    /// The next look is one that somebody wants now: what failed before does not count.
    is_afresh: bool,
    last: Option<Timestamp>,
    next: Option<Timestamp>,
}

/// What a subscriber wants of a place.
#[derive(Debug)]
struct Wish {
    asked: Asked,
    cadence: Cadence,
    awaits: Awaits,
    /// What is promoted or pinned already, and has to stay verified.
    kept: Vec<CandidateStatus>,
}

#[derive(Debug)]
struct Subscription {
    id: PlaceId,
    /// The look that a person asked for, and the count of looks with which it is done.
    requested: Option<(String, u64)>,
}

impl Looks {
    /// Says what a subscriber wants from now on, in the place of what it wanted before.
    pub(crate) fn subscribe(
        &mut self,
        subscriber: &Subscriber,
        order: Order,
        urgency: Urgency,
        now: Timestamp,
    ) {
        let Order { place, want, verify, cadence } = order;
        let asked = Asked { want, verify };
        let id = self.row_of(place);
        if self.subscriptions.get(subscriber).is_none_or(|present| present.id != id) {
            self.unsubscribe(subscriber);
            self.subscriptions.insert(subscriber.clone(), Subscription { id, requested: None });
        }
        let Some(row) = self.rows.get_mut(&id) else { return };
        let first = match urgency {
            Urgency::AtOnce => now,
            Urgency::Spread => cadence.first_after_start(now, chance(id, 0)),
        };
        let is_known = row.findings.contains_key(&asked);
        let before = row.subscribers.remove(subscriber);
        let (awaits, kept) = before.map(|wish| (wish.awaits, wish.kept)).unwrap_or_default();
        row.subscribers.insert(subscriber.clone(), Wish { asked, cadence, awaits, kept });
        row.forget_unwanted();
        let next = match (is_known, row.next) {
            // What is wanted at once stays so, whoever comes meanwhile.
            (true, Some(next)) if next <= now => Some(next),
            (true, _) => row.regular(id, now),
            (false, Some(next)) => Some(next.min(first)),
            (false, None) => Some(first),
        };
        self.reschedule(id, next);
    }

    /// Forgets a subscriber, and its place if nobody else wants it.
    pub(crate) fn unsubscribe(&mut self, subscriber: &Subscriber) {
        let Some(Subscription { id, .. }) = self.subscriptions.remove(subscriber) else { return };
        let Some(row) = self.rows.get_mut(&id) else { return };
        row.subscribers.remove(subscriber);
        row.forget_unwanted();
        if row.subscribers.is_empty() {
            self.reschedule(id, None);
            if let Some(row) = self.rows.remove(&id) {
                self.ids.remove(&row.place);
            }
        }
    }

    /// Says which tags a subscriber waits for from now on.
    pub(crate) fn wait_for(&mut self, subscriber: &Subscriber, awaited: Vec<Awaited>, now: Timestamp) {
        let Some(id) = self.subscriptions.get(subscriber).map(|subscription| subscription.id) else { return };
        let Some(row) = self.rows.get_mut(&id) else { return };
        let wish = row.subscribers.get_mut(subscriber).filter(|wish| !wish.awaits.are(&awaited));
        let Some(wish) = wish else { return };
        let is_due = wish.awaits.replace(awaited, now);
        // The first look comes anyway.
        if row.last.is_some() {
            row.called |= is_due;
            let next = row.next.into_iter().chain(row.regular(id, now)).min();
            self.reschedule(id, next);
        }
    }

    /// Says what a subscriber has to stay verified, from the next look on.
    pub(crate) fn keep(&mut self, subscriber: &Subscriber, kept: Vec<CandidateStatus>) {
        let Some(id) = self.subscriptions.get(subscriber).map(|subscription| subscription.id) else { return };
        let wish = self.rows.get_mut(&id).and_then(|row| row.subscribers.get_mut(subscriber));
        if let Some(wish) = wish {
            wish.kept = kept;
        }
    }

    /// Asks for a look because a person wants one. Says whether a look that began after that is done; the same
    /// request again asks for nothing.
    pub(crate) fn request(&mut self, subscriber: &Subscriber, request: &str, now: Timestamp) -> bool {
        let Some(subscription) = self.subscriptions.get_mut(subscriber) else { return true };
        let id = subscription.id;
        let Some(row) = self.rows.get(&id) else { return true };
        match &subscription.requested {
            Some((present, done_with)) if present == request => return row.ended >= *done_with,
            _ => subscription.requested = Some((request.to_owned(), row.begun + 1)),
        }
        self.look_at_once(id, now);
        false
    }

    /// Looks at a place at once, because something said that it changed.
    pub(crate) fn nudge(&mut self, place: &Place, now: Timestamp) {
        if let Some(id) = self.ids.get(place).copied() {
            self.look_at_once(id, now);
        }
    }

    /// Looks because somebody outside says that there is news: at once, or soon where a look began just now. However often
    /// that is said, there is one look at a time, and one more after it.
    pub(crate) fn call(&mut self, subscriber: &Subscriber, now: Timestamp) {
        let Some(id) = self.subscriptions.get(subscriber).map(|subscription| subscription.id) else { return };
        let Some(row) = self.rows.get_mut(&id) else { return };
        row.called = true;
        row.is_afresh = true;
        let next = row.next.into_iter().chain(row.regular(id, now)).min();
        self.reschedule(id, next);
    }

    /// A look that is due, if there is one; it is under way from now on.
    pub(crate) fn begin(&mut self, now: Timestamp) -> Option<Job> {
        let (_, id) = *self.due.first().filter(|(due, _)| *due <= now)?;
        self.reschedule(id, None);
        let kept = self.kept(id);
        let row = self.rows.get_mut(&id)?;
        let memory = row.memory.take()?;
        row.begun += 1;
        row.called = false;
        row.last = Some(now);
        let is_afresh = std::mem::take(&mut row.is_afresh);
        if is_afresh {
            row.tries = Tries::default();
        }
        let mut asked: Vec<Asked> = Vec::new();
        let mut sought: HashMap<Want, Sought> = HashMap::new();
        for wish in row.subscribers.values() {
            if !asked.contains(&wish.asked) {
                asked.push(wish.asked.clone());
            }
            if !wish.awaits.are(&[]) {
                wish.awaits.seek(sought.entry(wish.asked.want.clone()).or_default(), now);
            }
        }
        Some(Job { id, place: row.place.clone(), asked, is_afresh, kept, sought, begun: now, memory })
    }

    /// What has to stay verified for those who look at a place. What a person pinned is got at as their pin is.
    fn kept(&self, id: PlaceId) -> Vec<Kept> {
        let of = |(subscriber, wish): (&Subscriber, &Wish)| {
            let pin = Subscriber { key: subscriber.key.clone(), purpose: Purpose::Pin };
            let pin = self.subscriptions.get(&pin).and_then(|pin| self.rows.get(&pin.id));
            let pin = pin.map(|row| row.place.clone());
            let asked = wish.asked.clone();
            let kept = wish.kept.iter().filter_map(move |candidate| {
                let is_pinned = candidate.source_revision.is_none();
                let pin = if is_pinned { Some(pin.clone()?) } else { None };
                Some(Kept { asked: asked.clone(), pin, candidate: candidate.clone() })
            });
            kept.collect::<Vec<_>>()
        };
        self.rows.get(&id).into_iter().flat_map(|row| &row.subscribers).flat_map(of).collect()
    }

    /// Takes in what a look found. Gives back who has to decide again.
    pub(crate) fn end(&mut self, report: Report, now: Timestamp) -> BTreeSet<CodeSyncKey> {
        let id = report.id;
        let mut told = BTreeSet::new();
        let Some(row) = self.rows.get_mut(&id) else { return told };
        row.memory = Some(report.memory);
        row.ended = row.begun;
        let mut is_complete = !report.findings.iter().any(|(_, finding)| finding.is_part());
        row.tries.count(&report.findings, now);
        let mut changed = Vec::new();
        for (want, finding) in report.findings {
            let known = row.findings.get(&want);
            let finding = finding.after(known);
            if known != Some(&finding) {
                row.findings.insert(want.clone(), finding);
                changed.push(want);
            }
        }
        if !changed.is_empty() {
            row.tries.hear_news(now);
        }
        row.forget_unwanted();
        is_complete &= !std::mem::take(&mut row.again);
        for (subscriber, Wish { asked: want, .. }) in &row.subscribers {
            let requested = self.subscriptions.get(subscriber).and_then(|one| one.requested.as_ref());
            let is_answered = requested.is_some_and(|(_, done_with)| *done_with == row.ended);
            if is_answered || changed.contains(want) {
                told.insert(subscriber.key.clone());
            }
            is_complete &= row.findings.contains_key(want);
        }
        let is_of_pin = |(subscriber, wish): &(&Subscriber, &Wish)| {
            subscriber.purpose == Purpose::Pin && changed.contains(&wish.asked)
        };
        let pins: Vec<Subscriber> =
            row.subscribers.iter().filter(is_of_pin).map(|(one, _)| one.clone()).collect();
        let next = if is_complete { row.regular(id, now) } else { Some(now) };
        self.reschedule(id, next);
        for pin in pins {
            self.hear_of_keys(pin, now);
        }
        told
    }

    /// Looks at the source at once if its pin was judged by other keys: all counts only by those of the source.
    fn hear_of_keys(&mut self, pin: Subscriber, now: Timestamp) {
        let by = |subscriber: &Subscriber| self.finding(subscriber)?.judged_by.clone();
        let of_pin = by(&pin);
        let source = Subscriber { purpose: Purpose::Source, ..pin };
        if let (Some(of_pin), Some(of_source)) = (of_pin, by(&source))
            && of_pin != of_source
            && let Some(id) = self.subscriptions.get(&source).map(|subscription| subscription.id)
        {
            self.look_at_once(id, now);
        }
    }

    /// A look ended without a report: its memory is lost, and it counts as failed.
    pub(crate) fn broke_off(&mut self, id: PlaceId, now: Timestamp) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        row.memory = Some(Memory::default());
        row.ended = row.begun;
        row.tries.count_broken();
        let next = row.regular(id, now);
        self.reschedule(id, next);
    }

    /// How often a subscriber looks.
    pub(crate) fn cadence(&self, subscriber: &Subscriber) -> Option<&Cadence> {
        Some(&self.wish(subscriber)?.1.cadence)
    }

    /// What is known of what a subscriber wants; `None` before its first look.
    pub(crate) fn finding(&self, subscriber: &Subscriber) -> Option<&Finding> {
        let (row, wish) = self.wish(subscriber)?;
        row.findings.get(&wish.asked)
    }

    /// What the tags are that a subscriber waits for, as far as they were asked for since they had to be.
    pub(crate) fn confirmed(&self, subscriber: &Subscriber) -> Vec<CodeReference> {
        let confirmed = |(row, wish): (&Row, &Wish)| {
            Some(wish.awaits.confirmed(&row.findings.get(&wish.asked)?.confirmed))
        };
        self.wish(subscriber).and_then(confirmed).unwrap_or_default()
    }

    fn wish(&self, subscriber: &Subscriber) -> Option<(&Row, &Wish)> {
        let row = self.rows.get(&self.subscriptions.get(subscriber)?.id)?;
        Some((row, row.subscribers.get(subscriber)?))
    }

    /// When the next look is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The places that are looked at now.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.ids.keys()
    }

    /// The times of the looks at the source of each CodeSync of a place.
    pub(crate) fn times(&self, id: PlaceId) -> impl Iterator<Item = (&CodeSyncKey, LookTimes)> {
        self.rows.get(&id).into_iter().flat_map(|row| {
            let times = LookTimes { last: row.last, next: row.next };
            let sources = row.subscribers.keys().filter(|subscriber| subscriber.purpose == Purpose::Source);
            sources.map(move |subscriber| (&subscriber.key, times))
        })
    }

    fn row_of(&mut self, place: Place) -> PlaceId {
        if let Some(id) = self.ids.get(&place) {
            return *id;
        }
        self.last_id += 1;
        let id = self.last_id;
        self.ids.insert(place.clone(), id);
        let row = Row {
            place,
            subscribers: HashMap::new(),
            findings: HashMap::new(),
            memory: Some(Memory::default()),
            begun: 0,
            ended: 0,
            tries: Tries::default(),
            again: false,
            called: false,
            is_afresh: false,
            last: None,
            next: None,
        };
        self.rows.insert(id, row);
        id
    }

    fn look_at_once(&mut self, id: PlaceId, now: Timestamp) {
        if let Some(row) = self.rows.get_mut(&id) {
            row.is_afresh = true;
            if row.memory.is_some() {
                self.reschedule(id, Some(now));
            } else {
                row.again = true;
            }
        }
    }

    /// While a look is under way nothing is due: its end says what is next.
    fn reschedule(&mut self, id: PlaceId, next: Option<Timestamp>) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        if let Some(present) = row.next.take() {
            self.due.remove(&(present, id));
        }
        if let Some(next) = next.filter(|_| row.memory.is_some()) {
            row.next = Some(next);
            self.due.insert((next, id));
        }
    }
}

impl Row {
    /// When the next look is due by what its subscribers say, and who called; the one in a hurry decides.
    fn regular(&self, id: PlaceId, now: Timestamp) -> Option<Timestamp> {
        let Some(last) = self.last else { return Some(now) };
        let chance = chance(id, self.begun);
        let next = self.subscribers.values().filter_map(|wish| wish.cadence.next(last, self.tries, chance));
        let awaited = self.subscribers.values().filter_map(|wish| wish.awaits.next(last));
        let called = self.called.then(|| last.checked_add(CALL_PAUSE).unwrap_or(last));
        next.chain(awaited).chain(called).min().map(|next| next.max(now))
    }

    fn forget_unwanted(&mut self) {
        let subscribers = &self.subscribers;
        self.findings.retain(|found, _| subscribers.values().any(|wish| wish.asked == *found));
    }
}

/// A number between 0 and 1 that differs from place to place, from look to look and from process to process: no herd, and
/// none of clusters that start at once.
#[expect(clippy::cast_precision_loss, reason = "any number between 0 and 1 is good")]
fn chance(id: PlaceId, look: u64) -> f64 {
    static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    (SEED.hash_one((id, look)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
#[path = "looks_tests.rs"]
mod tests;
