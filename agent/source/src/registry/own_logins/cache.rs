//! What a credential provider said, for as long as it may be believed. Pure: time is passed in.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde::Deserialize;
use tokio::time::Instant;

use crate::registry::Repository;

/// How many answers are remembered.
const ANSWERS_LIMIT: usize = 1000;

/// For what an answer is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Reach {
    /// The image alone.
    Image,
    /// All images of its registry.
    Registry,
    /// All images.
    Global,
}

/// Answers of one provider.
#[derive(Debug)]
pub(super) struct Cache<T>(HashMap<Option<String>, (Instant, Arc<T>)>);

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl Reach {
    /// Image names have a path, registries do not, and all images have no name.
    fn key(self, repository: &Repository) -> Option<String> {
        match self {
            Self::Image => Some(repository.to_string()),
            Self::Registry => Some(repository.host().to_owned()),
            Self::Global => None,
        }
    }
}

const REACHES: [Reach; 3] = [Reach::Image, Reach::Registry, Reach::Global];

impl<T> Cache<T> {
    pub(super) fn get(&self, repository: &Repository, now: Instant) -> Option<Arc<T>> {
        let known = REACHES.iter().filter_map(|reach| self.0.get(&reach.key(repository)));
        known.into_iter().find(|(until, _)| now < *until).map(|(_, answer)| Arc::clone(answer))
    }

    pub(super) fn insert(
        &mut self,
        repository: &Repository,
        reach: Reach,
        answer: Arc<T>,
        age: Duration,
        now: Instant,
    ) {
        if self.0.len() >= ANSWERS_LIMIT {
            self.0.retain(|_, (until, _)| now < *until);
        }
        if self.0.len() >= ANSWERS_LIMIT {
            self.0.clear();
        }
        if let Some(until) = now.checked_add(age) {
            self.0.insert(reach.key(repository), (until, answer));
        }
    }

    /// The last answer of this reach, however old it is.
    pub(super) fn last(&self, repository: &Repository, reach: Reach) -> Option<&T> {
        self.0.get(&reach.key(repository)).map(|(_, answer)| &**answer)
    }

    /// Forgets those answers for a repository that are such.
    pub(super) fn forget(&mut self, repository: &Repository, is_such: impl Fn(&T) -> bool) {
        for key in REACHES.map(|reach| reach.key(repository)) {
            if self.0.get(&key).is_some_and(|(_, answer)| is_such(answer)) {
                self.0.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Reach::Image, [true, false, false])]
    #[case(Reach::Registry, [true, true, false])]
    #[case(Reach::Global, [true, true, true])]
    fn answers_reach_as_far_as_they_say(#[case] reach: Reach, #[case] wanted: [bool; 3]) {
        let now = Instant::now();
        let mut cache = Cache::default();
        let names = ["r.example/a/b", "r.example/a/c", "other.example/a/b"];
        let repositories = names.map(|name| name.parse::<Repository>().unwrap());
        cache.insert(&repositories[0], reach, Arc::new(()), Duration::from_secs(10), now);
        let later = now + Duration::from_secs(9);
        let known = |cache: &Cache<()>, now| {
            let known = repositories.iter().map(|repository| cache.get(repository, now).is_some());
            known.collect::<Vec<_>>()
        };
        assert_eq!(known(&cache, later), wanted);
        assert_eq!(known(&cache, now + Duration::from_secs(10)), [false; 3]);
        cache.forget(&repositories[0], |()| false);
        assert_eq!(known(&cache, later), wanted);
        cache.forget(&repositories[0], |()| true);
        assert_eq!(known(&cache, later), [false; 3]);
    }

    #[test]
    fn it_is_bounded() {
        let now = Instant::now();
        let mut cache = Cache::default();
        for number in 0..3 * ANSWERS_LIMIT {
            let repository = format!("r.example/{number}").parse().unwrap();
            cache.insert(&repository, Reach::Image, Arc::new(()), Duration::from_hours(12), now);
        }
        assert!(cache.0.len() <= ANSWERS_LIMIT);
    }
}
