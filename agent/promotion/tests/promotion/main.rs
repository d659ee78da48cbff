//! The promotion's state machine in a model world: each decision by table, and all of them together by simulation.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy knows test functions, not the helpers beside them"
)]

mod adoption;
mod bounds;
mod candidates;
mod conditions;
mod gates;
mod holds;
mod leaving;
mod many;
mod ripening;
mod rollback;
mod simulation;
mod stages;
mod verified;
mod world;
