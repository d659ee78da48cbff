//! The tags that CodeSyncs wait for: looks go on asking for them, and once more when they are old enough.

use std::collections::BTreeMap;

use jiff::Timestamp;
use voxsync_crds::CodeReference;
use voxsync_promotion::Awaited;

/// Tags that a look asks for besides the best; each with the time since which it must have been asked for again, where
/// that has come.
pub(crate) type Sought = BTreeMap<CodeReference, Option<Timestamp>>;

/// A tag that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Confirmed {
    /// The tag, with the digest that it had.
    pub(crate) reference: CodeReference,
    /// When the look began that asked.
    pub(crate) at: Timestamp,
}

/// The tags that one subscriber waits for.
#[derive(Debug, Default)]
pub(crate) struct Awaits(Vec<Await>);

#[derive(Debug)]
struct Await {
    awaited: Awaited,
    /// Since when it must have been asked for again: what was asked before somebody wanted to know is too old.
    since: Option<Timestamp>,
}

impl Awaits {
    /// Whether it is exactly these.
    pub(crate) fn are(&self, awaited: &[Awaited]) -> bool {
        self.0.iter().map(|one| &one.awaited).eq(awaited)
    }

    /// Takes others. Says whether one of them that is new is to be asked for at once.
    pub(crate) fn replace(&mut self, awaited: Vec<Awaited>, now: Timestamp) -> bool {
        let known = std::mem::take(&mut self.0);
        let mut is_due = false;
        for awaited in awaited {
            let since = known.iter().find(|known| known.awaited == awaited).map_or_else(
                || {
                    is_due |= awaited.from.is_some_and(|from| from <= now);
                    awaited.from.map(|from| from.max(now))
                },
                |known| known.since,
            );
            self.0.push(Await { awaited, since });
        }
        is_due
    }

    /// The next time after a look at which one of them is to be asked for.
    pub(crate) fn next(&self, last: Timestamp) -> Option<Timestamp> {
        self.0.iter().filter_map(|one| one.since).filter(|since| *since > last).min()
    }

    /// Adds them to what a look that begins now asks for.
    pub(crate) fn seek(&self, sought: &mut Sought, now: Timestamp) {
        for Await { awaited, since } in &self.0 {
            let latest = sought.entry(awaited.reference.clone()).or_default();
            *latest = (*latest).max(since.filter(|since| *since <= now));
        }
    }

    /// Those of them that were asked for since they had to be.
    pub(crate) fn confirmed(&self, all: &[Confirmed]) -> Vec<CodeReference> {
        let is_one = |awaited: &CodeReference, confirmed: &CodeReference| {
            awaited.repository() == confirmed.repository() && awaited.tag() == confirmed.tag()
        };
        let is_recent = |confirmed: &&Confirmed| {
            let mut meant = self.0.iter().filter(|one| is_one(&one.awaited.reference, &confirmed.reference));
            meant.any(|one| one.since.is_some_and(|since| since <= confirmed.at))
        };
        all.iter().filter(is_recent).map(|confirmed| confirmed.reference.clone()).collect()
    }
}
