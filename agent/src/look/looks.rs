//! Who wants what of which place, when it is due, and what was found. Synchronous, with time passed in: the
//! controller carries the looks out.
//!
//! Equal places are one row, looked at once for all; what was found stays until nobody wants it any more.

mod job;
mod known;
mod order;
mod row;

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use voxsync_crds::code_sync::CandidateStatus;
use voxsync_promotion::Awaited;

use super::{
    awaits::Sought,
    memory::Memory,
    place::{Finding, Place, UNREACHABLE, Want, problem},
    tries::Tries,
    verify::Asked,
};
use crate::key::CodeSyncKey;
pub(crate) use job::{Job, PlaceId, Report};
pub(crate) use order::{Order, Purpose, Subscriber, Urgency};
use row::{Row, Wish, chance};

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
        let before = before.map(|wish| (wish.awaits, wish.kept, wish.lapses));
        let (awaits, kept, lapses) = before.unwrap_or_default();
        row.subscribers.insert(subscriber.clone(), Wish { asked, cadence, awaits, kept, lapses });
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

    /// Says what a subscriber has to stay verified, from the next look on: that is now, where no verdict on it counts.
    pub(crate) fn keep(&mut self, subscriber: &Subscriber, kept: Vec<CandidateStatus>, now: Timestamp) {
        let Some(id) = self.subscriptions.get(subscriber).map(|subscription| subscription.id) else { return };
        let Some(row) = self.rows.get_mut(&id) else { return };
        let Some(wish) = row.subscribers.get_mut(subscriber) else { return };
        wish.kept = kept;
        if wish.lapses.call_for_a_look(&wish.kept, &wish.asked, &row.findings, now) {
            row.called = true;
            let next = row.next.into_iter().chain(row.regular(id, now)).min();
            self.reschedule(id, next);
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

    /// Looks because somebody outside says that there is news: at once, or soon where a look began just now or failed. However
    /// often that is said, there is one look at a time, and one more after it.
    pub(crate) fn call(&mut self, subscriber: &Subscriber, now: Timestamp) {
        let Some(id) = self.subscriptions.get(subscriber).map(|subscription| subscription.id) else { return };
        let Some(row) = self.rows.get_mut(&id) else { return };
        row.called = true;
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
        row.last = Some(now);
        let (is_called, starts_anew) =
            (std::mem::take(&mut row.called), std::mem::take(&mut row.starts_anew));
        if starts_anew {
            row.tries = Tries::default();
        }
        let is_afresh = is_called || starts_anew;
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

    /// A look ended without a report: its memory is lost, and it failed for all who wanted it. Gives back who has to decide
    /// again.
    pub(crate) fn broke_off(&mut self, id: PlaceId, now: Timestamp) -> BTreeSet<CodeSyncKey> {
        let wishes = self.rows.get(&id).into_iter().flat_map(|row| row.subscribers.values());
        let asked: HashSet<Asked> = wishes.map(|wish| wish.asked.clone()).collect();
        let message =
            "the look at it broke off, by a mistake in voxsync itself: its log says which; it is tried again";
        let finding = Finding::problem(problem(UNREACHABLE, message.to_owned(), true));
        let findings = asked.into_iter().map(|asked| (asked, finding.clone())).collect();
        self.end(Report { id, findings, memory: Memory::default() }, now)
    }

    fn row_of(&mut self, place: Place) -> PlaceId {
        if let Some(id) = self.ids.get(&place) {
            return *id;
        }
        self.last_id += 1;
        let id = self.last_id;
        self.ids.insert(place.clone(), id);
        self.rows.insert(id, Row::new(place));
        id
    }

    fn look_at_once(&mut self, id: PlaceId, now: Timestamp) {
        if let Some(row) = self.rows.get_mut(&id) {
            row.starts_anew = true;
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

#[cfg(test)]
#[path = "looks_tests.rs"]
mod tests;
