//! Beside tools that apply manifests, with the very snippets of `docs/beside-other-tools.md`.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{
    Case, Cluster, Needs, cases,
    estate::{Estate, PRODUCTION, bare_server},
};

pub(crate) const CASES: &[Case] = cases![
    flux_with_the_documented_patch_leaves_the_code => Needs::BOTH_SHAPES.on_control_plane_only(),
    argo_cd_with_the_documented_differences_ignores_the_code => Needs::BOTH_SHAPES,
];

/// The YAML block of the documentation that has this text in it.
fn snippet(text: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/beside-other-tools.md");
    let document = std::fs::read_to_string(path).expect("the documentation");
    let blocks = document.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.filter(|block| block.contains(text)).map(str::to_owned).next().expect("a block with this text")
}

async fn flux_with_the_documented_patch_leaves_the_code(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
    write("kustomization.yaml", &snippet("kind: Kustomization"));
    let apply = |server_version: &str| {
        let image = json!({"repository": "ghcr.io/example/openvox-server", "tag": server_version});
        let config = json!({
            "apiVersion": "openvox.voxpupuli.org/v1alpha1", "kind": "Config", "metadata": {"name": PRODUCTION},
            "spec": {"authorityRef": "ca", "image": image, "code": cluster.code(&estate.tagged("v0.9.0"))},
        });
        write("config.yaml", &config.to_string());
        let folder = folder.path().to_str().expect("a path");
        let manager = "--field-manager=kustomize-controller";
        cluster.kubectl(&["apply", "--server-side", "--force-conflicts", manager, "-k", folder]);
    };

    apply("8.12.1");
    cluster.create_code_sync(PRODUCTION, estate.only_config()).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    let wanted = estate.push_and_look(cluster, "v1.1.0").await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;

    apply("8.12.2");
    let config = cluster.get("Config", PRODUCTION).await;
    assert_eq!(config["spec"]["image"]["tag"], "8.12.2");
    assert_eq!(cluster.code_of("Config", PRODUCTION).await, wanted);
    let status = cluster.look(PRODUCTION).await;
    assert_eq!((&status["deployed"]["name"], status.get("holds")), (&json!("v1.1.0"), None));
}

async fn argo_cd_with_the_documented_differences_ignores_the_code(cluster: &Cluster) {
    let application: Value = serde_saphyr::from_str(&snippet("kind: Application")).expect("YAML");
    let ignored = application["spec"]["ignoreDifferences"].as_array().expect("a list");
    let manager = |kind: &str| {
        let entry = ignored.iter().find(|entry| entry["kind"] == kind).expect("the kind");
        assert_eq!(entry["group"], "openvox.voxpupuli.org");
        entry["managedFieldsManagers"][0].as_str().expect("a manager").to_owned()
    };

    let estate = Estate::start(cluster).await;
    bare_server(cluster, "fresh").await;
    let target = json!({"kind": "Config", "name": "fresh"});
    cluster.create_code_sync("fresh", json!({"source": estate.source(), "target": target})).await;
    cluster.deployed("fresh", "v1.0.0").await;

    // Argo CD leaves out of its comparison what these managers own.
    let config = cluster.get("Config", "fresh").await;
    let fields = config["metadata"]["managedFields"].as_array().expect("managed fields");
    let owned = fields.iter().find(|entry| entry["manager"] == manager("Config")).expect("an entry of ours");
    assert!(owned["fieldsV1"]["f:spec"].get("f:code").is_some(), "{owned}");
    assert_eq!(owned["fieldsV1"]["f:spec"].as_object().map(serde_json::Map::len), Some(1), "{owned}");
    assert_eq!(manager("Server"), manager("Config"));
}
