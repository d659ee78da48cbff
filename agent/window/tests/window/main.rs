//! What windows say to a stage: tables by hand, and a slow reference beside the real thing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "clippy knows test functions, not the helpers beside them"
)]

mod daylight;
mod fuzz;
mod reference;
mod said;
mod spec;
