use serde_json::json;

use super::*;
use crate::fixtures::{deployment, deployment_with, pod, replica_set_of};

#[test]
fn reads_the_code_from_the_pods_own_spec() {
    let mut pod = pod("stable-1-a", 1, json!({}));
    let volumes = json!([
        {"name": "ssl", "emptyDir": {}},
        {"name": "code-0", "image": {"reference": "a:1", "pullPolicy": "Always"}},
        {"name": "code-1", "persistentVolumeClaim": {"claimName": "c"}},
        {"name": "code-extra", "image": {"reference": "b:1"}},
    ]);
    pod.spec = Some(serde_json::from_value(json!({"containers": [], "volumes": volumes})).unwrap());
    let image = CodeSource::Image { reference: "a:1".into(), pull_policy: "Always".into() };
    let claim = CodeSource::Claim { name: "c".into() };
    assert_eq!(
        code_of_pod(&pod),
        [
            RunningCode { volume: "code-0".into(), source: image },
            RunningCode { volume: "code-1".into(), source: claim },
        ]
    );
}

#[test]
fn since_is_the_start_of_the_oldest_ready_pod_of_the_present_template() {
    let value = deployment_with("a:1");
    let sets = [replica_set_of(&value, 1), replica_set_of(&value, 2)];
    let status = |hour: u8, ready: &str| json!({"startTime": format!("2026-05-03T{hour:02}:00:00Z"), "conditions": [{"type": "Ready", "status": ready}]});
    let pods = [
        pod("old", 1, status(1, "True")),
        pod("not-ready", 2, status(2, "False")),
        pod("newer", 2, status(4, "True")),
        pod("older", 2, status(3, "True")),
    ];
    assert_eq!(since(&deployment(&value), &sets, &pods), Some("2026-05-03T03:00:00Z".parse().unwrap()));
    assert_eq!(since(&deployment(&value), &sets[..1], &pods[1..]), None);
}
