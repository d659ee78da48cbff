//! Looks at sources: one for all CodeSync objects that want the same of the same place.
//!
//! Reading order: `place` (what is looked at, and what for), `plan` (from a spec to that), `cadence` (when), `looks`
//! (who shares what, synchronous), `memory` (what makes an idle look one request), `carry_out` (the look itself), with
//! `registry`, `git` and `image` for what it asks whom.
//!
//! Only `carry_out` and what it calls talk to anybody, and they only read.

mod cadence;
mod carry_out;
mod git;
mod image;
mod looks;
mod memory;
mod permits;
pub(crate) mod place;
mod plan;
mod registry;
mod tools;

pub(crate) use carry_out::carry_out;
pub use looks::LookTimes;
pub(crate) use looks::{Looks, PlaceId, Purpose, Report, Subscriber, Urgency};
pub(crate) use plan::plan;
pub(crate) use tools::Tools;
