//! What can be read of the looks.

use jiff::Timestamp;
use voxsync_crds::CodeReference;

use super::{
    super::{
        cadence::Cadence,
        place::{Finding, Place},
        verify::Kept,
    },
    Looks,
    job::PlaceId,
    order::{Purpose, Subscriber},
    row::{Row, Wish},
};

impl Looks {
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

    /// What has to stay verified for those who look at a place. What a person pinned is got at as their pin is.
    pub(super) fn kept(&self, id: PlaceId) -> Vec<Kept> {
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
}
