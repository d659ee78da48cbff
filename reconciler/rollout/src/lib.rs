//! Which code a Server must run, what its pod template must say for that, and how far its rollout is.
//!
//! Pure functions on objects that somebody else fetched: no clock, no network, no Kubernetes client. The
//! reconciler writes what [`template`] says, the agent and the audit read what [`state`] says, so all three
//! share one idea of "this Server runs that code".
//!
//! - [`resolve`]: Server and Config → the code that the Server must run.
//! - [`template`]: that code and a Deployment → the patch that makes the pod template right.
//! - [`state`]: that code, the Deployment, its `ReplicaSets` and pods → how far the rollout is.
//! - [`running`]: what pods really run.
//! - [`order`]: which Servers of a stage are held back, and whose turn it is.
//! - [`rounds`]: the order that comes of that.

pub mod order;
pub mod owner;
mod part;
mod replica_set;
pub mod resolve;
pub mod rounds;
pub mod running;
mod slots;
pub mod state;
mod stuck;
pub mod template;

#[cfg(test)]
mod fixtures;
