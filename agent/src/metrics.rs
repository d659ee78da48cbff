//! What the agent counts.

use std::{fmt, sync::Arc};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// What the agent counts. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Metrics(Arc<Families>);

struct Families {
    looks: Family<LookLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
    writes: Family<WriteLabels, Counter>,
    released: Histogram,
    queue: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LookLabels {
    place: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    host: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    object: &'static str,
    outcome: &'static str,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Metrics")
    }
}

impl Metrics {
    /// Makes the metrics and puts them into a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let families = Families {
            looks: Family::default(),
            requests: Family::default(),
            writes: Family::default(),
            // From a quarter of a second to a day and a half.
            released: Histogram::new(exponential_buckets(0.25, 2.0, 20)),
            queue: Gauge::default(),
        };
        registry.register(
            "voxsync_source_looks",
            "Looks at sources, by kind of place and outcome (ok, failed)",
            families.looks.clone(),
        );
        registry.register(
            "voxsync_source_requests",
            "Questions asked of registries and Git servers, by host and outcome",
            families.requests.clone(),
        );
        registry.register(
            "voxsync_agent_writes",
            "Writes to the Kubernetes API, by kind of object and outcome",
            families.writes.clone(),
        );
        registry.register(
            "voxsync_candidate_released_seconds",
            "Seconds from the first sight of a candidate to its release on all stages",
            families.released.clone(),
        );
        registry.register(
            "voxsync_agent_queue_depth",
            "CodeSync objects that wait for a decision or are being written",
            families.queue.clone(),
        );
        Self(Arc::new(families))
    }

    pub(crate) fn looked(&self, place: &'static str, is_failure: bool) {
        let outcome = if is_failure { "failed" } else { "ok" };
        self.0.looks.get_or_create(&LookLabels { place, outcome }).inc();
    }

    pub(crate) fn asked(&self, host: &str, outcome: &'static str) {
        self.0.requests.get_or_create(&RequestLabels { host: host.to_owned(), outcome }).inc();
    }

    pub(crate) fn wrote(&self, object: &'static str, outcome: &'static str) {
        self.0.writes.get_or_create(&WriteLabels { object, outcome }).inc();
    }

    pub(crate) fn released(&self, seconds: f64) {
        self.0.released.observe(seconds);
    }

    pub(crate) fn queued(&self, depth: usize) {
        self.0.queue.set(i64::try_from(depth).unwrap_or(i64::MAX));
    }
}
