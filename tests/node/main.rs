//! voxsync on a real node: from its own image, under the shipped manifests, with code in real image volumes.
//!
//! `tests/node/run.sh` starts it, inside the namespaces of a test node (`node.sh`). The steps are one story: each goes on
//! where the one before ended, and the first that fails ends it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "this binary is a test; clippy only knows functions marked #[test]"
)]

mod estate;
mod failover;
mod installed;
mod node;
mod promotion;
mod reader;
mod tags;
#[path = "../end_to_end/harness/wait.rs"]
mod wait;

use std::{panic::AssertUnwindSafe, pin::Pin, process::ExitCode};

use futures::FutureExt as _;
use tokio::time::Instant;

use estate::Estate;

/// Set by `node.sh` for what runs inside.
const INSIDE: &str = "VOXSYNC_NODE_INSIDE";

struct Step {
    name: &'static str,
    carry_out: for<'a> fn(&'a mut Estate) -> Pin<Box<dyn Future<Output = ()> + 'a>>,
}

macro_rules! steps {
    ($($file:ident::$step:ident),* $(,)?) => {
        &[$(Step { name: stringify!($step), carry_out: |estate| Box::pin($file::$step(estate)) }),*]
    };
}

const STEPS: &[Step] = steps![
    installed::voxsync_runs_from_its_own_image_as_shipped,
    installed::servers_serve_the_code_of_a_real_image_volume,
    promotion::a_commit_over_ssh_becomes_what_servers_serve,
    tags::a_tag_pushed_again_changes_nothing_that_was_released,
    tags::a_bare_tag_gives_a_server_two_versions,
    promotion::an_image_that_cannot_be_pulled_stops_and_the_old_code_is_served,
    promotion::the_next_commit_goes_on,
    failover::the_other_pod_goes_on_when_the_leader_is_deleted,
    installed::audit_says_in_sync,
];

fn main() -> ExitCode {
    if std::env::var_os(INSIDE).is_none() {
        println!(
            "skipped: needs a test node, which tests/node/run.sh starts (in .ci/run with VOXSYNC_NODE_TESTS=1)"
        );
        return ExitCode::SUCCESS;
    }
    // Every client of this process uses it; nobody has installed another one yet.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(tell())
}

async fn tell() -> ExitCode {
    let mut estate = Estate::create().await;
    for (passed, step) in STEPS.iter().enumerate() {
        let began = Instant::now();
        println!("{}", step.name);
        let ended = AssertUnwindSafe((step.carry_out)(&mut estate)).catch_unwind().await;
        if ended.is_err() {
            println!("  FAILED after {:.1} s\n\n{}", began.elapsed().as_secs_f32(), node::state());
            println!("{passed} passed, 1 failed, {} skipped", STEPS.len() - passed - 1);
            return ExitCode::FAILURE;
        }
        println!("  ok, {:.1} s", began.elapsed().as_secs_f32());
    }
    println!("{} passed, 0 failed", STEPS.len());
    ExitCode::SUCCESS
}
