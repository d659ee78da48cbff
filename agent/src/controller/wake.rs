//! Who is to be decided on: each at most once, and none while its pass is under way. Time is passed in.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use jiff::Timestamp;

use crate::key::CodeSyncKey;

/// Who is to be decided on, now or at a time.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    awake: VecDeque<CodeSyncKey>,
    /// The same as in `awake`, for a quick answer.
    listed: HashSet<CodeSyncKey>,
    at_work: HashSet<CodeSyncKey>,
    timers: BTreeSet<(Timestamp, CodeSyncKey)>,
    set: HashMap<CodeSyncKey, Timestamp>,
}

impl Wakes {
    /// Wakes these now.
    pub(crate) fn wake(&mut self, keys: impl IntoIterator<Item = CodeSyncKey>) {
        for key in keys {
            if self.listed.insert(key.clone()) {
                self.awake.push_back(key);
            }
        }
    }

    /// Wakes this one at a time, or not at all by time.
    pub(crate) fn wake_at(&mut self, key: &CodeSyncKey, time: Option<Timestamp>) {
        if let Some(present) = self.set.remove(key) {
            self.timers.remove(&(present, key.clone()));
        }
        if let Some(time) = time {
            self.set.insert(key.clone(), time);
            self.timers.insert((time, key.clone()));
        }
    }

    /// Wakes this one at a time, or when it was to be woken anyway if that is sooner.
    pub(crate) fn wake_by(&mut self, key: &CodeSyncKey, time: Timestamp) {
        let sooner = self.set.get(key).map_or(time, |present| time.min(*present));
        self.wake_at(key, Some(sooner));
    }

    /// The next to be decided on.
    pub(crate) fn next(&mut self, now: Timestamp) -> Option<CodeSyncKey> {
        while let Some((time, key)) = self.timers.first().cloned() {
            if time > now {
                break;
            }
            self.wake_at(&key, None);
            self.wake([key]);
        }
        let place = self.awake.iter().position(|key| !self.at_work.contains(key))?;
        let key = self.awake.remove(place)?;
        self.listed.remove(&key);
        Some(key)
    }

    /// A pass began: what wakes this one from now on waits for its end.
    pub(crate) fn begin(&mut self, key: CodeSyncKey) {
        self.at_work.insert(key);
    }

    /// A pass ended.
    pub(crate) fn end(&mut self, key: &CodeSyncKey) {
        self.at_work.remove(key);
    }

    /// When the next timer ends.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.timers.first().map(|(time, _)| *time)
    }

    /// How many are awake.
    pub(crate) fn len(&self) -> usize {
        self.awake.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> CodeSyncKey {
        CodeSyncKey { namespace: "puppet".to_owned(), name: name.to_owned() }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn each_is_decided_on_once_and_not_while_its_pass_is_under_way() {
        let mut wakes = Wakes::default();
        wakes.wake([key("a"), key("b"), key("a")]);
        assert_eq!(wakes.next(at(0)), Some(key("a")));
        wakes.begin(key("a"));
        wakes.wake([key("a")]);
        assert_eq!(wakes.next(at(0)), Some(key("b")));
        assert_eq!(wakes.next(at(0)), None);
        wakes.end(&key("a"));
        assert_eq!(wakes.next(at(0)), Some(key("a")));
        assert_eq!(wakes.next(at(0)), None);
    }

    #[test]
    fn timers_wake() {
        let mut wakes = Wakes::default();
        wakes.wake_at(&key("a"), Some(at(10)));
        wakes.wake_by(&key("a"), at(20));
        assert_eq!((wakes.next(at(9)), wakes.next_due()), (None, Some(at(10))));
        assert_eq!(wakes.next(at(10)), Some(key("a")));
        wakes.wake_at(&key("a"), Some(at(30)));
        wakes.wake_at(&key("a"), None);
        assert_eq!((wakes.next(at(99)), wakes.next_due()), (None, None));
    }
}
