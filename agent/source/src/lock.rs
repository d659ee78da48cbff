//! Locks over data that is whole at all times: a panic while one was held spoils nothing.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, whatever happened to who held it before.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
