//! Which of several replicas works, and on what: the options, and what follows from them.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use clap::{Args, builder::NonEmptyStringValueParser};
use voxsync_crds::code_sync::LabelSelector;

use crate::{
    arguments::{Switch, names},
    halves::Election,
    selector,
};

#[derive(Clone, Debug, Args)]
pub struct ElectionOptions {
    /// Whether only one of several replicas works: the one that holds the Lease
    #[arg(long, value_enum, default_value_t = Switch::On, env = "VOXSYNC_LEADER_ELECT")]
    pub leader_elect: Switch,
    /// Names this process in a Lease, and no other (default: the host's name and a random number)
    #[arg(long, env = "VOXSYNC_IDENTITY", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub identity: Option<String>,
    /// Where the Leases are (default: the namespace; with --all-namespaces that of the context)
    #[arg(long, env = "VOXSYNC_LEASE_NAMESPACE", value_name = "NAME", value_parser = names::namespace)]
    pub lease_namespace: Option<String>,
    /// Only CodeSyncs with such labels, for instance shard=north or 'shard notin (north,south)'
    #[arg(
        long, env = "VOXSYNC_SHARD_SELECTOR", value_name = "SELECTOR", requires = "shard",
        value_parser = selector::parse
    )]
    pub shard_selector: Option<LabelSelector>,
    /// Names the shard in its Lease; all replicas of a shard have the same selector
    #[arg(
        long, env = "VOXSYNC_SHARD", value_name = "NAME", requires = "shard_selector",
        value_parser = names::label
    )]
    pub shard: Option<String>,
}

impl ElectionOptions {
    /// How the replicas agree on who works; `namespace` is where the Leases are if nothing else was said.
    pub fn election(&self, namespace: &str) -> Option<Election> {
        (self.leader_elect == Switch::On).then(|| Election {
            namespace: self.lease_namespace.clone().unwrap_or_else(|| namespace.to_owned()),
            identity: self.identity.clone().unwrap_or_else(unique_name),
            shard: self.shard.clone(),
        })
    }
}

/// A name that no other process has.
fn unique_name() -> String {
    let host = hostname::get().unwrap_or_default();
    // The state of each is another random one.
    let number = RandomState::new().build_hasher().finish();
    format!("{}_{number:016x}", host.to_string_lossy())
}
