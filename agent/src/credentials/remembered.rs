//! What was read of Secrets and `ConfigMap`s, for as long as it is believed. Pure: time is passed in.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::secret::{Kind, SecretKeys};

/// How long a Secret is believed.
const AGE_LIMIT: Duration = Duration::from_mins(1);
/// How many Secrets are remembered; more than that means that most are no longer used.
const REMEMBERED_LIMIT: usize = 10_000;

/// Kind, namespace and name.
pub(super) type Key = (Kind, String, String);

/// What was read.
#[derive(Default)]
pub(super) struct Remembered(HashMap<Key, Kept>);

struct Kept {
    /// When it was asked for: it may be changed before the answer is here. Or when it was forgotten.
    at: Instant,
    /// None where it was forgotten.
    keys: Option<Arc<SecretKeys>>,
}

impl Remembered {
    /// What was read at most a minute ago, and not forgotten since.
    pub(super) fn get(&self, key: &Key, now: Instant) -> Option<Arc<SecretKeys>> {
        let kept = self.0.get(key).filter(|kept| now.saturating_duration_since(kept.at) < AGE_LIMIT)?;
        kept.keys.clone()
    }

    /// Keeps an answer; not one that was asked for before somebody forgot what was there: it may be the same.
    pub(super) fn keep(&mut self, key: Key, keys: Arc<SecretKeys>, asked_at: Instant) {
        if self.0.get(&key).is_none_or(|kept| kept.at < asked_at) {
            self.put(key, Kept { at: asked_at, keys: Some(keys) });
        }
    }

    /// Believes what was read until now no longer, whenever the answer comes.
    pub(super) fn forget(&mut self, key: Key, now: Instant) {
        self.put(key, Kept { at: now, keys: None });
    }

    fn put(&mut self, key: Key, kept: Kept) {
        if self.0.len() >= REMEMBERED_LIMIT && !self.0.contains_key(&key) {
            self.0.clear();
        }
        self.0.insert(key, kept);
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Secret;

    use super::*;
    use crate::look::place::SecretName;

    fn key(name: &str) -> Key {
        (Kind::Secret, "puppet".to_owned(), name.to_owned())
    }

    fn read() -> Arc<SecretKeys> {
        let name = SecretName { namespace: "puppet", name: "login" };
        Arc::new(SecretKeys::of(name, Secret::default()))
    }

    #[test]
    fn an_answer_that_was_asked_for_before_it_was_forgotten_is_not_kept() {
        let (mut remembered, start) = (Remembered::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        let (old, new) = (read(), read());
        remembered.forget(key("login"), after(1));
        remembered.keep(key("login"), old.clone(), after(0));
        assert!(remembered.get(&key("login"), after(2)).is_none());
        remembered.keep(key("login"), new.clone(), after(2));
        remembered.keep(key("login"), old, after(0));
        let kept = remembered.get(&key("login"), after(3)).unwrap();
        assert!(Arc::ptr_eq(&kept, &new), "the newest answer counts, not the last one");
        remembered.forget(key("login"), after(4));
        assert!(remembered.get(&key("login"), after(4)).is_none());
    }

    #[test]
    fn what_was_read_is_believed_for_a_minute() {
        let (mut remembered, start) = (Remembered::default(), Instant::now());
        remembered.keep(key("login"), read(), start);
        let just_before = (start + AGE_LIMIT).checked_sub(Duration::from_millis(1)).unwrap();
        assert!(remembered.get(&key("login"), just_before).is_some());
        assert!(remembered.get(&key("login"), start + AGE_LIMIT).is_none());
        assert!(remembered.get(&key("other"), start).is_none());
    }
}
