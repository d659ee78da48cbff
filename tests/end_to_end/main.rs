//! The end-to-end suite: one binary, each test written once and run on the sandbox and on a real control plane.
//!
//! `cargo test --test end_to_end` runs all of it, `cargo test --test end_to_end cluster::` one side. Where there is no
//! Go toolchain to build the control plane with, its tests are listed as ignored with the reason; with `CI=true` they
//! must run or fail.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this binary is a test; clippy only knows functions marked #[test]"
)]

mod audit;
mod bad_input;
mod conditions;
mod credentials;
mod decisions;
mod foundations;
mod git;
mod harness;
mod holds;
mod objects;
mod outages;
mod process;
mod promotion;
mod reconciler;
mod reconciler_modes;
mod reconciler_obstacles;
mod reconciler_stages;
mod reconciler_template;
mod sources;

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::run(&[
        ("foundations", foundations::CASES),
        ("promotion", promotion::CASES),
        ("decisions", decisions::CASES),
        ("holds", holds::CASES),
        ("conditions", conditions::CASES),
        ("sources", sources::CASES),
        ("git", git::CASES),
        ("credentials", credentials::CASES),
        ("outages", outages::CASES),
        ("bad_input", bad_input::CASES),
        ("objects", objects::CASES),
        ("process", process::CASES),
        ("audit", audit::CASES),
        ("reconciler", reconciler::CASES),
        ("reconciler_template", reconciler_template::CASES),
        ("reconciler_obstacles", reconciler_obstacles::CASES),
        ("reconciler_modes", reconciler_modes::CASES),
        ("reconciler_stages", reconciler_stages::CASES),
    ])
}
