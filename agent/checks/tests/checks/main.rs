//! Checks against real servers, against servers that lie, and against hostile answers.

#![allow(clippy::unwrap_used, reason = "this binary is a test; clippy only knows functions marked #[test]")]

mod fuzz;
mod http;
mod lying;
mod prometheus;
mod puppetdb;
mod support;
