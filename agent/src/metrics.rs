//! What the agent counts.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use voxsync_crds::code_sync::{CheckStanding, CodeSyncStatus, NotificationChannel};
use voxsync_source::{Exchange, Quota, Traffic};

use crate::progress::{Progress, progress};

/// How many hosts are counted by their name; the rest are counted together.
const HOSTS_LIMIT: usize = 64;
/// What the rest are called.
const OTHER_HOSTS: &str = "other";
/// From a quarter of a second to a day and a half.
const BUCKETS: (f64, f64, u16) = (0.25, 2.0, 20);

/// What the agent counts. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Metrics(Arc<Families>);

struct Families {
    looks: Family<LookLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
    quota_limit: Family<HostLabels, Gauge>,
    quota_remaining: Family<HostLabels, Gauge>,
    hosts: Mutex<HashSet<String>>,
    checks: Family<CheckLabels, Counter>,
    writes: Family<WriteLabels, Counter>,
    notifications: Family<NotificationLabels, Counter>,
    passed: Family<StageLabels, Histogram>,
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
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HostLabels {
    host: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CheckLabels {
    kind: &'static str,
    standing: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    object: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NotificationLabels {
    channel: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabels {
    /// The first is 1. There are at most sixteen.
    stage: u32,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Metrics")
    }
}

fn histogram() -> Histogram {
    let (first, factor, count) = BUCKETS;
    Histogram::new(exponential_buckets(first, factor, count))
}

impl Metrics {
    /// Makes the metrics and puts them into a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let families = Families {
            looks: Family::default(),
            requests: Family::default(),
            quota_limit: Family::default(),
            quota_remaining: Family::default(),
            hosts: Mutex::default(),
            checks: Family::default(),
            writes: Family::default(),
            notifications: Family::default(),
            passed: Family::new_with_constructor(histogram),
            released: histogram(),
            queue: Gauge::default(),
        };
        registry.register(
            "voxsync_source_looks",
            "Looks at sources, by kind of place (registry, git, file, image) and outcome (ok, failed)",
            families.looks.clone(),
        );
        registry.register(
            "voxsync_source_requests",
            "HTTP requests to registries, their token servers and Git servers, by host and HTTP code (none: there \
             was no answer)",
            families.requests.clone(),
        );
        registry.register(
            "voxsync_registry_quota_limit",
            "How many requests a registry allows, as it said last (RateLimit-Limit); Docker Hub counts manifests in six hours",
            families.quota_limit.clone(),
        );
        registry.register(
            "voxsync_registry_quota_remaining",
            "How many of these requests are left (RateLimit-Remaining)",
            families.quota_remaining.clone(),
        );
        registry.register(
            "voxsync_checks",
            "Answers of checks of stages, by kind (http, prometheus, puppetdb, job) and standing (passed, failed, unknown, unreachable)",
            families.checks.clone(),
        );
        registry.register(
            "voxsync_agent_writes",
            "Writes of the agent, by kind of object and outcome (ok, conflict, refused, failed)",
            families.writes.clone(),
        );
        registry.register(
            "voxsync_notifications",
            "Notifications, by channel and outcome (sent, retried, failed: given up, left_out: more than may be sent)",
            families.notifications.clone(),
        );
        registry.register_with_unit(
            "voxsync_candidate_stage",
            "Time from the first sight of a candidate to the end of a stage, soak time included, by the stage's place",
            Unit::Seconds,
            families.passed.clone(),
        );
        registry.register_with_unit(
            "voxsync_candidate_released",
            "Time from the first sight of a candidate to its release on all stages",
            Unit::Seconds,
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

    /// What counts the requests of looks.
    pub(crate) fn traffic(&self) -> Traffic {
        let families = Arc::clone(&self.0);
        Traffic::to(move |exchange| families.requested(exchange))
    }

    pub(crate) fn checked(&self, kind: &'static str, standing: CheckStanding) {
        let standing = match standing {
            CheckStanding::Passed => "passed",
            CheckStanding::Failed => "failed",
            CheckStanding::Unknown => "unknown",
            CheckStanding::Unreachable => "unreachable",
        };
        self.0.checks.get_or_create(&CheckLabels { kind, standing }).inc();
    }

    pub(crate) fn wrote(&self, object: &'static str, outcome: &'static str) {
        self.0.writes.get_or_create(&WriteLabels { object, outcome }).inc();
    }

    pub(crate) fn notified(&self, channel: NotificationChannel, outcome: &'static str) {
        let channel = channel.as_str();
        self.0.notifications.get_or_create(&NotificationLabels { channel, outcome }).inc();
    }

    /// Notes how far a candidate has come from one stored status to the next.
    pub(crate) fn advanced(&self, before: Option<&CodeSyncStatus>, after: &CodeSyncStatus) {
        let Progress { passed, released } = progress(before, after);
        for (stage, seconds) in passed {
            self.0.passed.get_or_create(&StageLabels { stage }).observe(seconds);
        }
        if let Some(seconds) = released {
            self.0.released.observe(seconds);
        }
    }

    pub(crate) fn queued(&self, depth: usize) {
        self.0.queue.set(i64::try_from(depth).unwrap_or(i64::MAX));
    }
}

impl Families {
    fn requested(&self, &Exchange { host, code, quota }: &Exchange<'_>) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let is_named = hosts.contains(host) || (hosts.len() < HOSTS_LIMIT && hosts.insert(host.to_owned()));
        let host = if is_named { host } else { OTHER_HOSTS }.to_owned();
        if let Some(Quota { limit, remaining }) = quota.filter(|_| is_named) {
            let labels = HostLabels { host: host.clone() };
            self.quota_limit.get_or_create(&labels).set(limit.into());
            self.quota_remaining.get_or_create(&labels).set(remaining.into());
        }
        let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        self.requests.get_or_create(&RequestLabels { host, code }).inc();
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn counts_a_bounded_number_of_hosts_by_name() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let quota = |remaining| Some(Quota { limit: 100, remaining });
        for number in 0..HOSTS_LIMIT + 3 {
            let host = &format!("{number}.example");
            metrics.0.requested(&Exchange { host, code: Some(200), quota: quota(50) });
        }
        metrics.0.requested(&Exchange { host: "0.example", code: None, quota: None });
        metrics.0.requested(&Exchange { host: "1.example", code: Some(200), quota: quota(49) });
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let has = |line: &str| text.lines().any(|found| found == line);
        assert!(has(r#"voxsync_source_requests_total{host="0.example",code="200"} 1"#), "{text}");
        assert!(has(r#"voxsync_source_requests_total{host="0.example",code="none"} 1"#), "{text}");
        assert!(has(r#"voxsync_source_requests_total{host="other",code="200"} 3"#), "{text}");
        assert!(has(r#"voxsync_registry_quota_limit{host="0.example"} 100"#), "{text}");
        assert!(has(r#"voxsync_registry_quota_remaining{host="0.example"} 50"#), "{text}");
        assert!(has(r#"voxsync_registry_quota_remaining{host="1.example"} 49"#), "{text}");
        assert!(!text.contains(r#"quota_limit{host="other"}"#), "hosts share no quota: {text}");
    }
}
