//! What is to be looked at, and when: each key once, the earliest time wins, and never two at a time for one key.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    hash::Hash,
};

use tokio::time::Instant;

/// Keys with the time at which each is due.
#[derive(Debug)]
pub(crate) struct Queue<K> {
    order: BTreeSet<(Instant, K)>,
    due: HashMap<K, Instant>,
    taken: HashSet<K>,
    /// Pushed while they were taken.
    again: HashMap<K, Instant>,
}

impl<K: Clone + Eq + Hash + Ord> Queue<K> {
    pub(crate) fn new() -> Self {
        Self { order: BTreeSet::new(), due: HashMap::new(), taken: HashSet::new(), again: HashMap::new() }
    }

    /// Asks for a look at that time, or earlier if that was asked for before.
    pub(crate) fn push(&mut self, key: K, at: Instant) {
        if self.taken.contains(&key) {
            let again = self.again.entry(key).or_insert(at);
            *again = at.min(*again);
            return;
        }
        match self.due.get(&key) {
            Some(due) if *due <= at => return,
            Some(due) => {
                self.order.remove(&(*due, key.clone()));
            }
            None => {}
        }
        self.due.insert(key.clone(), at);
        self.order.insert((at, key));
    }

    /// Takes the first key that is due; nobody gets it again before it is [`Queue::done`].
    pub(crate) fn take(&mut self, now: Instant) -> Option<K> {
        let (at, _) = self.order.first()?;
        if *at > now {
            return None;
        }
        let (_, key) = self.order.pop_first()?;
        self.due.remove(&key);
        self.taken.insert(key.clone());
        Some(key)
    }

    /// Gives a key back.
    pub(crate) fn done(&mut self, key: &K) {
        self.taken.remove(key);
        if let Some(at) = self.again.remove(key) {
            self.push(key.clone(), at);
        }
    }

    /// When the first key is due.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// How many keys wait.
    pub(crate) fn len(&self) -> usize {
        self.order.len() + self.again.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn keeps_the_earliest_time_of_each_key() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let mut queue = Queue::new();
        queue.push("a", now + 2 * second);
        queue.push("b", now + second);
        queue.push("a", now);
        queue.push("a", now + 5 * second);
        assert_eq!((queue.len(), queue.next_at()), (2, Some(now)));
        assert_eq!((queue.take(now), queue.take(now)), (Some("a"), None));
        assert_eq!(queue.take(now + second), Some("b"));
    }

    #[test]
    fn never_gives_out_a_key_twice_at_a_time() {
        let now = Instant::now();
        let mut queue = Queue::new();
        queue.push("a", now);
        assert_eq!(queue.take(now), Some("a"));
        queue.push("a", now + Duration::from_secs(1));
        queue.push("a", now);
        assert_eq!((queue.take(now), queue.len()), (None, 1));
        queue.done(&"a");
        assert_eq!(queue.take(now), Some("a"));
        queue.done(&"a");
        assert_eq!((queue.take(now), queue.len()), (None, 0));
    }
}
