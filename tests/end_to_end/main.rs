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

mod across_namespaces;
mod after_release;
mod argocd;
mod audit;
mod bad_input;
mod beside;
mod chain;
mod check;
mod checks;
mod conditions;
mod crash;
mod credentials;
mod decisions;
mod decisions_shown;
mod each_write;
mod failover;
mod foundations;
mod gates;
mod gates_ending;
mod gates_orphaned;
mod git;
mod git_image;
mod harness;
mod holds;
mod images;
mod leadership;
mod manifests;
mod minimum_age;
mod notifications;
mod objects;
mod outages;
mod people;
mod plan;
mod policies;
mod process;
mod promotion;
mod quiet;
mod reconciler;
mod reconciler_modes;
mod reconciler_obstacles;
mod reconciler_stages;
mod reconciler_template;
mod registries;
mod repetition;
mod rights;
mod screens;
mod sources;
mod telemetry;
mod verbs;
mod verify;
mod verify_evasion;
mod wait;
mod webhooks;

use std::process::ExitCode;

/// The files with their tests. The longest first: all others fit beside them.
const FILES: &[(&str, &[harness::Case])] = &[
    ("each_write", each_write::CASES),
    ("crash", crash::CASES),
    ("quiet", quiet::CASES),
    ("foundations", foundations::CASES),
    ("chain", chain::CASES),
    ("across_namespaces", across_namespaces::CASES),
    ("promotion", promotion::CASES),
    ("decisions", decisions::CASES),
    ("checks", checks::CASES),
    ("after_release", after_release::CASES),
    ("holds", holds::CASES),
    ("conditions", conditions::CASES),
    ("sources", sources::CASES),
    ("registries", registries::CASES),
    ("images", images::CASES),
    ("minimum_age", minimum_age::CASES),
    ("git", git::CASES),
    ("git_image", git_image::CASES),
    ("credentials", credentials::CASES),
    ("outages", outages::CASES),
    ("bad_input", bad_input::CASES),
    ("objects", objects::CASES),
    ("process", process::CASES),
    ("telemetry", telemetry::CASES),
    ("notifications", notifications::CASES),
    ("wait", wait::CASES),
    ("webhooks", webhooks::CASES),
    ("verbs", verbs::CASES),
    ("verify", verify::CASES),
    ("verify_evasion", verify_evasion::CASES),
    ("check", check::CASES),
    ("repetition", repetition::CASES),
    ("leadership", leadership::CASES),
    ("failover", failover::CASES),
    ("audit", audit::CASES),
    ("manifests", manifests::CASES),
    ("rights", rights::CASES),
    ("screens", screens::CASES),
    ("plan", plan::CASES),
    ("policies", policies::CASES),
    ("people", people::CASES),
    ("argocd", argocd::CASES),
    ("beside", beside::CASES),
    ("gates", gates::CASES),
    ("gates_ending", gates_ending::CASES),
    ("gates_orphaned", gates_orphaned::CASES),
    ("reconciler", reconciler::CASES),
    ("reconciler_template", reconciler_template::CASES),
    ("reconciler_obstacles", reconciler_obstacles::CASES),
    ("reconciler_modes", reconciler_modes::CASES),
    ("reconciler_stages", reconciler_stages::CASES),
];

fn main() -> ExitCode {
    decisions_shown::check(FILES);
    harness::run(FILES)
}
