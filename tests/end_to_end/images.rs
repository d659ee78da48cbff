//! What images must be: for which machines, and when they were built.

use std::collections::HashSet;

use serde_json::{Value, json};
use voxsync_fixtures::{Access, CodeImage, Registry, Transport};

use crate::harness::{
    Case, Cluster, Voxsync, cases,
    estate::{PRODUCTION, REPOSITORY, bare_server},
    status::{assert_says, condition, follow_tags, text},
};

pub(crate) const CASES: &[Case] = cases![
    an_image_for_other_machines_waits_for_one_that_fits,
    the_newest_build_is_taken_when_all_times_are_known,
];

async fn an_image_for_other_machines_waits_for_one_that_fits(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let _voxsync = Voxsync::start(cluster);
    bare_server(cluster, PRODUCTION).await;
    let foreign = CodeImage { architecture: Some("s390x".to_owned()), ..CodeImage::with_site("v1.0.0") };
    registry.push(REPOSITORY, "v1.0.0", &foreign).await;
    let mut spec = only(&registry, &json!({"semver": "*"}));
    spec["image"] = json!({"platform": "linux/amd64"});
    cluster.create_code_sync(PRODUCTION, spec).await;
    let status = cluster.condition(PRODUCTION, "SourceReady", "False", "PlatformMissing").await;
    let message = text(&condition(&status, "SourceReady")["message"]);
    assert_says(message, &["not for linux/amd64 but for linux/s390x", "spec.image.platform"]);
    assert!(status["candidate"].is_null(), "{status}");

    // The same tag, for these machines: nobody has to ask for a look.
    registry.push(REPOSITORY, "v1.0.0", &CodeImage::with_site("v1.0.0")).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
}

async fn the_newest_build_is_taken_when_all_times_are_known(cluster: &Cluster) {
    const TAGS: usize = 70;
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    // Their names say nothing of their order, and one does not say when it was built.
    for number in 0..TAGS {
        let created = format!("2026-01-01T00:{:02}:{:02}Z", number * 9 % TAGS / 60, number * 9 % TAGS % 60);
        let tag = format!("build-{number:x}");
        registry
            .push(REPOSITORY, &tag, &CodeImage { created: Some(created), ..CodeImage::with_site(&tag) })
            .await;
    }
    let newest = (0..TAGS).max_by_key(|number| number * 9 % TAGS).map(|number| format!("build-{number:x}"));
    let newest = newest.expect("some tags");
    registry.push(REPOSITORY, "zzz", &CodeImage::with_site("zzz")).await;
    registry.forget_requests();

    let _voxsync = Voxsync::start(cluster);
    bare_server(cluster, PRODUCTION).await;
    let mut spec = only(&registry, &json!({"newestBuild": {}}));
    spec["source"]["interval"] = json!("1h");
    cluster.create_code_sync(PRODUCTION, spec).await;
    cluster.deployed(PRODUCTION, &newest).await;
    let lists = registry.requests().iter().filter(|request| request.path.contains("tags/list")).count();
    assert_eq!(lists, 2, "a part of the times at each look, and the next look at once");

    let image =
        CodeImage { created: Some("2026-02-01T00:00:00Z".to_owned()), ..CodeImage::with_site("newer") };
    registry.push(REPOSITORY, "a-newer-one", &image).await;
    registry.forget_requests();
    cluster.look(PRODUCTION).await;
    cluster.deployed(PRODUCTION, "a-newer-one").await;
    let asked = registry.requests();
    let asked: HashSet<&str> =
        asked.iter().filter_map(|request| request.path.split("/manifests/").nth(1)).collect();
    assert_eq!(asked, HashSet::from(["a-newer-one"]), "what is known is not asked for again");
}

fn only(registry: &Registry, rule: &Value) -> Value {
    let target = json!({"kind": "Config", "name": PRODUCTION});
    json!({"source": follow_tags(registry, REPOSITORY, rule), "target": target})
}
