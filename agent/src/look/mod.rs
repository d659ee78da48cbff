//! Looks at sources: one for all CodeSync objects that want the same of the same place.
//!
//! Reading order: `place` (what is looked at, and what for), `plan` (from a spec to that), `cadence` and `tries` (when), `looks`
//! (who shares what, synchronous), `memory` (what makes an idle look one request), `carry_out` (the look itself), with
//! `registry`, `git`, `image` and `verify` for what it asks whom.
//!
//! Only `carry_out` and what it calls talk to anybody, and they only read.

mod advice;
mod awaits;
mod builds;
mod cadence;
mod carry_out;
mod clients;
mod confirm;
mod git;
mod git_server;
mod github;
mod image;
mod looks;
mod memory;
pub(crate) mod place;
mod plan;
mod registry;
mod tools;
mod tries;
mod verify;

pub(crate) use cadence::Cadence;
pub use cadence::{NextLook, next_look};
pub(crate) use carry_out::carry_out;
pub(crate) use image::digest_of;
pub(crate) use looks::{Job, Looks, Order, PlaceId, Purpose, Report, Subscriber, Urgency};
pub(crate) use memory::Memory;
pub(crate) use plan::{plan, registry_access};
pub(crate) use registry::listed;
pub(crate) use tools::Tools;
pub(crate) use verify::Asked;
