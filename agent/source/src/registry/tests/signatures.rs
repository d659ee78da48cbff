//! Signatures beside an image: where they are looked for, what is taken of them, and what a registry may do about it.

use std::collections::HashMap;

use rstest::rstest;
use sha2::{Digest, Sha256};

use super::*;

const IMAGE: &str = "sha256:45b23dee08af5e43a7fea6c4cf9c25ccf269ee113168c19722f87876677c5cb2";
const BESIDE: &str = "sha256-45b23dee08af5e43a7fea6c4cf9c25ccf269ee113168c19722f87876677c5cb2";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

fn digest(text: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(text)))
}

fn layer(media_type: &str, content: &str) -> Value {
    json!({"mediaType": media_type, "digest": digest(content), "size": 1, "annotations": {"a": "b"}})
}

fn manifest(layers: &[Value]) -> String {
    json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": layers}).to_string()
}

fn index(manifests: &[Value]) -> String {
    json!({"schemaVersion": 2, "manifests": manifests}).to_string()
}

fn entry(artifact_type: &str, manifest: &str) -> Value {
    json!({"mediaType": OCI_MANIFEST, "digest": digest(manifest), "size": 1, "artifactType": artifact_type})
}

/// A registry with these answers by path below the repository, and a 404 for all else.
async fn with(paths: &[(String, String)]) -> Registry {
    let paths: HashMap<String, String> = paths.iter().cloned().collect();
    Registry::start(move |seen| match paths.get(seen.path.strip_prefix("/v2/team/code/").unwrap()) {
        Some(body) => answer(200, &[], body.clone()),
        None => answer(404, &[], r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#),
    })
    .await
}

fn manifest_at(reference: &str, text: &str) -> (String, String) {
    (format!("manifests/{reference}"), text.to_owned())
}

fn blob(content: &str) -> (String, String) {
    (format!("blobs/{}", digest(content)), content.to_owned())
}

async fn signatures(registry: &Registry) -> Result<Vec<FoundSignature>, RegistryError> {
    registry.client(Login::Anonymous).signatures(IMAGE).await
}

#[tokio::test]
async fn none_is_three_questions() {
    let registry = with(&[]).await;
    assert_eq!(signatures(&registry).await.unwrap(), []);
    let asked =
        [format!("manifests/{BESIDE}.sig"), format!("referrers/{IMAGE}"), format!("manifests/{BESIDE}")];
    assert_eq!(registry.take_requests(), asked.map(|path| format!("GET /v2/team/code/{path}")));
}

#[rstest]
#[case::listed_by_the_registry(format!("referrers/{IMAGE}"))]
#[case::listed_under_a_tag(format!("manifests/{BESIDE}"))]
#[tokio::test]
async fn both_forms_are_found(#[case] list: String) {
    let (simple, bundle) = (
        manifest(&[layer(SIMPLE, "payload"), layer("text/plain", "x")]),
        manifest(&[layer(BUNDLE, "bundle")]),
    );
    let sbom = manifest(&[layer(BUNDLE, "sbom")]);
    let mut said = entry(BUNDLE, &sbom);
    said["annotations"] = json!({"dev.sigstore.bundle.predicateType": "https://spdx.dev/Document"});
    let listed = index(&[entry("application/spdx+json", &sbom), said, entry(BUNDLE, &bundle)]);
    let registry = with(&[
        manifest_at(&format!("{BESIDE}.sig"), &simple),
        manifest_at(&digest(&bundle), &bundle),
        (list, listed),
        blob("payload"),
        blob("bundle"),
    ])
    .await;
    let annotations = [("a".to_owned(), "b".to_owned())].into();
    let simple = FoundSignature::Simple { payload: b"payload".to_vec(), annotations };
    assert_eq!(signatures(&registry).await.unwrap(), [simple, FoundSignature::Bundle(b"bundle".to_vec())]);
}

/// A registry whose list of referrers has a page for each of these, with or without an end.
async fn in_pages(pages: Vec<String>, is_endless: bool, rest: &[(String, String)]) -> Registry {
    let rest: HashMap<String, String> = rest.iter().cloned().collect();
    Registry::start(move |seen| {
        let path = seen.path.strip_prefix("/v2/team/code/").unwrap();
        let Some(page) = path.strip_prefix(&format!("referrers/{IMAGE}")) else {
            return rest
                .get(path)
                .map_or_else(|| answer(404, &[], "{}"), |body| answer(200, &[], body.clone()));
        };
        let number: usize = page.strip_prefix("?page=").map_or(0, |number| number.parse().unwrap());
        // As a registry behind a proxy sees itself.
        let link = format!("<http://127.0.0.1:1/hub/referrers/{IMAGE}?page={}>; rel=\"next\"", number + 1);
        let has_next = is_endless || number + 1 < pages.len();
        let headers: &[(&str, &str)] = if has_next { &[("link", &link)] } else { &[] };
        answer(200, headers, pages[number.min(pages.len() - 1)].clone())
    })
    .await
}

#[tokio::test]
async fn all_pages_of_a_list_are_read() {
    let bundle = manifest(&[layer(BUNDLE, "bundle")]);
    let sbom = index(&[entry("application/spdx+json", "sbom")]);
    let pages = vec![sbom.clone(), index(&[]), index(&[entry(BUNDLE, &bundle)])];
    let rest = [manifest_at(&digest(&bundle), &bundle), blob("bundle")];
    let registry = in_pages(pages, false, &rest).await;
    assert_eq!(signatures(&registry).await.unwrap(), [FoundSignature::Bundle(b"bundle".to_vec())]);

    let registry = in_pages(vec![sbom], true, &[]).await;
    assert_eq!(signatures(&registry).await.unwrap(), [], "one without an end ends");
    assert_eq!(registry.take_requests().len(), 51);
}

#[tokio::test]
async fn one_that_cannot_be_read_hides_no_other() {
    let all = manifest(&[layer(SIMPLE, "changed"), layer(SIMPLE, "gone"), layer(SIMPLE, "good")]);
    let changed = (format!("blobs/{}", digest("changed")), "something else".to_owned());
    let registry = with(&[manifest_at(&format!("{BESIDE}.sig"), &all), changed, blob("good")]).await;
    let found = signatures(&registry).await.unwrap();
    let [
        FoundSignature::Damaged(one),
        FoundSignature::Unreadable(two),
        FoundSignature::Simple { payload, .. },
    ] = found.as_slice()
    else {
        panic!("{found:?}")
    };
    assert!(one.contains(&digest("changed")) && two.contains("404") && payload == b"good", "{one}; {two}");
}

#[tokio::test]
async fn a_manifest_of_another_digest_is_damaged() {
    let (claimed, actual) = (manifest(&[layer(BUNDLE, "bundle")]), manifest(&[layer(BUNDLE, "evil")]));
    let listed = index(&[entry(BUNDLE, &claimed)]);
    let registry = with(&[
        manifest_at(BESIDE, &listed),
        manifest_at(&digest(&claimed), &actual),
        blob("evil"),
        blob("bundle"),
    ])
    .await;
    let found = signatures(&registry).await.unwrap();
    assert!(matches!(found.as_slice(), [FoundSignature::Damaged(_)]), "{found:?}");
}

/// As a proxy has them that wants to be logged in to.
#[tokio::test]
async fn a_page_in_the_place_of_a_manifest_is_damaged_and_hides_no_other() {
    let bundle = manifest(&[layer(BUNDLE, "bundle")]);
    let registry = with(&[
        manifest_at(&format!("{BESIDE}.sig"), "<html>"),
        (format!("referrers/{IMAGE}"), index(&[entry(BUNDLE, &bundle)])),
        manifest_at(&digest(&bundle), &bundle),
        blob("bundle"),
    ])
    .await;
    let found = signatures(&registry).await.unwrap();
    let [FoundSignature::Damaged(_), FoundSignature::Bundle(_)] = found.as_slice() else {
        panic!("{found:?}")
    };
}

#[tokio::test]
async fn they_are_bounded() {
    let many: Vec<Value> = (0..200).map(|_| layer(SIMPLE, "payload")).collect();
    let large = "x".repeat((1 << 20) + 1);
    let all = manifest(&[vec![layer(SIMPLE, &large)], many].concat());
    let registry = with(&[manifest_at(&format!("{BESIDE}.sig"), &all), blob("payload"), blob(&large)]).await;
    let found = signatures(&registry).await.unwrap();
    assert_eq!(found.len(), 64);
    assert!(matches!(found.first(), Some(FoundSignature::Unreadable(_))), "{:?}", found.first());
}

#[rstest]
#[case::sick(503)]
#[case::too_many(429)]
#[case::forbidden(403)]
#[tokio::test]
async fn a_registry_that_does_not_answer_does_not_say_that_there_is_none(#[case] status: u16) {
    for sick in ["manifests/", "referrers/"] {
        let registry = Registry::start(move |seen| {
            let status = if seen.path.contains(sick) { status } else { 404 };
            answer(status, &[], r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#)
        })
        .await;
        assert!(signatures(&registry).await.is_err(), "{sick} {status}");
    }
}
