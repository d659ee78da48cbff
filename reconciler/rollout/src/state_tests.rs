use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::fixtures::{
    code, deployment, deployment_with, deployment_without_code, pod, replica_set_of, server,
};

const WANTED: &str = "registry.example/code:2";
const NO_SETS: [ReplicaSet; 0] = [];
const NO_PODS: [Pod; 0] = [];

/// A Deployment whose template has the wanted code, with this status.
fn rolling(status: Value) -> Value {
    let mut value = deployment_with(WANTED);
    value["status"] = status;
    value["status"]["observedGeneration"] = json!(2);
    value
}

fn all_new() -> Value {
    json!({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2})
}

fn half() -> Value {
    json!({"replicas": 3, "updatedReplicas": 1, "availableReplicas": 2})
}

/// The state with an old `ReplicaSet` of other code and, if so wished, the new one.
fn state_of(value: &Value, has_new_set: bool, pods: &[Pod]) -> RolloutState {
    let mut sets = vec![replica_set_of(&deployment_with("registry.example/code:1"), 1)];
    if has_new_set {
        sets.push(replica_set_of(value, 2));
    }
    rollout(&code(json!({"image": WANTED})), &server(json!({})), Some(&deployment(value)), &sets, pods)
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({"containerStatuses": [{
        "name": "openvox-server", "image": "server:8", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": reason, "message": message}},
    }]})
}

#[test]
fn without_a_deployment_it_is_impossible_and_says_so() {
    let state = rollout(&code(json!({"image": WANTED})), &server(json!({})), None, &NO_SETS, &NO_PODS);
    assert!(matches!(state, RolloutState::Impossible { reason: "DeploymentMissing", .. }), "{state:?}");
}

#[test]
fn a_problem_of_the_template_is_impossible() {
    let mut value = rolling(all_new());
    value["spec"]["template"]["spec"]["containers"][0]["name"] = json!("other");
    assert!(matches!(
        state_of(&value, true, &[]),
        RolloutState::Impossible { reason: "NoMainContainer", .. }
    ));
}

#[test]
fn a_healthy_old_template_is_pending() {
    let mut value = deployment_with("registry.example/code:1");
    value["status"] = all_new();
    assert_eq!(state_of(&value, true, &[]), RolloutState::Pending);
}

#[test]
fn no_pod_of_an_old_template_is_stuck_for_the_new_one() {
    let mut value = rolling(half());
    let pods = [pod("stable-1-a", 1, waiting("CrashLoopBackOff", ""))];
    let progress = Progress { updated: 1, ready: 1, wanted: 2 };
    assert_eq!(state_of(&value, true, &pods), RolloutState::Progressing(progress));
    value["status"]["observedGeneration"] = json!(1);
    assert_eq!(
        state_of(&value, true, &pods),
        RolloutState::Progressing(Progress { updated: 0, ready: 0, wanted: 2 })
    );
}

#[rstest]
#[case::all(json!({}), true)]
#[case::an_old_pod_is_left(json!({"replicas": 3}), false)]
#[case::one_is_not_updated(json!({"updatedReplicas": 1}), false)]
#[case::one_is_not_available(json!({"availableReplicas": 1}), false)]
#[case::nothing_is_known(json!({"replicas": 0, "updatedReplicas": 0, "availableReplicas": 0}), false)]
fn is_complete_when_all_pods_are_new_and_available(#[case] changed: Value, #[case] is_complete: bool) {
    let mut status = all_new();
    status.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
    let state = state_of(&rolling(status), true, &[]);
    assert_eq!(matches!(state, RolloutState::Complete(_)), is_complete, "{state:?}");
}

#[test]
fn the_deployment_s_own_number_of_ready_pods_counts_where_that_of_the_replica_set_is_older() {
    let value = rolling(all_new());
    let mut set = replica_set_of(&value, 2);
    set.status.as_mut().unwrap().ready_replicas = Some(1);
    let state = rollout(
        &code(json!({"image": WANTED})),
        &server(json!({})),
        Some(&deployment(&value)),
        &[set],
        &NO_PODS,
    );
    assert_eq!(state, RolloutState::Complete(Progress { updated: 2, ready: 2, wanted: 2 }));
}

#[test]
fn is_not_complete_before_the_newest_replica_set_carries_the_code() {
    let value = rolling(all_new());
    assert!(matches!(state_of(&value, false, &[]), RolloutState::Progressing(_)));
    // Somebody undid it: the old template is the newest revision again, and the Deployment is not seen yet.
    let sets = [replica_set_of(&value, 2), replica_set_of(&deployment_without_code(), 3)];
    let state = rollout(
        &code(json!({"image": WANTED})),
        &server(json!({})),
        Some(&deployment(&value)),
        &sets,
        &NO_PODS,
    );
    assert!(matches!(state, RolloutState::Progressing(_)), "{state:?}");
}

#[rstest]
#[case::not_rolled(half(), RolloutState::PausedByPerson)]
#[case::already_there(all_new(), RolloutState::Complete(Progress { updated: 2, ready: 2, wanted: 2 }))]
fn a_person_may_pause(#[case] status: Value, #[case] wanted: RolloutState) {
    let mut value = rolling(status);
    value["spec"]["paused"] = json!(true);
    let pods = [pod("stable-2-a", 2, waiting("ImagePullBackOff", ""))];
    assert_eq!(state_of(&value, true, &pods), wanted);
}

#[test]
fn a_paused_deployment_has_no_replica_set_for_the_new_template() {
    let mut value = rolling(json!({"replicas": 2, "availableReplicas": 2}));
    value["spec"]["paused"] = json!(true);
    assert_eq!(state_of(&value, false, &[]), RolloutState::PausedByPerson);
}

fn gated(mut value: Value) -> Value {
    let gate = json!({"codeSync": "uid", "promotion": "p1", "since": "2026-01-01T00:00:00Z"});
    value["metadata"]["annotations"] = json!({"voxsync.dev/gate": gate.to_string()});
    value["spec"]["paused"] = json!(true);
    value
}

#[test]
fn voxsync_may_hold_it_back() {
    let progress = Progress { updated: 0, ready: 0, wanted: 2 };
    let value = gated(rolling(json!({"replicas": 2, "availableReplicas": 2})));
    assert_eq!(state_of(&value, false, &[]), RolloutState::Gated(progress));
    let mut not_seen = value.clone();
    not_seen["status"]["observedGeneration"] = json!(1);
    assert_eq!(state_of(&not_seen, true, &[]), RolloutState::Gated(progress));
    let mut undone = value;
    undone["spec"]["paused"] = json!(false);
    assert_eq!(state_of(&undone, false, &[]), RolloutState::Progressing(progress));
}

#[test]
fn a_gate_hides_nothing_of_what_rolled_before_it() {
    let value = gated(rolling(half()));
    let pods = [pod("stable-2-a", 2, waiting("ImagePullBackOff", ""))];
    assert!(matches!(state_of(&value, true, &pods), RolloutState::Stuck(_)));
    let value = gated(rolling(all_new()));
    assert!(matches!(state_of(&value, true, &[]), RolloutState::Complete(_)));
    assert_eq!(
        state_of(&gated(deployment_with("registry.example/code:1")), true, &[]),
        RolloutState::Pending
    );
}

#[rstest]
#[case::neither(1, 1, false)]
#[case::only_the_template(2, 1, false)]
#[case::only_the_pods(1, 2, false)]
#[case::both(2, 2, true)]
fn template_and_newest_set_were_rolled_out(#[case] template: u32, #[case] set: u32, #[case] wanted: bool) {
    let of = |number: u32| deployment_with(&format!("registry.example/code:{number}"));
    let sets = [replica_set_of(&of(0), 1), replica_set_of(&of(set), 2)];
    let (code, server) = (code(json!({"image": WANTED})), server(json!({})));
    assert_eq!(was_rolled_out(&code, &server, &deployment(&of(template)), &sets), wanted);
}

#[rstest]
#[case::at_rest(json!({}), false)]
#[case::without_pods_on_purpose(json!({"replicas": 0, "updatedReplicas": 0}), true)]
#[case::the_new_template_is_not_seen(json!({"observedGeneration": 1}), true)]
#[case::no_pod_of_the_new_template(json!({"updatedReplicas": 0}), true)]
#[case::it_may_not_create_one(
    json!({"updatedReplicas": 0, "conditions": [{"type": "ReplicaFailure", "status": "True"}]}), false)]
fn a_pause_between_two_templates_leaves_no_pods(#[case] changed: Value, #[case] is_between: bool) {
    let mut value = rolling(all_new());
    value["status"].as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
    assert_eq!(is_between_templates(&deployment(&value)), is_between);
    value["spec"]["replicas"] = json!(0);
    assert_eq!(is_between_templates(&deployment(&value)), changed["observedGeneration"] == 1);
}

#[rstest]
#[case("ImagePullBackOff", "Back-off pulling image \"registry.example/code:2\": not found", StuckImage::Code)]
#[case("ErrImagePull", "failed to pull registry.example/code:2: not found", StuckImage::Code)]
#[case("ImagePullBackOff", "Back-off pulling image \"registry.example/code:22\"", StuckImage::Unknown)]
#[case("ImagePullBackOff", "Back-off pulling image \"other/registry.example/code:2\"", StuckImage::Code)]
#[case("ImagePullBackOff", "Back-off pulling image \"server:8\"", StuckImage::Server)]
#[case("ImagePullBackOff", "Back-off pulling image", StuckImage::Unknown)]
#[case("ErrImageNeverPull", "image \"registry.example/code:2\" is not present", StuckImage::Code)]
#[case("InvalidImageName", "couldn't parse \"server:8\"", StuckImage::Server)]
#[case("CrashLoopBackOff", "back-off 40s restarting failed container", StuckImage::Unknown)]
#[case("CreateContainerError", "ImageVolumeMountFailed: no such subPath", StuckImage::Code)]
#[case("CreateContainerConfigError", "secret \"s\" not found", StuckImage::Unknown)]
fn says_why_a_pod_cannot_start(#[case] reason: &str, #[case] message: &str, #[case] image: StuckImage) {
    let pods = [pod("stable-2-a", 2, waiting(reason, message))];
    let wanted = Stuck { reason: reason.into(), pod: "stable-2-a".into(), message: message.into(), image };
    assert_eq!(state_of(&rolling(half()), true, &pods), RolloutState::Stuck(wanted));
}

#[test]
fn a_digest_is_known_without_its_tag() {
    let digest = format!("sha256:{}", "1".repeat(64));
    let code = code(json!({"image": format!("registry.example/code:2@{digest}")}));
    let mut value = deployment_with(&format!("registry.example/code:2@{digest}"));
    value["status"] = half();
    value["status"]["observedGeneration"] = json!(2);
    let message = format!("failed to pull \"registry.example/code@{digest}\"");
    let pods = [pod("stable-2-a", 2, waiting("ErrImagePull", &message))];
    let state =
        rollout(&code, &server(json!({})), Some(&deployment(&value)), &[replica_set_of(&value, 2)], &pods);
    assert!(matches!(state, RolloutState::Stuck(Stuck { image: StuckImage::Code, .. })), "{state:?}");
}

#[test]
fn an_init_container_counts_and_a_pod_that_only_waits_does_not() {
    let init = json!({"initContainerStatuses": waiting("ImagePullBackOff", "")["containerStatuses"]});
    let state = state_of(&rolling(half()), true, &[pod("stable-2-a", 2, init)]);
    assert!(matches!(state, RolloutState::Stuck(_)), "{state:?}");
    let state = state_of(&rolling(half()), true, &[pod("stable-2-a", 2, waiting("ContainerCreating", ""))]);
    assert!(matches!(state, RolloutState::Progressing(_)), "{state:?}");
}

#[test]
fn a_pod_on_its_way_out_is_not_stuck() {
    let mut leaving = pod("stable-2-a", 2, waiting("ImagePullBackOff", ""));
    leaving.metadata.deletion_timestamp =
        Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
    assert!(matches!(state_of(&rolling(half()), true, &[leaving]), RolloutState::Progressing(_)));
}

#[rstest]
#[case::unschedulable(json!([]), Some("0/2 nodes are available"), "Unschedulable", "stable-2-a")]
#[case::quota(
    json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "pods is forbidden: exceeded quota: q"}]),
    None, "QuotaExceeded", "stable-2")]
#[case::refused(
    json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "admission webhook denied"}]),
    None, "FailedCreate", "stable-2")]
fn says_why_there_is_no_place_for_a_pod(
    #[case] conditions: Value,
    #[case] unscheduled: Option<&str>,
    #[case] reason: &str,
    #[case] pod_name: &str,
) {
    let mut status = half();
    status["conditions"] = conditions;
    let condition = |message| json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]});
    let pods: Vec<Pod> = unscheduled.iter().map(|message| pod("stable-2-a", 2, condition(message))).collect();
    let RolloutState::Stuck(stuck) = state_of(&rolling(status), true, &pods) else {
        panic!("it is not stuck")
    };
    assert_eq!((stuck.reason.as_str(), stuck.pod.as_str()), (reason, pod_name));
}

#[test]
fn the_deployments_own_deadline_is_the_last_word() {
    let mut status = half();
    status["conditions"] = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}]);
    let timed_out = RolloutState::TimedOut { message: "timed out".into() };
    assert_eq!(state_of(&rolling(status.clone()), true, &[]), timed_out);
    let pods = [pod("stable-2-a", 2, waiting("ImagePullBackOff", ""))];
    assert!(matches!(state_of(&rolling(status), true, &pods), RolloutState::Stuck(_)));
}

#[test]
fn what_may_heal_ends_with_the_deadline_and_says_why() {
    let mut status = half();
    status["conditions"] = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out."}]);
    let condition =
        json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes"});
    let pods = [pod("stable-2-a", 2, json!({"conditions": [condition]}))];
    let message = "timed out. stable-2-a: Unschedulable: 0/2 nodes".to_owned();
    assert_eq!(state_of(&rolling(status), true, &pods), RolloutState::TimedOut { message });
}

#[rstest]
#[case::of_the_old_template(deployment_with("registry.example/code:1"), 0)]
#[case::stuck(rolling(half()), 1)]
fn the_pods_that_there_should_be_are_known_in_any_state(#[case] value: Value, #[case] updated: u32) {
    let sets = [replica_set_of(&value, 2)];
    let pods = [pod("stable-2-a", 2, waiting("ImagePullBackOff", ""))];
    let (code, server) = (code(json!({"image": WANTED})), server(json!({})));
    let (_, progress) = measure(&code, &server, Some(&deployment(&value)), &sets, &pods);
    assert_eq!((progress.updated, progress.wanted), (updated, 2));
}

#[test]
fn messages_are_bounded() {
    let pods = [pod("stable-2-a", 2, waiting("ErrImagePull", &"ä".repeat(2000)))];
    let RolloutState::Stuck(stuck) = state_of(&rolling(half()), true, &pods) else {
        panic!("it is not stuck")
    };
    assert_eq!(stuck.message.len(), MESSAGE_LIMIT_BYTES);
    assert_eq!(bounded(&format!("a{}", "ä".repeat(2000))).len(), MESSAGE_LIMIT_BYTES - 1);
}
