//! What the cluster says now: one synchronous index of the objects that voxsync reads.
//!
//! - [`Snapshot`] is the index: plain tables, and the relations between them. It is fed object by object, and
//!   knows no client. Tests feed it by hand.
//! - [`Snapshot::fetch`] fills one by lists, for the command line.
//! - [`Cluster`] keeps one up to date by watches, for the agent and the reconciler.
//!
//! This crate reads. It never writes to the API, and it keeps only what a decision needs: managed fields are read
//! for who wrote the code last, then dropped.

mod arrived;
mod change;
mod cluster;
mod error;
mod fetch;
mod kept;
mod kind;
mod memo;
mod packed;
mod projection;
mod read;
mod release;
mod rollout;
mod shape;
mod snapshot;
mod stage;
mod table;
mod targets;
mod watch;
mod work;
mod writer;

pub use change::{Change, Changed, Changes};
pub use cluster::Cluster;
pub use error::Error;
pub use kind::{Kind, Object, Scope, Unreadable};
pub use release::ReleaseFact;
pub use shape::Shapes;
pub use snapshot::Snapshot;
pub use targets::{CrossNamespace, Shut};
pub use work::{Heading, Work, has_finalizer};
pub use writer::Writer;

/// The label that ties Deployments, `ReplicaSet`s and Pods to their Server (openvox-operator's own).
pub const SERVER_LABEL: &str = "openvox.voxpupuli.org/server";
