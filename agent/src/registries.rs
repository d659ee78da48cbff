//! How registries are asked: what holds for the whole process.

use std::sync::Arc;

pub use voxsync_source::{
    DEFAULT_REQUESTS_PER_SECOND, Pace,
    registry::{
        Mirror,
        own_logins::{OwnLoginOptions, OwnLogins},
    },
};

/// How registries are asked. Clones share the budget and the logins.
#[derive(Clone, Debug, Default)]
pub struct Registries {
    /// The budget of requests.
    pub pace: Pace,
    /// Registries that are asked first.
    pub mirrors: Vec<Mirror>,
    /// Logins for registries to which no Secret gives one.
    pub logins: Arc<OwnLogins>,
}
