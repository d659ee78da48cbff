//! Signatures that real tools made, and that nobody should believe.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy knows test functions, not the helpers beside them"
)]

mod cosign;
mod git;
mod keyless;
