//! When each source was looked at, and when it will be: facts of the process, which no idle look writes anywhere.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{key::CodeSyncKey, look::LookTimes};

/// When the source of each CodeSync was looked at, and when it will be. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct LookBoard(Arc<Mutex<HashMap<CodeSyncKey, LookTimes>>>);

impl LookBoard {
    /// The times of a CodeSync's source; `None` before its first look.
    pub fn get(&self, key: &CodeSyncKey) -> Option<LookTimes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    pub(crate) fn set<'a>(&self, times: impl Iterator<Item = (&'a CodeSyncKey, LookTimes)>) {
        let mut board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, times) in times {
            match board.get_mut(key) {
                Some(present) => *present = times,
                None => {
                    board.insert(key.clone(), times);
                }
            }
        }
    }

    pub(crate) fn forget(&self, key: &CodeSyncKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}
