use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::Standing::{self, *};

fn run() -> CheckRun {
    CheckRun {
        stage: "canary".to_owned(),
        check: "catalogs".to_owned(),
        promotion: "production-1".to_owned(),
        reference: "registry.example/code:v1@sha256:00".to_owned(),
        since: "2026-03-01T10:00:00Z".parse().unwrap(),
        servers: vec![],
    }
}

fn check() -> JobCheck {
    JobCheck {
        image: "registry.example/checker:1".to_owned(),
        command: vec!["/check".to_owned()],
        environment: [("NODES".to_owned(), "10".to_owned()), ("VOXSYNC_STAGE".to_owned(), "mine".to_owned())]
            .into(),
        code_path: Some("/code".to_owned()),
    }
}

fn owner() -> OwnerReference {
    OwnerReference { name: "production".to_owned(), uid: "u".to_owned(), ..OwnerReference::default() }
}

fn order<'a>(run: &'a CheckRun, check: &'a JobCheck, owner: &'a OwnerReference) -> Order<'a> {
    Order {
        run,
        check,
        timeout: Duration::from_secs(90),
        owner,
        namespace: "puppet",
        service_account: "checks",
        pull_secret: Some("registry-login"),
        attempt: 1,
        silences: 0,
    }
}

#[test]
fn its_pod_gets_what_it_needs_and_no_more() {
    let (run, check, owner) = (run(), check(), owner());
    let made = serde_json::to_value(job(&order(&run, &check, &owner))).unwrap();
    assert_eq!(made["metadata"]["ownerReferences"][0]["uid"], "u");
    let spec = &made["spec"];
    assert_eq!([&spec["backoffLimit"], &spec["activeDeadlineSeconds"]], [&json!(0), &json!(150)]);
    let pod = &spec["template"]["spec"];
    assert_eq!(
        *pod,
        json!({
            "restartPolicy": "Never", "activeDeadlineSeconds": 90, "serviceAccountName": "checks",
            "automountServiceAccountToken": false, "enableServiceLinks": false,
            "imagePullSecrets": [{"name": "registry-login"}],
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": [
                {"name": "temporary", "emptyDir": {"sizeLimit": "1Gi"}},
                {"name": "code", "image": {"reference": "registry.example/code:v1@sha256:00"}},
            ],
            "containers": [{
                "name": "check", "image": "registry.example/checker:1", "command": ["/check"],
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "securityContext": {
                    "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [
                    {"name": "temporary", "mountPath": "/tmp"},
                    {"name": "code", "mountPath": "/code", "readOnly": true},
                ],
                "env": [
                    {"name": "NODES", "value": "10"},
                    {"name": "VOXSYNC_REFERENCE", "value": "registry.example/code:v1@sha256:00"},
                    {"name": "VOXSYNC_STAGE", "value": "canary"},
                    {"name": "VOXSYNC_CODESYNC", "value": "production"},
                    {"name": "VOXSYNC_PROMOTION", "value": "production-1"},
                ],
            }],
        })
    );
}

#[test]
fn the_login_for_the_code_is_given_to_who_mounts_it_only() {
    let (run, mounts, owner) = (run(), check(), owner());
    let plain = JobCheck { code_path: None, ..check() };
    let has_secret = |check| {
        let made = job(&order(&run, check, &owner));
        made.spec.unwrap().template.spec.unwrap().image_pull_secrets.is_some()
    };
    assert!(has_secret(&mounts));
    assert!(!has_secret(&plain), "its service account's are used");
}

#[test]
fn those_without_an_answer_do_not_pile_up() {
    let (run, check, owner) = (run(), check(), owner());
    let kept = |silences| {
        let made = job(&Order { silences, ..order(&run, &check, &owner) });
        made.spec.unwrap().ttl_seconds_after_finished.unwrap()
    };
    assert_eq!([kept(0), kept(1), kept(9)], [86400, 3600, 3600]);
}

#[test]
fn another_check_is_another_job() {
    let (first_run, first_check, first_owner) = (run(), check(), owner());
    let first = order(&first_run, &first_check, &first_owner);
    let name_of = |order: &Order<'_>| name(order);
    let runs = [
        CheckRun { promotion: "production-2".to_owned(), ..run() },
        CheckRun { stage: "canar".to_owned(), check: "ycatalogs".to_owned(), ..run() },
        CheckRun { reference: "registry.example/code:v2".to_owned(), ..run() },
    ];
    let checks = [
        JobCheck { command: vec![], ..check() },
        JobCheck { command: vec!["/check".to_owned(), "NODES".to_owned()], ..check() },
        JobCheck { environment: BTreeMap::new(), ..check() },
        JobCheck { code_path: None, ..check() },
    ];
    let other_owner = OwnerReference { uid: "v".to_owned(), ..owner() };
    let mut names: Vec<String> = vec![
        name_of(&first),
        name_of(&Order { attempt: 2, ..first }),
        name_of(&Order { timeout: Duration::from_secs(1), ..first }),
        name_of(&Order { owner: &other_owner, ..first }),
    ];
    names.extend(runs.iter().map(|run| name_of(&Order { run, ..first })));
    names.extend(checks.iter().map(|check| name_of(&Order { check, ..first })));
    assert_eq!(names[0], name_of(&Order { silences: 3, pull_secret: None, ..first }));
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "{names:?}");
    let long = CheckRun { check: "a-".repeat(31) + "a", ..run() };
    let name = name_of(&Order { run: &long, ..first });
    assert!(name.len() <= 63 && !name.contains("--"), "{name}");
}

fn judged(status: &Value, pods: &[Value]) -> (bool, Standing, String) {
    let job: Job = serde_json::from_value(json!({"metadata": {"name": "j"}, "status": status})).unwrap();
    let pods: Vec<Pod> = pods.iter().map(|pod| serde_json::from_value(pod.clone()).unwrap()).collect();
    match judge(&job, &pods) {
        Progress::Underway(answer) => (false, answer.standing, answer.message),
        Progress::Ended(answer) => (true, answer.standing, answer.message),
    }
}

fn ended(kind: &str, reason: &str) -> Value {
    json!({"conditions": [
        {"type": "SuccessCriteriaMet", "status": "False"},
        {"type": kind, "status": "True", "reason": reason},
    ]})
}

#[test]
fn when_it_ended_is_known() {
    let job = |conditions| -> Job {
        serde_json::from_value(json!({"metadata": {}, "status": {"conditions": [conditions]}})).unwrap()
    };
    let (time, other) = ("2026-03-01T10:00:05Z", "2026-03-01T10:00:00Z");
    let failed = job(json!({"type": "Failed", "status": "True", "lastTransitionTime": time}));
    let suspended = job(json!({"type": "Suspended", "status": "True", "lastTransitionTime": other}));
    assert_eq!(ended_at(&failed).map(|at| at.to_string()).as_deref(), Some(time));
    assert_eq!(ended_at(&suspended), None);
}

fn pod(second: u8, reason: Option<&str>, state: &Value) -> Value {
    json!({
        "metadata": {"creationTimestamp": format!("2026-03-01T10:00:{second:02}Z")},
        "status": {"reason": reason, "containerStatuses": [
            {"name": "sidecar", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": {"terminated": {"exitCode": 9}}},
            {"name": "check", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state},
        ]},
    })
}

fn terminated(code: i32, reason: &str, message: &str) -> Value {
    json!({"terminated": {"exitCode": code, "reason": reason, "message": message}})
}

#[rstest]
#[case::new(json!({}), &[], false, Undecided, "Job j is under way")]
#[case::runs(json!({}), &[pod(1, None, &json!({"running": {}}))], false, Undecided, "Job j is under way")]
#[case::starts(json!({}), &[pod(1, None, &json!({"waiting": {"reason": "ContainerCreating"}}))], false, Undecided, "Job j is under way")]
#[case::without_its_image(
    json!({}),
    &[pod(1, None, &json!({"waiting": {"reason": "ImagePullBackOff", "message": "not\nfound"}}))],
    false,
    Unreachable,
    "Job j cannot start (ImagePullBackOff): not found"
)]
#[case::well(ended("Complete", ""), &[], true, Passed, "Job j succeeded")]
#[case::badly(
    ended("Failed", "BackoffLimitExceeded"),
    &[pod(1, None, &terminated(0, "", "moved")), pod(2, None, &terminated(3, "Error", "line 1\nline 2\n"))],
    true,
    Failed,
    "Job j failed with exit code 3: line 1 line 2"
)]
#[case::without_a_word(
    ended("Failed", "BackoffLimitExceeded"),
    &[pod(1, None, &terminated(1, "Error", ""))],
    true,
    Failed,
    "Job j failed with exit code 1"
)]
#[case::without_a_pod(ended("Failed", "BackoffLimitExceeded"), &[], true, Failed, "Job j failed")]
#[case::slow(
    ended("Failed", "BackoffLimitExceeded"),
    &[pod(1, Some("DeadlineExceeded"), &terminated(137, "Error", "compiling"))],
    true,
    Failed,
    "Job j did not end in time: compiling"
)]
#[case::never_started(
    ended("Failed", "BackoffLimitExceeded"),
    &[pod(1, Some("DeadlineExceeded"), &terminated(137, "ContainerStatusUnknown", "The container could not be located"))],
    true,
    Unreachable,
    "Job j: its container did not start in time"
)]
#[case::on_no_node(ended("Failed", "DeadlineExceeded"), &[], true, Unreachable, "Job j: no node ran its pod in time")]
fn ends(
    #[case] status: Value,
    #[case] pods: &[Value],
    #[case] has_ended: bool,
    #[case] standing: Standing,
    #[case] message: &str,
) {
    assert_eq!(judged(&status, pods), (has_ended, standing, message.to_owned()));
}

#[test]
fn the_end_of_what_a_pod_said_is_shown() {
    let message = format!("{} the reason\n", "noise ".repeat(400));
    let (_, _, said) =
        judged(&ended("Failed", "BackoffLimitExceeded"), &[pod(1, None, &terminated(1, "Error", &message))]);
    assert!(said.ends_with("noise the reason") && said.chars().count() <= 256, "{said}");
}
