//! The reconciler: makes the code part of each Server's pod template right.
//!
//! It owns exactly one thing of a Server, its code. It never creates a Deployment, and writes nothing of one but
//! what [`voxsync_rollout::template`] says. [`run()`] is the shell; what it does to a Server is decided by pure
//! functions, with the time passed in:
//!
//! ```text
//! changes ──▶ queue ──▶ pass: plan (pure) ──▶ write ──▶ memory ──▶ queue
//! ```

mod clock;
mod event;
mod finding;
mod gate;
mod hold;
mod memory;
mod metrics;
mod mode;
mod pass;
mod plan;
mod queue;
mod run;
mod tell;
mod trace;
mod write;

pub use metrics::Metrics;
pub use mode::Mode;
pub use run::{Error, Options, run};
