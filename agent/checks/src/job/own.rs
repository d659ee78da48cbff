//! Whether a Job that is there is the one that would be made.
//!
//! All that its name is made of can be read by others, so that somebody could make one of the same name first, which passes
//! without a look at the code.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::{
    batch::v1::{Job, JobSpec},
    core::v1::{Container, PodSpec, Volume},
};

use super::{Order, job};

/// Whether a Job belongs to the CodeSync of an order, and runs what is ordered and nothing else.
pub fn is_made_of(found: &Job, order: &Order<'_>) -> bool {
    let owners = found.metadata.owner_references.iter().flatten();
    let is_owned = owners.clone().any(|owner| owner.uid == order.owner.uid);
    let wanted = job(order);
    let (Some(found), Some(wanted)) = (&found.spec, &wanted.spec) else { return false };
    is_owned && needs_its_pod(found) && runs_as(found, wanted)
}

/// Whether it succeeds by its one pod only: the API server writes what is usual into what is left out.
fn needs_its_pod(found: &JobSpec) -> bool {
    let is_one = |count: Option<i32>| count.is_none_or(|count| count == 1);
    is_one(found.completions)
        && is_one(found.parallelism)
        && found.success_policy.is_none()
        && found.managed_by.is_none()
}

fn runs_as(found: &JobSpec, wanted: &JobSpec) -> bool {
    let (Some(found), Some(wanted)) = (&found.template.spec, &wanted.template.spec) else { return false };
    let ([container], [wanted_container]) = (found.containers.as_slice(), wanted.containers.as_slice())
    else {
        return false;
    };
    found.init_containers.iter().flatten().next().is_none()
        && is_same_container(container, wanted_container)
        && volumes(found) == volumes(wanted)
}

fn is_same_container(found: &Container, wanted: &Container) -> bool {
    let is_empty = |list: Option<&[String]>| list.is_none_or(<[String]>::is_empty);
    found.image == wanted.image
        && found.command.as_deref().unwrap_or_default() == wanted.command.as_deref().unwrap_or_default()
        && is_empty(found.args.as_deref())
        && found.working_dir.as_deref().is_none_or(str::is_empty)
        && found.lifecycle.is_none()
        && found.env_from.iter().flatten().next().is_none()
        && environment(found) == environment(wanted)
        && mounts(found) == mounts(wanted)
}

/// Names and values, and whether a value comes from elsewhere. An empty value is left out by the API server.
fn environment(container: &Container) -> Vec<(&str, &str, bool)> {
    let variables = container.env.iter().flatten();
    variables
        .map(|one| (one.name.as_str(), one.value.as_deref().unwrap_or_default(), one.value_from.is_some()))
        .collect()
}

fn mounts(container: &Container) -> BTreeSet<(&str, &str, &str)> {
    let mounts = container.volume_mounts.iter().flatten();
    mounts
        .map(|one| (one.name.as_str(), one.mount_path.as_str(), one.sub_path.as_deref().unwrap_or_default()))
        .collect()
}

/// The volumes by their names; when an image is pulled is filled in by the API server.
fn volumes(pod: &PodSpec) -> BTreeMap<&str, Volume> {
    let volumes = pod.volumes.iter().flatten();
    volumes
        .map(|volume| {
            let mut one = volume.clone();
            if let Some(image) = &mut one.image {
                image.pull_policy = None;
            }
            (volume.name.as_str(), one)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
    use rstest::rstest;
    use serde_json::{Value, json};
    use voxsync_crds::code_sync::JobCheck;
    use voxsync_promotion::CheckRun;

    use super::*;

    const CONTAINER: &str = "/spec/template/spec/containers/0";

    /// Whether the Job that is made is taken as one's own once this is changed in it.
    fn is_own_with(changes: &[(&str, Value)]) -> bool {
        let run = CheckRun {
            stage: "canary".to_owned(),
            check: "catalogs".to_owned(),
            promotion: "production-1".to_owned(),
            reference: "registry.example/code:v1@sha256:00".to_owned(),
            since: "2026-03-01T10:00:00Z".parse().unwrap(),
            servers: vec![],
        };
        let check = JobCheck {
            image: "registry.example/checker:1".to_owned(),
            command: vec!["/check".to_owned()],
            environment: [("EMPTY".to_owned(), String::new())].into(),
            code_path: Some("/code".to_owned()),
        };
        let owner = OwnerReference { uid: "u".to_owned(), ..OwnerReference::default() };
        let order = Order {
            run: &run,
            check: &check,
            timeout: Duration::from_secs(90),
            owner: &owner,
            namespace: "puppet",
            service_account: "checks",
            pull_secret: None,
            attempt: 1,
            silences: 0,
        };
        let mut found = serde_json::to_value(job(&order)).unwrap();
        for (place, value) in changes {
            let (parent, name) = place.rsplit_once('/').unwrap();
            match found.pointer_mut(parent).unwrap() {
                Value::Array(list) if name == "-" => list.push(value.clone()),
                Value::Array(list) => list[name.parse::<usize>().unwrap()] = value.clone(),
                parent => parent[name] = value.clone(),
            }
        }
        is_made_of(&serde_json::from_value(found).unwrap(), &order)
    }

    #[test]
    fn what_the_api_server_fills_in_changes_nothing() {
        let filled_in = [
            ("/spec/completions", json!(1)),
            ("/spec/parallelism", json!(1)),
            ("/spec/suspend", json!(false)),
            ("/spec/template/spec/dnsPolicy", json!("ClusterFirst")),
            ("/spec/template/spec/serviceAccount", json!("checks")),
            ("/spec/template/spec/volumes/1/image/pullPolicy", json!("IfNotPresent")),
            (&format!("{CONTAINER}/env/0"), json!({"name": "EMPTY"})),
            (&format!("{CONTAINER}/imagePullPolicy"), json!("IfNotPresent")),
            (&format!("{CONTAINER}/terminationMessagePath"), json!("/dev/termination-log")),
        ];
        assert!(is_own_with(&[]) && is_own_with(&filled_in));
    }

    #[rstest]
    #[case::of_another("/metadata/ownerReferences/0/uid", json!("v"))]
    #[case::of_nobody("/metadata/ownerReferences", json!([]))]
    #[case::without_a_pod("/spec/completions", json!(0))]
    #[case::ended_by_rule("/spec/successPolicy", json!({"rules": []}))]
    #[case::of_another_controller("/spec/managedBy", json!("example.com/other"))]
    #[case::more("/spec/template/spec/containers/-", json!({"name": "more"}))]
    #[case::before("/spec/template/spec/initContainers", json!([{"name": "before"}]))]
    #[case::other_image("/spec/template/spec/containers/0/image", json!("registry.example/true:1"))]
    #[case::other_command("/spec/template/spec/containers/0/command", json!(["/bin/true"]))]
    #[case::arguments("/spec/template/spec/containers/0/args", json!(["--help"]))]
    #[case::other_value("/spec/template/spec/containers/0/env/0/value", json!("no"))]
    #[case::value_of_a_secret(
        "/spec/template/spec/containers/0/env/0/valueFrom",
        json!({"secretKeyRef": {"name": "s", "key": "k"}})
    )]
    #[case::all_of_a_secret("/spec/template/spec/containers/0/envFrom", json!([{"secretRef": {"name": "s"}}]))]
    #[case::other_code("/spec/template/spec/volumes/1/image/reference", json!("registry.example/code:v0"))]
    #[case::one_more_volume("/spec/template/spec/volumes/-", json!({"name": "s", "secret": {"secretName": "s"}}))]
    #[case::code_elsewhere("/spec/template/spec/containers/0/volumeMounts/1/mountPath", json!("/other"))]
    fn what_decides_about_its_answer_must_be_as_it_is_made(#[case] place: &str, #[case] value: Value) {
        assert!(!is_own_with(&[(place, value)]));
    }
}
