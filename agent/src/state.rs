//! What the CodeSyncs say at the moment at which somebody asks for metrics: how old what is not deployed is, and how
//! many targets are held. Only what is not as it should be is listed, so that a large estate at rest has no series.

use std::fmt;

use jiff::Timestamp;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder},
    metrics::{MetricType, gauge::ConstGauge},
    registry::{Registry, Unit},
};
use voxsync_cluster::Cluster;
use voxsync_crds::{
    CodeSync,
    code_sync::{CodeSyncStatus, ConditionStatus},
};

/// How many CodeSyncs are listed for one metric.
const SERIES_LIMIT: usize = 1000;

#[derive(Debug)]
struct State(Cluster);

/// Puts what the CodeSyncs of a cluster say into a registry.
pub fn register_state(registry: &mut Registry, cluster: &Cluster) {
    registry.register_collector(Box::new(State(cluster.clone())));
}

impl Collector for State {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let now = Timestamp::now();
        let age = encoder.encode_descriptor(
            "voxsync_candidate_age",
            "Time since the first sight of a candidate that is not deployed in all stages; none where it is.",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        self.list(age, |status| age_seconds(status, now))?;
        let held = encoder.encode_descriptor(
            "voxsync_held_targets",
            "Targets of a CodeSync that somebody else changed and that wait for a resume; none where none does.",
            None,
            MetricType::Gauge,
        )?;
        self.list(held, held_targets)
    }
}

impl State {
    fn list(
        &self,
        mut encoder: MetricEncoder<'_>,
        value: impl Fn(&CodeSyncStatus) -> Option<f64>,
    ) -> Result<(), fmt::Error> {
        let of = |code_sync: &CodeSync| {
            let value = value(code_sync.status.as_ref()?)?;
            let metadata = &code_sync.metadata;
            Some(([("namespace", metadata.namespace.clone()?), ("code_sync", metadata.name.clone()?)], value))
        };
        let found: Vec<_> =
            self.0.read(|snapshot| snapshot.code_syncs().filter_map(of).take(SERIES_LIMIT).collect());
        for (labels, value) in found {
            ConstGauge::new(value).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn age_seconds(status: &CodeSyncStatus, now: Timestamp) -> Option<f64> {
    let first_seen = status.candidate.as_ref()?.first_seen?;
    let is_deployed = status.condition_that_is("Deployed", ConditionStatus::True).is_some();
    (!is_deployed).then(|| now.duration_since(first_seen.timestamp()).as_secs_f64().max(0.0))
}

fn held_targets(status: &CodeSyncStatus) -> Option<f64> {
    let held = status.holds.iter().filter(|hold| !hold.resumed).count();
    (held > 0).then(|| f64::from(u32::try_from(held).unwrap_or(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use serde_json::{Value, json};
    use voxsync_cluster::Snapshot;

    use super::*;

    fn code_sync(name: &str, is_deployed: &str, holds: &Value) -> CodeSync {
        serde_json::from_value(json!({
            "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync",
            "metadata": {"namespace": "puppet", "name": name, "uid": name},
            "spec": {"source": {"file": {"path": "x"}}, "target": {"kind": "Config", "name": "production"}},
            "status": {
                "candidate": {"firstSeen": "2026-03-01T10:00:00Z"}, "holds": holds,
                "conditions": [{"type": "Deployed", "status": is_deployed, "reason": "a", "message": "",
                                "lastTransitionTime": "2026-03-01T10:00:00Z"}],
            },
        }))
        .unwrap()
    }

    #[test]
    fn lists_only_what_is_not_as_it_should_be() {
        let cluster = Cluster::unwatched(Snapshot::default());
        cluster.apply(code_sync("well", "True", &json!([{"target": "Config/a", "resumed": true}])));
        cluster.apply(code_sync("late", "False", &json!([{"target": "Config/a"}, {"target": "Config/b"}])));
        let mut registry = Registry::default();
        register_state(&mut registry, &cluster);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let labels = r#"{namespace="puppet",code_sync="late"}"#;
        let age = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("voxsync_candidate_age_seconds{labels} ")));
        assert!(age.unwrap().parse::<f64>().unwrap() > 0.0, "{text}");
        assert!(text.contains(&format!("voxsync_held_targets{labels} 2")), "{text}");
        assert!(!text.contains("well"), "{text}");
    }
}
