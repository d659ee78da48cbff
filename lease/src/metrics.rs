//! Who leads, as a metric.

use prometheus_client::{
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

/// Who leads; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Family<[(&'static str, String); 1], Gauge>);

impl Metrics {
    /// Adds the metric to a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "voxsync_leader",
            "Whether this process leads, by Lease (1 or 0)",
            metrics.0.clone(),
        );
        metrics
    }

    pub(crate) fn leads(&self, lease: &str, leads: bool) {
        self.0.get_or_create(&[("lease", lease.to_owned())]).set(i64::from(leads));
    }
}
