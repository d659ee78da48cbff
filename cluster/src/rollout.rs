//! Which code a Server must run, and how far its rollout is, by the index.

use k8s_openapi::api::{apps::v1::ReplicaSet, core::v1::Pod};
use voxsync_crds::Server;
use voxsync_rollout::{
    resolve::{ResolveProblem, ServerCode, resolve},
    state::{RolloutState, rollout},
};

use crate::Snapshot;

impl Snapshot {
    /// Which code a Server must run; `None` where there is no such Server.
    ///
    /// # Errors
    /// Where it cannot be told: see [`ResolveProblem`].
    pub fn server_code(&self, namespace: &str, server: &str) -> Option<Result<ServerCode, ResolveProblem>> {
        self.server(namespace, server).map(|server| self.code_of(namespace, server))
    }

    /// How far a Server is on the way to the code that it must run; `None` where there is no such Server.
    pub fn rollout_of(&self, namespace: &str, name: &str) -> Option<RolloutState> {
        let server = self.server(namespace, name)?;
        Some(match self.code_of(namespace, server) {
            Ok(code) => {
                let replica_sets: Vec<&ReplicaSet> = self.replica_sets_of(namespace, name).collect();
                let pods: Vec<&Pod> = self.pods_of(namespace, name).collect();
                rollout(&code, server, self.deployment_of(namespace, name), &replica_sets, &pods)
            }
            Err(problem) => RolloutState::from(&problem),
        })
    }

    fn code_of(&self, namespace: &str, server: &Server) -> Result<ServerCode, ResolveProblem> {
        let config = server.spec.config_ref.as_deref().and_then(|config| self.config(namespace, config));
        resolve(server, config)
    }
}
