//! One place: who wants what of it, what was found, and when it is looked at next.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::LazyLock,
};

use jiff::Timestamp;
use voxsync_crds::code_sync::CandidateStatus;

use super::{
    super::{
        awaits::Awaits,
        cadence::{Cadence, of_call},
        memory::Memory,
        place::{Finding, Place},
        tries::Tries,
        verify::{Asked, Lapses},
    },
    job::PlaceId,
    order::Subscriber,
};

/// What is known of a place, and who wants it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) place: Place,
    pub(super) subscribers: HashMap<Subscriber, Wish>,
    pub(super) findings: HashMap<Asked, Finding>,
    /// None while a look is under way.
    pub(super) memory: Option<Memory>,
    pub(super) begun: u64,
    pub(super) ended: u64,
    pub(super) tries: Tries,
    /// Look again at once after the look that is under way: it began too early.
    pub(super) again: bool,
    /// Somebody outside says that there is news, and no look began since.
    pub(super) called: bool,
    /// What failed before does not count from the next look on: a person wants it, or what is looked at changed.
    pub(super) starts_anew: bool,
    pub(super) last: Option<Timestamp>,
    pub(super) next: Option<Timestamp>,
}

/// What a subscriber wants of a place.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) asked: Asked,
    pub(super) cadence: Cadence,
    pub(super) awaits: Awaits,
    /// What is promoted or pinned already, and has to stay verified.
    pub(super) kept: Vec<CandidateStatus>,
    /// Of that, what looks were called for.
    pub(super) lapses: Lapses,
}

impl Row {
    /// A place that nobody looked at yet.
    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            subscribers: HashMap::new(),
            findings: HashMap::new(),
            memory: Some(Memory::default()),
            begun: 0,
            ended: 0,
            tries: Tries::default(),
            again: false,
            called: false,
            starts_anew: false,
            last: None,
            next: None,
        }
    }

    /// When the next look is due by what its subscribers say, and who called; the one in a hurry decides.
    pub(super) fn regular(&self, id: PlaceId, now: Timestamp) -> Option<Timestamp> {
        let Some(last) = self.last else { return Some(now) };
        let chance = chance(id, self.begun);
        let next = self.subscribers.values().filter_map(|wish| wish.cadence.next(last, self.tries, chance));
        let awaited = self.subscribers.values().filter_map(|wish| wish.awaits.next(last));
        let called = self.called.then(|| of_call(last, self.tries, chance));
        next.chain(awaited).chain(called).min().map(|next| next.max(now))
    }

    /// Forgets what was found of what nobody wants any more.
    pub(super) fn forget_unwanted(&mut self) {
        let subscribers = &self.subscribers;
        self.findings.retain(|found, _| subscribers.values().any(|wish| wish.asked == *found));
    }
}

/// A number between 0 and 1 that differs from place to place, from look to look and from process to process: no herd, and
/// none of clusters that start at once.
#[expect(clippy::cast_precision_loss, reason = "any number between 0 and 1 is good")]
pub(super) fn chance(id: PlaceId, look: u64) -> f64 {
    static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    (SEED.hash_one((id, look)) >> 11) as f64 / (1_u64 << 53) as f64
}
