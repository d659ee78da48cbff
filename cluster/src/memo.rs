//! What was worked out of rows, for as long as they are the same rows.
//!
//! Whenever one of hundreds of Servers changes, it is asked how far all of them are; what that is worked out of has to
//! be unpacked.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

/// A value, with the arrivals of the rows that it was worked out of.
pub(crate) struct Memo<T>(Mutex<Option<(Box<[u64]>, T)>>);

impl<T: Clone> Memo<T> {
    /// The value of these rows, worked out where it is not known. `arrivals` must name all that it depends on.
    pub(crate) fn get_or(&self, arrivals: Vec<u64>, work_out: impl FnOnce() -> T) -> T {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((of, value)) if **of == *arrivals => value.clone(),
            _ => {
                let value = work_out();
                *known = Some((arrivals.into(), value.clone()));
                value
            }
        }
    }
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Clone for Memo<T> {
    /// Arrivals are counted by each copy for itself: nothing is taken along.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<T> fmt::Debug for Memo<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Memo")
    }
}
