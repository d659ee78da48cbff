//! The promotion's state machine in a model world: each decision by table, and all of them together by simulation.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy knows test functions, not the helpers beside them"
)]

mod adoption;
mod advice;
mod after_release;
mod approvals;
mod bounds;
mod candidates;
mod checks;
mod conditions;
mod emergency;
mod forecast;
mod gates;
mod giving_back;
mod holds;
mod joining;
mod leaving;
mod manual_rollback;
mod many;
mod namespaces;
mod progress;
mod quarantine;
mod ripening;
mod rollback;
mod simulation;
mod stages;
mod takeover;
mod tried_again;
mod verified;
mod windows;
mod world;
