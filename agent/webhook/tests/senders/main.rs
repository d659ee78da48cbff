//! Each sender as its vendor documents it: the proof and the payload. Where a payload is from is in the sender's own file.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this binary is a test; clippy only knows functions marked #[test]"
)]

mod fuzz;
mod news;
mod proofs;
