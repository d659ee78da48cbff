//! When stages may start: the windows of a `CodeSync`, as pure functions of the time.
//!
//! Nothing here reads a clock or a file: time is passed in, and time zones are those that were built in, so that a laptop
//! and an image without any zone files answer the same.
//!
//! Reading order: `zone`, `recurrence` (the times that a cron names, through changes of the clock), `period` (from when
//! until when), `windows` (all of a `CodeSync`, and what they say to a stage).
//!
//! What changes of the clock do is what calendars do (RFC 5545, 3.3.5), not what schedulers of jobs do, of which some skip
//! what falls into the hour that is not there, and some run twice what falls into the one that comes again:
//! - A local time that is not there counts as if the clock had not been changed yet: 02:30 becomes 03:30.
//! - A local time that comes twice is the first of the two. Only a cron that names each hour of the day (`*`) names both.
//! - A duration is time that passes.

mod period;
mod recurrence;
mod windows;
mod zone;

pub use period::PeriodError;
pub use recurrence::{Recurrence, RecurrenceError};
pub use windows::{Closed, Standing, WindowError, Windows};

/// How far ahead anything is looked for. What comes later than that never comes.
const REACH_DAYS: u32 = 3660;
