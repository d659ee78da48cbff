//! Checks of kind `prometheus` against the one of Debian.

use serde_json::{Value, json};
use voxsync_checks::Standing::{self, *};
use voxsync_fixtures::Prometheus;

use crate::support::{PATIENT, asked, check};

/// What the one target has.
const METRICS: &str = "\
# TYPE catalog_failures gauge
catalog_failures{server=\"canary\"} 2
catalog_failures{server=\"worker\"} 0
# TYPE requests gauge
requests 0
";

#[tokio::test]
async fn series_are_judged() {
    let prometheus = Prometheus::start(METRICS).await;
    let failures = "catalog_failures{server=\"canary\"}";
    let rows: [(&str, Value, Standing, &str); 10] = [
        ("requests", json!({"maximum": 0}), Passed, "the value is 0 of {__name__=\"requests\""),
        (
            "scalar(requests) + 1",
            json!({"minimum": 1, "maximum": 1}),
            Passed,
            "the value is 1, right is 1 to 1",
        ),
        (failures, json!({"maximum": 1}), Failed, "the value is 2 of {"),
        ("sum(catalog_failures)", json!({"minimum": 3}), Failed, "the value is 2, right is 3 or more"),
        ("catalog_failures", json!({"maximum": 1}), Failed, "1 of 2 values are outside"),
        ("requests / requests", json!({"maximum": 1}), Undecided, "NaN"),
        ("nobody_has_it", json!({"maximum": 1}), Undecided, "no data"),
        ("nobody_has_it or vector(0)", json!({"maximum": 1}), Passed, "the value is 0, right is 1 or less"),
        ("requests[5m]", json!({"maximum": 1}), Unreachable, "avg_over_time"),
        ("requests and", json!({"maximum": 1}), Unreachable, "Prometheus answers 400: "),
    ];
    for (query, bounds, standing, message) in rows {
        let mut of_kind = bounds;
        of_kind["url"] = json!(prometheus.url());
        of_kind["query"] = json!(query);
        let said = asked(&check(json!({"name": "check", "prometheus": of_kind})), PATIENT).await;
        assert_eq!(said.standing, standing, "{query}: {}", said.message);
        assert!(said.message.contains(message), "{query}: {}", said.message);
    }
}
