//! Stages in other namespaces: dev, then staging, then production, each of which has to let the CodeSync in.

use serde_json::{Value, json};
use voxsync_cluster::CrossNamespace;
use voxsync_fixtures::{Access, CodeImage, Registry, Transport};

use crate::harness::{
    Case, Cluster, Halves, Needs, NewServer, Voxsync, cases,
    estate::{PRODUCTION, REPOSITORY},
    gated::{has_gate, is_complete, is_held, is_paused, pause},
    rollouts::code_images,
    status::{assert_says, condition, follow_tags, reference_in, text, waits_for},
};

pub(crate) const CASES: &[Case] = cases![
    dev_staging_and_production_are_namespaces_of_their_own => Needs::EXCLUSIVE,
    without_consent_or_the_option_nothing_is_written => Needs::EXCLUSIVE,
    consent_withdrawn_half_way_leaves_nothing_held_back => Needs::EXCLUSIVE,
];

/// A namespace a stage, in each the Config `production` with a Server of the same name.
struct Environments {
    registry: Registry,
    dev: Cluster,
    others: Vec<Cluster>,
    voxsync: Option<Voxsync>,
}

impl Environments {
    /// All on v1.0.0. The CodeSync is in `dev`, where voxsync runs, too, with the rights of `deploy/cluster`.
    async fn start(cluster: &Cluster, others: &[&str]) -> Self {
        let registry = Registry::start(Access::Anonymous, Transport::Plain);
        let dev = cluster.another_with("cluster", "dev").await;
        let mut environments = Self { registry, dev, others: Vec::new(), voxsync: None };
        for stage in others {
            environments.others.push(cluster.another(stage).await);
        }
        environments.push("v1.0.0").await;
        for place in environments.all() {
            let code = place.code(&environments.registry.reference(REPOSITORY, "v1.0.0"));
            place.create_config(PRODUCTION, Some(code)).await;
            let server = NewServer { name: "main", by_operator: false, ..NewServer::default() };
            place.create_server(&server).await;
        }
        environments
    }

    fn all(&self) -> impl Iterator<Item = &Cluster> {
        std::iter::once(&self.dev).chain(&self.others)
    }

    fn runs(&mut self, cross_namespace: CrossNamespace) {
        // The one before ends first.
        self.voxsync = None;
        let halves = Halves { all_namespaces: true, cross_namespace, ..Halves::default() };
        self.voxsync = Some(Voxsync::start_with(&self.dev, halves));
    }

    async fn push(&self, tag: &str) {
        self.registry.push(REPOSITORY, tag, &CodeImage::with_site(tag)).await;
    }

    /// The target of a stage in a namespace.
    fn target(place: &Cluster) -> Value {
        json!({"kind": "Config", "name": PRODUCTION, "namespace": place.namespace()})
    }

    fn source(&self) -> Value {
        follow_tags(&self.registry, REPOSITORY, &json!({"semver": ">=1.0.0-0"}))
    }

    /// The tags that the Configs name.
    async fn tags(&self) -> Vec<String> {
        let mut tags = Vec::new();
        for place in self.all() {
            tags.push(tag(&place.get("Config", PRODUCTION).await));
        }
        tags
    }

    async fn lets_in(&self, place: &Cluster, namespace: Option<&str>) {
        let annotation = json!({"metadata": {"annotations": {"voxsync.dev/accepts-from": namespace}}});
        place.patch("Config", PRODUCTION, annotation).await;
    }

    /// The status once the own namespace has a tag, and the next stage waits for consent.
    async fn stops_with(&self, tag: &str) -> Value {
        let is_stopped = |status: &Value| {
            status["promotion"]["candidate"]["name"] == tag
                && status["stages"][0]["promotion"] == status["promotion"]["id"]
                && !waits_for(status, "NoConsent").is_empty()
        };
        self.dev.status_when(PRODUCTION, &format!("only its own namespace has {tag}"), is_stopped).await
    }

    async fn end(&mut self) {
        self.voxsync = None;
        for place in self.all() {
            place.end().await;
        }
    }
}

fn tag(config: &Value) -> String {
    let reference = reference_in(config).unwrap_or_default();
    let reference = reference.split_once('@').map_or(reference.as_str(), |(tagged, _)| tagged);
    reference.rsplit_once(':').map_or(reference, |(_, tag)| tag).to_owned()
}

async fn dev_staging_and_production_are_namespaces_of_their_own(cluster: &Cluster) {
    let mut environments = Environments::start(cluster, &["staging", "prod"]).await;
    let dev = environments.dev.namespace().to_owned();
    let prod = &environments.others[1];
    // Its Deployment is held back until the other one of its namespace runs the code.
    prod.create_server(&NewServer { name: "ca", ca: true, by_operator: false, ..NewServer::default() }).await;
    for place in &environments.others {
        environments.lets_in(place, Some(&format!("elsewhere, {dev}"))).await;
    }
    let names = ["dev", "staging", "production"];
    let stages = |last: Value| -> Value {
        let stages = names.iter().zip(environments.all()).map(|(name, place)| {
            let checks = if *name == "production" { last.clone() } else { json!([]) };
            json!({"name": name, "targets": [Environments::target(place)], "checks": checks})
        });
        stages.collect()
    };
    let good = json!({"source": environments.source(), "stages": stages(json!([]))});
    // Nobody answers there.
    let down = json!([{"name": "answers", "unreachable": "Fail", "http": {"url": "http://127.0.0.1:1/"}}]);
    let bad = json!({"stages": stages(down)});
    environments.dev.create_code_sync(PRODUCTION, good).await;
    environments.runs(CrossNamespace::Allowed);
    environments.dev.deployed(PRODUCTION, "v1.0.0").await;

    environments.push("v1.1.0").await;
    let status = environments.dev.deployed(PRODUCTION, "v1.1.0").await;
    assert_eq!(environments.tags().await, ["v1.1.0"; 3]);
    let release = environments.dev.release(text(&status["history"][0]["id"])).await;
    let released = |stage: usize| &release["spec"]["stages"][stage]["targets"][0];
    assert_eq!(
        text(&released(0)["target"]),
        format!("Config/{PRODUCTION}"),
        "its own namespace is not named"
    );
    let prod = environments.others[1].namespace();
    assert_eq!(text(&released(2)["target"]), format!("Config/{prod}/{PRODUCTION}"));
    assert_eq!(released(2)["servers"], json!([format!("{prod}/ca"), format!("{prod}/main")]));
    environments.others[1].event("ca", "GateLifted").await;

    environments.dev.change_code_sync(PRODUCTION, bad).await;
    environments.push("v1.2.0").await;
    let is_back = |status: &Value| {
        status["promotion"]["candidate"]["name"] == "v1.2.0"
            && status["promotion"]["outcome"] == "RolledBack"
            && !waits_for(status, "RolledBack").is_empty()
    };
    let status = environments.dev.status_when(PRODUCTION, "it is given back everywhere", is_back).await;
    assert_eq!(environments.tags().await, ["v1.1.0"; 3]);
    assert_says(waits_for(&status, "RolledBack"), &["check answers of stage production failed"]);
    for place in environments.all() {
        let gates = place.list("Deployment").await;
        assert!(gates.iter().all(|found| found["spec"]["paused"].is_null()), "{gates:?}");
    }
    let code_sync = environments.dev.get("CodeSync", PRODUCTION).await;
    assert!(code_sync["metadata"]["finalizers"].is_null(), "{code_sync}");
    environments.end().await;
}

async fn without_consent_or_the_option_nothing_is_written(cluster: &Cluster) {
    let mut environments = Environments::start(cluster, &["prod"]).await;
    let dev = environments.dev.namespace().to_owned();
    let prod = environments.others[0].namespace().to_owned();
    let versions = async |environments: &Environments| {
        let place = &environments.others[0];
        [place.get("Config", PRODUCTION).await, place.get("Deployment", "main").await]
            .map(|found| found["metadata"]["generation"].clone())
    };
    let before = versions(&environments).await;
    let stages: Value = ["dev", "production"]
        .iter()
        .zip(environments.all())
        .map(|(name, place)| json!({"name": name, "targets": [Environments::target(place)]}))
        .collect();
    let spec = json!({"source": environments.source(), "stages": stages});
    environments.push("v1.1.0").await;
    environments.dev.create_code_sync(PRODUCTION, spec).await;

    environments.runs(CrossNamespace::Refused);
    let status = environments.dev.condition(PRODUCTION, "Stalled", "True", "InvalidSpec").await;
    let said = text(&condition(&status, "Stalled")["message"]);
    assert_says(said, &["stages[production].targets.namespace", &prod, "--allow-cross-namespace"]);
    assert_eq!(environments.tags().await, ["v1.0.0"; 2]);

    environments.runs(CrossNamespace::Allowed);
    let status = environments.stops_with("v1.1.0").await;
    assert_eq!(condition(&status, "Ready")["reason"], "NoConsent");
    let command = format!("`kubectl annotate config {PRODUCTION} -n {prod} voxsync.dev/accepts-from={dev}`");
    assert_says(waits_for(&status, "NoConsent"), &[&command]);
    assert_eq!(environments.tags().await, ["v1.1.0", "v1.0.0"]);
    assert_eq!(versions(&environments).await, before, "neither Config nor Deployment was written");

    environments.lets_in(&environments.others[0], Some(&dev)).await;
    environments.dev.deployed(PRODUCTION, "v1.1.0").await;
    assert_eq!(environments.tags().await, ["v1.1.0"; 2]);

    // Withdrawn, it is left as it is.
    environments.lets_in(&environments.others[0], None).await;
    environments.dev.condition(PRODUCTION, "Ready", "False", "NoConsent").await;
    environments.push("v1.2.0").await;
    environments.stops_with("v1.2.0").await;
    assert_eq!(environments.tags().await, ["v1.2.0", "v1.1.0"]);
    environments.end().await;
}

/// A person paused the other Server, so that the certificate authority is held back as its namespace shuts.
async fn consent_withdrawn_half_way_leaves_nothing_held_back(cluster: &Cluster) {
    let mut environments = Environments::start(cluster, &["prod"]).await;
    let dev = environments.dev.namespace().to_owned();
    let prod = &environments.others[0];
    prod.create_server(&NewServer { name: "ca", ca: true, by_operator: false, ..NewServer::default() }).await;
    environments.lets_in(prod, Some(&dev)).await;
    let stages: Value = ["dev", "production"]
        .iter()
        .zip(environments.all())
        .map(|(name, place)| json!({"name": name, "targets": [Environments::target(place)]}))
        .collect();
    let spec = json!({"source": environments.source(), "stages": stages});
    environments.dev.create_code_sync(PRODUCTION, spec).await;
    environments.runs(CrossNamespace::Allowed);
    environments.dev.deployed(PRODUCTION, "v1.0.0").await;
    let prod = &environments.others[0];
    prod.patch("Deployment", "main", pause(true)).await;
    environments.push("v1.1.0").await;
    let is_new = |found: &Value| code_images(found).first().is_some_and(|image| image.contains(":v1.1.0@"));
    prod.deployment_when("ca", "held back on the new template", |found| is_held(found) && is_new(found))
        .await;

    environments.lets_in(prod, None).await;
    environments.dev.condition(PRODUCTION, "Ready", "False", "NoConsent").await;
    let written = prod.get("Config", PRODUCTION).await["metadata"]["generation"].clone();
    environments.push("v1.2.0").await;
    environments.stops_with("v1.2.0").await;
    let authority = prod.get("Deployment", "ca").await;
    assert!(is_held(&authority) && is_new(&authority), "nobody of its namespace runs it yet: {authority}");

    // Once others run what its template has, it is let go by the same rule as without any CodeSync.
    prod.patch("Deployment", "main", pause(false)).await;
    let is_free = |found: &Value| !is_paused(found) && !has_gate(found) && is_complete(found);
    let authority = prod.deployment_when("ca", "let go", is_free).await;
    assert!(is_new(&authority), "{authority}");
    assert_says(&prod.event("ca", "GateLifted").await, &["no promotion holds it back any more"]);
    assert_eq!(prod.get("Config", PRODUCTION).await["metadata"]["generation"], written, "it was not written");
    let code_sync = environments.dev.get("CodeSync", PRODUCTION).await;
    assert!(code_sync["metadata"]["finalizers"].is_null(), "{code_sync}");

    // Given again, it gets what it missed, in its order.
    environments.lets_in(prod, Some(&dev)).await;
    environments.dev.deployed(PRODUCTION, "v1.2.0").await;
    assert_eq!(environments.tags().await, ["v1.2.0"; 2]);
    for name in ["main", "ca"] {
        environments.others[0]
            .deployment_when(name, "free, on v1.2.0", |found| {
                !is_paused(found) && !has_gate(found) && code_images(found)[0].contains(":v1.2.0@")
            })
            .await;
    }
    environments.end().await;
}
