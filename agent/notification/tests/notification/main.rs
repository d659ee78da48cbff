//! What is sent, against what the services document, and how it gets there, against real servers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod bodies;
mod escapes;
mod example;
mod fuzz;
mod mail;
mod posts;

use example::news;
use voxsync_notification::News;
