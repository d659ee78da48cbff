//! What end-to-end tests stand on: clusters, servers as the operator makes them, and waiting.
//!
//! It must never use voxsync's own decisions (what a pod template is, what a rollout is): a mistake there would
//! then agree with itself.

mod account;
mod audit_log;
mod case;
mod cluster;
mod control_plane;
pub(crate) mod estate;
pub(crate) mod gated;
mod kinds;
mod operator;
mod process;
pub(crate) mod proxy;
pub(crate) mod recorder;
pub(crate) mod rollouts;
mod sandboxed;
mod servers;
pub(crate) mod shipped;
pub(crate) mod staged;
pub(crate) mod status;
mod voxsync;
mod wait;

pub(crate) use case::{Case, Needs, cases, message, run};
pub(crate) use cluster::Cluster;
pub(crate) use operator::{Operator, Release};
pub(crate) use process::Process;
pub(crate) use recorder::Recorder;
pub(crate) use servers::NewServer;
pub(crate) use voxsync::{Halves, Voxsync, files_in};
pub(crate) use wait::wait_for;
