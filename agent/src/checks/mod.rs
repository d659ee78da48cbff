//! Checks of stages: when each is asked, and who asks it. (`check` is the verb of people who try a CodeSync.)
//!
//! A decision says which checks are to be asked from now on; `schedule` asks each at its interval and remembers its last
//! answer, `times` says how long all of that may be (both pure: time is passed in), `ask` and `job` are the shells that do it. What is remembered may be lost: a
//! process that starts asks all anew, and finds the Jobs that another one made.

mod ask;
mod job;
mod schedule;
mod times;

pub(crate) use ask::{CheckTools, NamedSecrets, carry_out};
pub(crate) use schedule::{Checks, Order as CheckOrder, Reply};
pub(crate) use times::check_timeouts;
