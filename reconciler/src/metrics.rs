//! What the reconciler counts.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

type Label = [(&'static str, &'static str); 1];

/// The reconciler's metrics; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    servers: Family<Label, Gauge>,
    writes: Family<Label, Counter>,
    passes: Counter,
    waiting: Gauge,
    gates: Gauge,
}

impl Metrics {
    /// Adds the metrics to a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "voxsync_reconciler_servers",
            "Servers by the state of their code's rollout",
            metrics.servers.clone(),
        );
        registry.register(
            "voxsync_reconciler_writes",
            "Writes to the API server by their result; dry runs are not counted",
            metrics.writes.clone(),
        );
        registry.register(
            "voxsync_reconciler_gates",
            "Deployments that are held back until it is their turn",
            metrics.gates.clone(),
        );
        registry.register("voxsync_reconciler_passes", "Looks at one Server", metrics.passes.clone());
        registry.register(
            "voxsync_reconciler_waiting",
            "Servers that wait for a look",
            metrics.waiting.clone(),
        );
        metrics
    }

    /// Nothing is known of any Server: it was not looked at yet, or is another process's.
    pub(crate) fn forget(&self) {
        self.servers.clear();
        self.waiting.set(0);
    }

    /// One Server goes from one state to another; none where it was or is not there.
    pub(crate) fn moved(&self, from: Option<&'static str>, to: Option<&'static str>) {
        if let Some(from) = from {
            self.servers.get_or_create(&[("state", from)]).dec();
        }
        if let Some(to) = to {
            self.servers.get_or_create(&[("state", to)]).inc();
        }
    }

    /// One write ended so.
    pub(crate) fn wrote(&self, result: &'static str) {
        self.writes.get_or_create(&[("result", result)]).inc();
    }

    /// One pass ended; so many wait, and so many Deployments are held back.
    pub(crate) fn passed(&self, waiting: usize, gates: usize) {
        self.passes.inc();
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.gates.set(i64::try_from(gates).unwrap_or(i64::MAX));
    }
}
