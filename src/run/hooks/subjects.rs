//! Which CodeSyncs a webhook is about.

use std::collections::{BTreeMap, BTreeSet};

use voxsync_agent::CodeSyncKey;
use voxsync_cluster::Cluster;
use voxsync_crds::{
    CodeSync,
    code_sync::{LabelSelector, Webhook},
};
use voxsync_webhook::RepositoryName;

/// A CodeSync that may be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) key: CodeSyncKey,
    labels: Option<BTreeMap<String, String>>,
}

impl Subject {
    fn of(code_sync: &CodeSync) -> Option<Self> {
        let metadata = &code_sync.metadata;
        let key = CodeSyncKey { namespace: metadata.namespace.clone()?, name: metadata.name.clone()? };
        Some(Self { key, labels: metadata.labels.clone() })
    }

    /// Whether the agent of this process has it.
    pub(super) fn is_selected(&self, selector: Option<&LabelSelector>) -> bool {
        selector.is_none_or(|selector| selector.selects(self.labels.as_ref()))
    }
}

/// The CodeSync of this name, if it has a webhook.
pub(super) fn named(cluster: &Cluster, namespace: &str, name: &str) -> Option<(Subject, Webhook)> {
    cluster.read(|snapshot| {
        let code_sync = snapshot.code_sync(namespace, name)?;
        Some((Subject::of(code_sync)?, code_sync.spec.source.webhook.clone()?))
    })
}

/// The CodeSyncs whose candidates come from one of these repositories.
pub(super) fn following(cluster: &Cluster, repositories: &BTreeSet<RepositoryName>) -> Vec<Subject> {
    let follows = |code_sync: &&CodeSync| {
        places(code_sync)
            .any(|place| RepositoryName::new(place).is_some_and(|name| repositories.contains(&name)))
    };
    cluster.read(|snapshot| snapshot.code_syncs().filter(follows).filter_map(Subject::of).collect())
}

/// The repositories that a source names: the image of a Git source is built after the commit.
fn places(code_sync: &CodeSync) -> impl Iterator<Item = &str> {
    let source = &code_sync.spec.source;
    let registry = source.registry.as_ref().map(|registry| registry.repository.as_str());
    let git = source.git.as_ref();
    let image = git.and_then(|git| git.image.as_deref());
    registry.into_iter().chain(git.map(|git| git.url.as_str())).chain(image)
}
