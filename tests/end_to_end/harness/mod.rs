//! What end-to-end tests stand on: clusters, servers as the operator makes them, and waiting.
//!
//! It must never use voxsync's own decisions (what a pod template is, what a rollout is): a mistake there would
//! then agree with itself.

mod case;
mod cluster;
mod control_plane;
pub(crate) mod estate;
mod operator;
mod recorder;
pub(crate) mod rollouts;
mod sandboxed;
mod servers;
pub(crate) mod status;
mod voxsync;
mod wait;

pub(crate) use case::{Case, Needs, cases, run};
pub(crate) use cluster::Cluster;
pub(crate) use operator::{Operator, Release};
pub(crate) use recorder::Recorder;
pub(crate) use servers::NewServer;
pub(crate) use voxsync::{Halves, Voxsync, files_in};
pub(crate) use wait::wait_for;
