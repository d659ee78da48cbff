//! What the receiver counts.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// What the receiver counts. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Family<Labels, Counter>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    sender: &'static str,
    outcome: &'static str,
}

impl Metrics {
    /// Makes the metrics and puts them into a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "voxsync_hooks",
            "Webhooks, by sender (any: at /hooks; unknown: for no CodeSync with a webhook) and outcome (look, nothing, \
             unheard, refused, invalid)",
            metrics.0.clone(),
        );
        metrics
    }

    pub(super) fn received(&self, sender: &'static str, outcome: &'static str) {
        self.0.get_or_create(&Labels { sender, outcome }).inc();
    }
}
