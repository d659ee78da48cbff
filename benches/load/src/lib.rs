//! What the benches share: a world in another process (a Kubernetes API and a registry), and `voxsync run` in a third,
//! with what it costs.
//!
//! For benches only: what cannot be measured ends the program.
#![allow(
    clippy::missing_panics_doc,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "for programs for the terminal; what they cannot measure ends them"
)]

mod ledger;
mod objects;
mod process;
mod registry;
mod rolled;
mod server;
mod staged;
mod table;
mod world;

pub use ledger::{BENCH, Writes, Written};
pub use process::Voxsync;
pub use server::{Plan, Server};
pub use staged::{Order, Staged, Targets};
pub use table::Table;
pub use world::World;

/// Runs a bench, or serves the world where this process was started for it.
pub fn run(bench: impl Future<Output = ()>) {
    // Every client of this process uses it; nobody has installed another one yet.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        if !server::serve_if_asked().await {
            bench.await;
        }
    });
}

/// A tag, by its place in the list.
pub fn tag(number: usize) -> String {
    format!("v1.0.{number}")
}
