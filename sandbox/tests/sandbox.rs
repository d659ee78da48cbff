//! The sandbox as `kube` clients see it: watches, controllers and rollouts, under paused time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "helpers of tests may fail their test, and take what json! makes"
)]

use std::{sync::Arc, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Pod, VolumeMount},
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{
        ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
        PostParams,
    },
    runtime::{WatchStreamExt as _, wait::await_condition, watcher},
};
use rstest::rstest;
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};
use voxsync_sandbox::{FaultPlan, Faults, PullFailure, Sandbox, SandboxOptions, virtual_clock};

/// No wait in these tests takes longer, in virtual time.
const DEADLINE: Duration = Duration::from_mins(20);

const CRD: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.test.dev}
spec:
  group: test.dev
  scope: Namespaced
  names: {kind: Thing, plural: things, shortNames: [th]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    additionalPrinterColumns:
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [size]
            x-kubernetes-validations:
            - {rule: "has(self.git) != has(self.oci)", message: "set exactly one of git and oci"}
            - {rule: "self.size >= oldSelf.size", message: "size cannot shrink"}
            properties:
              size: {type: integer, minimum: 1, maximum: 9}
              mode: {type: string, enum: [Fast, Slow], default: Fast}
              name: {type: string, pattern: '^[a-z]+$', maxLength: 5}
              git: {type: string}
              oci: {type: string}
          status:
            type: object
            x-kubernetes-preserve-unknown-fields: true
"#;

struct World {
    sandbox: Sandbox,
    client: Client,
    _stop: DropGuard,
}

fn world(options: SandboxOptions) -> World {
    let start = "2026-01-05T12:00:00Z".parse().unwrap();
    let sandbox = Sandbox::new(SandboxOptions { clock: virtual_clock(start), ..options });
    sandbox.install_manifests(CRD).unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(sandbox.clone().simulate(stop.clone()));
    World { client: sandbox.client("default"), sandbox, _stop: stop.drop_guard() }
}

impl World {
    fn things(&self) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("test.dev", "v1", "Thing"));
        Api::default_namespaced_with(self.client.clone(), &resource)
    }

    fn deployments(&self) -> Api<Deployment> {
        Api::default_namespaced(self.client.clone())
    }
}

fn thing(name: &str, spec: Value) -> DynamicObject {
    serde_json::from_value(
        json!({"apiVersion": "test.dev/v1", "kind": "Thing", "metadata": {"name": name}, "spec": spec}),
    )
    .unwrap()
}

fn deployment(image: &str) -> Deployment {
    serde_json::from_value(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "server", "image": "server:8"}],
                     "volumes": [{"name": "code", "image": {"reference": image}}]},
        }},
    }))
    .unwrap()
}

fn message(error: &kube::Error) -> (u16, String) {
    match error {
        kube::Error::Api(status) => (status.code, status.message.clone()),
        other => panic!("not an answer of the API: {other}"),
    }
}

async fn until(api: Api<Deployment>, what: &str, holds: impl Fn(&Deployment) -> bool) -> Deployment {
    let condition = |deployment: Option<&Deployment>| deployment.is_some_and(&holds);
    tokio::time::timeout(DEADLINE, await_condition(api, "web", condition))
        .await
        .unwrap_or_else(|_| panic!("waited for: {what}"))
        .unwrap()
        .unwrap()
}

fn progressing(deployment: &Deployment) -> Option<String> {
    let conditions = deployment.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == "Progressing")?.reason.clone()
}

fn is_complete(deployment: &Deployment) -> bool {
    let status = deployment.status.clone().unwrap_or_default();
    status.observed_generation == deployment.metadata.generation
        && status.updated_replicas == Some(3)
        && status.replicas == Some(3)
        && status.available_replicas == Some(3)
}

#[rstest]
#[case(json!({"size": 1, "git": "a", "oci": "b"}), "spec: Invalid value: \"object\": set exactly one of git and oci")]
#[case(json!({"size": 0, "git": "a"}), "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1")]
#[case(json!({"size": "1", "git": "a"}), "spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\"")]
#[case(json!({"git": "a"}), "spec.size: Required value")]
#[case(json!({"size": 1, "git": "a", "mode": "Odd"}), "spec.mode: Unsupported value: \"Odd\": supported values: \"Fast\", \"Slow\"")]
#[case(json!({"size": 1, "git": "a", "name": "A"}), "spec.name: Invalid value: \"A\": spec.name in body should match '^[a-z]+$'")]
#[case(json!({"size": 1, "git": "a", "name": "abcdef"}), "spec.name: Too long: may not be more than 5 bytes")]
#[tokio::test(start_paused = true)]
async fn bad_objects_are_refused_in_the_api_servers_words(#[case] spec: Value, #[case] expected: &str) {
    let world = world(SandboxOptions::default());
    let refused = world.things().create(&PostParams::default(), &thing("x", spec)).await.unwrap_err();
    let (code, said) = message(&refused);
    assert_eq!(code, 422);
    assert!(said.starts_with("Thing.test.dev \"x\" is invalid: ") && said.contains(expected), "{said}");
}

#[tokio::test(start_paused = true)]
async fn defaults_generations_and_transition_rules() {
    let world = world(SandboxOptions::default());
    let api = world.things();
    let made = api
        .create(&PostParams::default(), &thing("x", json!({"size": 2, "git": "a", "odd": 1})))
        .await
        .unwrap();
    assert_eq!(made.data["spec"], json!({"size": 2, "git": "a", "mode": "Fast"}));
    assert_eq!(made.metadata.generation, Some(1));

    let merge = |value: Value| Patch::Merge(value);
    let patch = PatchParams::default();
    let same = api.patch("x", &patch, &merge(json!({"spec": {"size": 2}}))).await.unwrap();
    assert_eq!(same.metadata.resource_version, made.metadata.resource_version, "nothing changed");
    let larger =
        api.patch("x", &patch, &merge(json!({"spec": {"size": 3}, "status": {"a": 1}}))).await.unwrap();
    assert_eq!((larger.metadata.generation, larger.data.get("status")), (Some(2), None));
    let refused = api.patch("x", &patch, &merge(json!({"spec": {"size": 1}}))).await.unwrap_err();
    assert!(message(&refused).1.contains("size cannot shrink"));

    let status = api
        .patch_status("x", &patch, &merge(json!({"spec": {"size": 9}, "status": {"a": 1}})))
        .await
        .unwrap();
    assert_eq!((&status.data["spec"]["size"], &status.data["status"]), (&json!(3), &json!({"a": 1})));
    assert_eq!(status.metadata.generation, Some(2));

    let mut stale = made;
    stale.data["spec"]["size"] = json!(5);
    let refused = api.replace("x", &PostParams::default(), &stale).await.unwrap_err();
    assert_eq!(message(&refused).0, 409);
    stale.metadata.resource_version = None;
    let refused = api.replace("x", &PostParams::default(), &stale).await.unwrap_err();
    assert!(message(&refused).1.contains("must be specified for an update"));
}

#[tokio::test(start_paused = true)]
async fn a_failed_test_in_a_json_patch_is_a_422_and_changes_nothing() {
    let world = world(SandboxOptions::default());
    let api = world.things();
    api.create(&PostParams::default(), &thing("x", json!({"size": 2, "git": "a"}))).await.unwrap();
    let patch = |operations: Value| Patch::Json::<()>(serde_json::from_value(operations).unwrap());
    let refused = api
        .patch(
            "x",
            &PatchParams::default(),
            &patch(json!([
                {"op": "replace", "path": "/spec/git", "value": "b"},
                {"op": "test", "path": "/spec/size", "value": 3},
            ])),
        )
        .await
        .unwrap_err();
    assert_eq!(
        message(&refused),
        (422, "the server rejected our request due to an error in our request".to_owned())
    );
    let absent = patch(json!([{"op": "test", "path": "/spec/name", "value": null},
                              {"op": "add", "path": "/spec/name", "value": "n"}]));
    let named = api.patch("x", &PatchParams::default(), &absent).await.unwrap();
    assert_eq!((&named.data["spec"]["git"], &named.data["spec"]["name"]), (&json!("a"), &json!("n")));
    assert_eq!(message(&api.patch("x", &PatchParams::default(), &absent).await.unwrap_err()).0, 422);
}

#[tokio::test(start_paused = true)]
async fn managed_fields_say_who_wrote_what() {
    let world = world(SandboxOptions::default());
    let api = world.things();
    let by = |manager: &str| PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() };
    api.create(&by("maker"), &thing("x", json!({"size": 2, "git": "a"}))).await.unwrap();
    let patch = PatchParams { field_manager: Some("patcher".to_owned()), ..PatchParams::default() };
    let patched = api.patch("x", &patch, &Patch::Merge(json!({"spec": {"size": 3}}))).await.unwrap();
    let owner_of_size = |object: &DynamicObject| {
        let owns = |fields: &Value| fields.pointer("/f:spec/f:size").is_some();
        let entries = object.managed_fields().iter();
        let mut owners =
            entries.filter(|entry| entry.fields_v1.as_ref().is_some_and(|fields| owns(&fields.0)));
        owners.next().and_then(|entry| entry.manager.clone())
    };
    assert_eq!(owner_of_size(&patched).as_deref(), Some("patcher"));
    assert_eq!(patched.managed_fields().len(), 2);

    let wanted = Patch::Apply(json!({"apiVersion": "test.dev/v1", "kind": "Thing", "spec": {"size": 4}}));
    let refused = api.patch("x", &PatchParams::apply("applier"), &wanted).await.unwrap_err();
    let expected = "Apply failed with 1 conflict: conflict with \"patcher\" using test.dev/v1 at ";
    assert!(message(&refused).1.starts_with(expected), "{refused}");
    let forced = api.patch("x", &PatchParams::apply("applier").force(), &wanted).await.unwrap();
    assert_eq!(owner_of_size(&forced).as_deref(), Some("applier"));
    let again = api.patch("x", &PatchParams::apply("applier").force(), &wanted).await.unwrap();
    assert_eq!(again.metadata.resource_version, forced.metadata.resource_version, "nothing changed");
}

#[rstest]
#[case(watcher::Config::default())]
#[case(watcher::Config::default().streaming_lists())]
#[tokio::test(start_paused = true)]
async fn a_watcher_survives_dropped_watches_and_forgotten_versions(#[case] config: watcher::Config) {
    let world = world(SandboxOptions::default());
    let faults = Faults::new(1);
    let client = Client::new(faults.layer(world.sandbox.router()), "default");
    let watched = Api::<DynamicObject>::default_namespaced_with(
        client,
        &ApiResource::from_gvk(&GroupVersionKind::gvk("test.dev", "v1", "Thing")),
    );
    let mut seen = std::pin::pin!(
        watcher(watched, config)
            .default_backoff()
            .applied_objects()
            .filter_map(async |object| object.ok().map(|object| object.name_any()))
    );
    let api = world.things();
    for (name, trouble) in [("a", 0), ("b", 1), ("c", 2), ("d", 3)] {
        match trouble {
            1 => faults.drop_watches(),
            2 => {
                faults.stop();
                tokio::time::sleep(Duration::from_secs(5)).await;
                faults.resume();
            }
            3 => {
                faults.drop_watches();
                world.sandbox.compact();
            }
            _ => {}
        }
        api.create(&PostParams::default(), &thing(name, json!({"size": 2, "git": "a"}))).await.unwrap();
        let found = async { while seen.next().await.as_deref() != Some(name) {} };
        tokio::time::timeout(DEADLINE, found).await.unwrap_or_else(|_| panic!("waited to see {name}"));
    }
}

#[tokio::test(start_paused = true)]
async fn objects_enter_and_leave_a_selector() {
    let world = world(SandboxOptions::default());
    let api = world.things();
    let labelled = |value: Value| Patch::Merge(json!({"metadata": {"labels": {"ring": value}}}));
    let config = watcher::Config::default().labels("ring=canary");
    let mut events = watcher(api.clone(), config).boxed();
    api.create(&PostParams::default(), &thing("x", json!({"size": 2, "git": "a"}))).await.unwrap();
    while !matches!(events.try_next().await.unwrap(), Some(watcher::Event::InitDone)) {}
    api.patch("x", &PatchParams::default(), &labelled(json!("canary"))).await.unwrap();
    assert!(matches!(events.try_next().await.unwrap(), Some(watcher::Event::Apply(_))));
    api.patch("x", &PatchParams::default(), &labelled(json!("late"))).await.unwrap();
    assert!(matches!(events.try_next().await.unwrap(), Some(watcher::Event::Delete(_))));
}

#[rstest]
#[case(json!({"type": "Recreate"}))]
#[case(json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}))]
#[case(json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "0%", "maxUnavailable": "50%"}}))]
#[tokio::test(start_paused = true)]
async fn a_deployment_rolls_out_and_numbers_its_revisions(#[case] strategy: Value) {
    let world = world(SandboxOptions::default());
    let api = world.deployments();
    let mut first = deployment("code:v1");
    first.spec.as_mut().unwrap().strategy = Some(serde_json::from_value(strategy).unwrap());
    api.create(&PostParams::default(), &first).await.unwrap();
    until(api.clone(), "the first rollout", is_complete).await;
    let image = json!([{"op": "replace", "path": "/spec/template/spec/volumes/0/image/reference", "value": "code:v2"}]);
    let patch = Patch::Json::<()>(serde_json::from_value(image).unwrap());
    api.patch("web", &PatchParams::default(), &patch).await.unwrap();
    let rolled = until(api.clone(), "the second rollout", is_complete).await;
    assert_eq!(rolled.annotations()["deployment.kubernetes.io/revision"], "2");
    assert_eq!(progressing(&rolled).as_deref(), Some("NewReplicaSetAvailable"));
    let pods: Api<Pod> = Api::default_namespaced(world.client.clone());
    let pods = pods.list(&ListParams::default().labels("app=web")).await.unwrap();
    for pod in pods.items.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
        let volumes = pod.spec.unwrap().volumes.unwrap();
        assert_eq!(volumes[0].image.as_ref().unwrap().reference.as_deref(), Some("code:v2"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_deployment_is_stored_and_listed_as_go_writes_it() {
    let world = world(SandboxOptions::default());
    let api = world.deployments();
    let mut first = deployment("code:v1");
    first.spec.as_mut().unwrap().template.spec.as_mut().unwrap().image_pull_secrets = Some(Vec::new());
    first.metadata.annotations = Some(std::collections::BTreeMap::default());
    let created = api.create(&PostParams::default(), &first).await.unwrap();
    assert_eq!(created.metadata.annotations, None, "no empty maps in metadata");
    assert_eq!(created.spec.unwrap().template.spec.unwrap().image_pull_secrets, None, "no empty lists");
    let rolled = until(api.clone(), "the first rollout", is_complete).await;
    assert_eq!(rolled.metadata.generation, Some(1), "the revision comes with the status");
    let note = Patch::Merge(json!({"metadata": {"annotations": {"note": "1"}}}));
    let noted = api.patch("web", &PatchParams::default(), &note).await.unwrap();
    assert_eq!(noted.metadata.generation, Some(2), "annotations of a Deployment count");

    let resource = ApiResource::erase::<Deployment>(&());
    let deployments: Api<DynamicObject> = Api::default_namespaced_with(world.client.clone(), &resource);
    let listed = deployments.list(&ListParams::default()).await.unwrap();
    assert!(listed.items[0].types.is_none(), "items of built-in lists do not say their kind");
    world.things().create(&PostParams::default(), &thing("x", json!({"size": 2, "git": "a"}))).await.unwrap();
    let listed = world.things().list(&ListParams::default()).await.unwrap();
    assert_eq!(listed.items[0].types.as_ref().unwrap().kind, "Thing");
}

#[tokio::test(start_paused = true)]
async fn an_image_that_cannot_be_pulled_stops_the_rollout_and_says_why() {
    let pull_check =
        Arc::new(|reference: &str| (reference == "code:v2").then(|| PullFailure::not_found(reference)));
    let world = world(SandboxOptions { pull_check, ..SandboxOptions::default() });
    let api = world.deployments();
    api.create(&PostParams::default(), &deployment("code:v1")).await.unwrap();
    until(api.clone(), "the first rollout", is_complete).await;
    api.patch("web", &PatchParams::default(), &Patch::Strategic(deployment("code:v2"))).await.unwrap();
    let late =
        |deployment: &Deployment| progressing(deployment).as_deref() == Some("ProgressDeadlineExceeded");
    let stuck = until(api.clone(), "the deadline", late).await;
    assert_eq!(stuck.status.unwrap().available_replicas, Some(3), "the old pods still serve");
    let pods: Api<Pod> = Api::default_namespaced(world.client.clone());
    let pods = pods.list(&ListParams::default()).await.unwrap();
    let waiting = pods.iter().find_map(|pod| {
        pod.status.as_ref()?.container_statuses.as_ref()?.first()?.state.as_ref()?.waiting.clone()
    });
    let waiting = waiting.expect("a pod that waits");
    assert_eq!(waiting.reason.as_deref(), Some("ImagePullBackOff"));
    assert!(waiting.message.unwrap().contains("\"code:v2\""));
}

#[tokio::test(start_paused = true)]
async fn an_old_api_server_drops_image_volumes() {
    let world = world(SandboxOptions { image_volumes: false, ..SandboxOptions::default() });
    let mut given = deployment("code:v1");
    let mount: VolumeMount = serde_json::from_value(json!({"name": "code", "mountPath": "/code"})).unwrap();
    given.spec.as_mut().unwrap().template.spec.as_mut().unwrap().containers[0].volume_mounts =
        Some(vec![mount]);
    let made = world.deployments().create(&PostParams::default(), &given).await.unwrap();
    let pod = made.spec.unwrap().template.spec.unwrap();
    assert_eq!((pod.volumes, &pod.containers[0].volume_mounts), (None, &None), "the volume and its mount");
}

#[tokio::test(start_paused = true)]
async fn what_a_deployment_owns_goes_with_it_and_finalizers_hold() {
    let world = world(SandboxOptions::default());
    let api = world.deployments();
    api.create(&PostParams::default(), &deployment("code:v1")).await.unwrap();
    until(api.clone(), "the rollout", is_complete).await;
    api.delete("web", &DeleteParams::default()).await.unwrap();
    let pods: Api<Pod> = Api::default_namespaced(world.client.clone());
    let gone = async {
        while !pods.list(&ListParams::default()).await.unwrap().items.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(DEADLINE, gone).await.expect("waited for the pods to go");

    let things = world.things();
    let mut held = thing("x", json!({"size": 2, "git": "a"}));
    held.metadata.finalizers = Some(vec!["test.dev/hold".to_owned()]);
    things.create(&PostParams::default(), &held).await.unwrap();
    things.delete("x", &DeleteParams::default()).await.unwrap();
    assert!(things.get("x").await.unwrap().metadata.deletion_timestamp.is_some());
    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    things.patch("x", &PatchParams::default(), &release).await.unwrap();
    assert!(things.get_opt("x").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn pages_continue_where_they_stopped() {
    let world = world(SandboxOptions::default());
    let api = world.things();
    for index in 0..7 {
        api.create(&PostParams::default(), &thing(&format!("x{index}"), json!({"size": 2, "git": "a"})))
            .await
            .unwrap();
    }
    let mut names = Vec::new();
    let mut parameters = ListParams::default().limit(3);
    loop {
        let page = api.list(&parameters).await.unwrap();
        names.extend(page.items.iter().map(kube::ResourceExt::name_any));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters = parameters.continue_token(&token),
            None => break,
        }
    }
    assert_eq!(names, ["x0", "x1", "x2", "x3", "x4", "x5", "x6"]);
}

#[tokio::test(start_paused = true)]
async fn planned_faults_happen_as_often_as_planned() {
    let world = world(SandboxOptions::default());
    let faults = Faults::new(7);
    faults.set(FaultPlan { too_many_requests_per_thousand: 500, ..FaultPlan::default() });
    let client = Client::new(faults.layer(world.sandbox.router()), "default");
    let pods: Api<Pod> = Api::default_namespaced(client);
    let mut refused = 0;
    for _ in 0..200 {
        if let Err(error) = pods.list(&ListParams::default()).await {
            assert_eq!(message(&error).0, 429);
            refused += 1;
        }
    }
    assert!((60..140).contains(&refused), "{refused} of 200 were refused");
}
