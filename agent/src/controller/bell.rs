//! Who asks for a look from outside: a webhook that was received, for instance.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::key::CodeSyncKey;

/// How many CodeSyncs can have rung before somebody hears it.
const RUNG_LIMIT: usize = 100_000;

/// Asks for looks: whoever rings it for a CodeSync wants its source to be looked at now. To ring again before it was heard
/// is to ring once, so a flood is no more than one look. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct LookBell(Arc<Bell>);

#[derive(Debug, Default)]
struct Bell {
    state: Mutex<State>,
    rung: Notify,
}

#[derive(Debug, Default)]
struct State {
    is_heard: bool,
    keys: BTreeSet<CodeSyncKey>,
}

/// Hears a bell until it is dropped.
#[derive(Debug)]
pub struct Listener(LookBell);

impl LookBell {
    /// Asks for a look. Says whether there is somebody who hears it; without one, nothing is remembered.
    #[must_use = "where nobody hears it, there is no look"]
    pub fn ring(&self, key: &CodeSyncKey) -> bool {
        let mut state = self.state();
        let is_taken = state.is_heard && (state.keys.len() < RUNG_LIMIT || state.keys.contains(key));
        if is_taken && !state.keys.contains(key) {
            state.keys.insert(key.clone());
            self.0.rung.notify_one();
        }
        is_taken
    }

    /// Hears it from now on, until what is given back is dropped. One at a time.
    pub fn listen(&self) -> Listener {
        self.state().is_heard = true;
        Listener(self.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// Waits until somebody rings, and gives for whom.
    pub async fn heard(&mut self) -> BTreeSet<CodeSyncKey> {
        loop {
            // Before the look at what there is, so that nothing rings between the two without being heard.
            let rung = self.0.0.rung.notified();
            let keys = std::mem::take(&mut self.0.state().keys);
            if !keys.is_empty() {
                return keys;
            }
            rung.await;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        *self.0.state() = State::default();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn key(name: &str) -> CodeSyncKey {
        CodeSyncKey { namespace: "puppet".to_owned(), name: name.to_owned() }
    }

    #[test]
    fn a_flood_is_heard_once() {
        let bell = LookBell::default();
        let mut listener = bell.listen();
        for _ in 0..10_000 {
            assert!(bell.ring(&key("a")) && bell.clone().ring(&key("b")));
        }
        assert_eq!(listener.heard().now_or_never(), Some([key("a"), key("b")].into()));
        assert_eq!(listener.heard().now_or_never(), None);
        assert!(bell.ring(&key("a")));
        assert_eq!(listener.heard().now_or_never(), Some([key("a")].into()));
    }

    #[test]
    fn who_rings_is_told_that_nobody_hears_it() {
        let bell = LookBell::default();
        assert!(!bell.ring(&key("a")));
        let listener = bell.listen();
        assert!(bell.ring(&key("a")));
        drop(listener);
        assert!(!bell.ring(&key("b")));
        assert_eq!(bell.listen().heard().now_or_never(), None, "what nobody heard is forgotten");
    }

    #[test]
    fn is_bounded() {
        let bell = LookBell::default();
        let _listener = bell.listen();
        for number in 0..RUNG_LIMIT {
            assert!(bell.ring(&key(&number.to_string())));
        }
        assert!(!bell.ring(&key("one more")) && bell.ring(&key("0")));
    }
}
