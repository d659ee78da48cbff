//! What is due later, on tokio's clock.
//!
//! Holds each task once, at its earliest time.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::{Instant, sleep_until};

use super::Task;

/// Tasks in the order in which they are due.
#[derive(Default)]
pub(crate) struct Agenda {
    due: BTreeSet<(Instant, Task)>,
    times: BTreeMap<Task, Instant>,
}

impl Agenda {
    /// Adds a task, unless it is due earlier already.
    pub(crate) fn add(&mut self, at: Instant, task: Task) {
        if let Some(&earlier) = self.times.get(&task) {
            if earlier <= at {
                return;
            }
            self.due.remove(&(earlier, task.clone()));
        }
        self.times.insert(task.clone(), at);
        self.due.insert((at, task));
    }

    /// Waits for the next task; for ever where there is none. Nothing is lost when it is not waited for.
    pub(crate) async fn next(&mut self) -> Task {
        match self.due.first() {
            Some(&(at, _)) => sleep_until(at).await,
            None => std::future::pending().await,
        }
        match self.due.pop_first() {
            Some((_, task)) => {
                self.times.remove(&task);
                task
            }
            None => std::future::pending().await,
        }
    }
}
