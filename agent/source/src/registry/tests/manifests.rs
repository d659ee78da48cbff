//! Tags that become digests, and images that can be fetched or not.

use rstest::rstest;
use sha2::{Digest, Sha256};

use super::*;

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn digest(text: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(text)))
}

fn image(annotations: &Value) -> String {
    json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [], "annotations": annotations,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest("config"), "size": 6},
    })
    .to_string()
}

fn index(child: &str, annotations: &Value) -> String {
    let manifests = json!([{"mediaType": OCI_MANIFEST, "digest": digest(child), "size": 1,
        "platform": {"os": "linux", "architecture": "amd64"}}]);
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests, "annotations": annotations})
        .to_string()
}

/// A registry with these manifests under `v1`, and under their digests; the first is what the tag means.
async fn with_manifests(manifests: Vec<String>) -> Registry {
    Registry::start(move |seen| {
        let name = seen.path.strip_prefix("/v2/team/code/manifests/").unwrap();
        let found = manifests
            .iter()
            .enumerate()
            .find(|(number, text)| (*number == 0 && name == "v1") || name == digest(text));
        match found {
            Some((_, text)) => answer(200, &[("docker-content-digest", &digest(text))], text.clone()),
            None => answer(404, &[], r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#),
        }
    })
    .await
}

#[tokio::test]
async fn a_followed_tag_is_one_small_request() {
    let manifest = image(&json!({}));
    let registry = with_manifests(vec![manifest.clone()]).await;
    assert_eq!(registry.client(Login::Anonymous).head("v1").await.unwrap(), digest(&manifest));
    let seen = registry.take();
    assert_eq!((seen.len(), seen[0].method.as_str()), (1, "HEAD"));
    let accepted = seen[0].header("accept").unwrap();
    assert_eq!(accepted.matches("application/vnd.").count(), 4, "{accepted}");
}

#[rstest]
#[case(405)]
#[case(501)]
#[case(200)]
#[tokio::test]
async fn without_a_head_or_its_digest_the_manifest_is_hashed(#[case] status_of_head: u16) {
    let manifest = image(&json!({}));
    let expected = digest(&manifest);
    let registry = Registry::start(move |seen| match seen.method {
        Method::HEAD => answer(status_of_head, &[], ""),
        _ => answer(200, &[], manifest.clone()),
    })
    .await;
    assert_eq!(registry.client(Login::Anonymous).head("v1").await.unwrap(), expected);
}

#[tokio::test]
async fn an_image_with_its_facts() {
    let manifest = image(&json!({
        "org.opencontainers.image.created": "2026-01-02T03:04:05Z", "org.opencontainers.image.revision": "abc",
    }));
    let registry = with_manifests(vec![manifest.clone()]).await;
    let client = registry.client(Login::Anonymous);
    let expected = ManifestFacts {
        digest: digest(&manifest),
        media_type: OCI_MANIFEST.to_owned(),
        is_index: false,
        created: Some("2026-01-02T03:04:05Z".parse().unwrap()),
        revision: Some("abc".to_owned()),
        source: None,
        version: None,
        config_digest: digest("config"),
    };
    assert_eq!(client.resolve("v1").await.unwrap(), expected);
    assert_eq!(client.resolve(&digest(&manifest)).await.unwrap(), expected);
}

#[tokio::test]
async fn an_index_speaks_first_and_its_first_image_fills_the_gaps() {
    let child = image(
        &json!({"org.opencontainers.image.revision": "child", "org.opencontainers.image.version": "1"}),
    );
    let parent = index(&child, &json!({"org.opencontainers.image.revision": "index"}));
    let registry = with_manifests(vec![parent.clone(), child]).await;
    let facts = registry.client(Login::Anonymous).resolve("v1").await.unwrap();
    assert_eq!((facts.digest, facts.is_index), (digest(&parent), true));
    assert_eq!((facts.revision.as_deref(), facts.version.as_deref()), (Some("index"), Some("1")));
    assert_eq!(facts.config_digest, digest("config"));
}

#[tokio::test]
async fn an_index_without_its_images_is_no_candidate_yet() {
    let child = image(&json!({}));
    let registry = with_manifests(vec![index(&child, &json!({}))]).await;
    let error = registry.client(Login::Anonymous).resolve("v1").await.unwrap_err();
    assert_eq!(error.problem, Problem::DigestNotFound { digest: digest(&child) });
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let registry = with_manifests(vec![image(&json!({}))]).await;
    let client = registry.client(Login::Anonymous);
    for error in [client.head("v9").await.unwrap_err(), client.resolve("v9").await.unwrap_err()] {
        let message =
            format!("cannot read \"v9\" of {}/team/code: tag v9 does not exist there (404)", registry.host);
        assert_eq!(error.to_string(), message);
    }
    let unknown = Registry::start(|_| answer(404, &[], r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#)).await;
    let error = unknown.client(Login::Anonymous).resolve("v1").await.unwrap_err();
    assert_eq!(error.problem, Problem::RepositoryNotFound);
}

#[rstest]
#[case("")]
#[case("../../../secret")]
#[case("v1?x=y")]
#[case("sha256:short")]
#[tokio::test]
async fn nonsense_is_not_even_asked_for(#[case] reference: &str) {
    let registry = Registry::start(|_| answer(200, &[], "")).await;
    let error = registry.client(Login::Anonymous).resolve(reference).await.unwrap_err();
    assert_eq!(error.problem, Problem::NotAReference);
    assert_eq!(registry.take().len(), 0);
}

#[tokio::test]
async fn content_must_have_its_digest() {
    let manifest = image(&json!({}));
    let (announced, actual) = (digest("another"), digest(&manifest));
    let header = announced.clone();
    let registry =
        Registry::start(move |_| answer(200, &[("docker-content-digest", &header)], manifest.clone())).await;
    let client = registry.client(Login::Anonymous);
    for reference in ["v1", &announced] {
        let error = client.resolve(reference).await.unwrap_err();
        let expected = Problem::DigestMismatch { expected: announced.clone(), actual: actual.clone() };
        assert_eq!(error.problem, expected);
    }
}

/// What is wrong with one image says nothing about its registry.
#[rstest]
#[case::digest(image(&json!({})).replace("sha256:", "sha512:"), "its manifest names a digest that is no sha256")]
#[case::text("<html>".to_owned(), "its manifest is not JSON of the right shape")]
#[case::configuration(image(&json!({})), "its configuration is not JSON of the right shape")]
#[case::large(image(&json!({})).replace(&digest("config"), &digest("large")), "it has more than 4194304 bytes")]
#[tokio::test]
async fn broken_images(#[case] manifest: String, #[case] detail: &str) {
    let registry = Registry::start(move |seen| match seen.path.rsplit_once('/').unwrap() {
        (_, "v1") => answer(200, &[], manifest.clone()),
        (_, name) if name == digest("large") => answer(200, &[], vec![b' '; 5 << 20]),
        _ => answer(200, &[], "config"),
    })
    .await;
    let wanted = Wanted { created: true, ..Wanted::default() };
    let error = registry.client(Login::Anonymous).resolve_for("v1", wanted).await.unwrap_err();
    assert_eq!(error.problem, Problem::BrokenContent { detail: detail.to_owned() });
}

/// As containerd takes them: an index need not say for what its images are.
#[rstest]
#[case("linux/arm64", Ok(1))]
#[case("linux/amd64", Ok(0))]
#[case("linux/s390x", Err("linux/amd64, linux/arm64"))]
#[tokio::test]
async fn the_configuration_says_for_what_an_image_is_where_its_index_does_not(
    #[case] platform: Platform,
    #[case] expected: Result<usize, &str>,
) {
    let configs = ["amd64", "arm64"]
        .map(|architecture| json!({"os": "linux", "architecture": architecture}).to_string());
    let images = configs.clone().map(|config| image(&json!({})).replace(&digest("config"), &digest(&config)));
    let members =
        images.clone().map(|image| json!({"mediaType": OCI_MANIFEST, "digest": digest(&image), "size": 1}));
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": members}).to_string();
    let texts: Vec<String> = configs.iter().chain(&images).cloned().collect();
    let registry = Registry::start(move |seen| match seen.path.rsplit_once('/').unwrap() {
        (_, "v1") => answer(200, &[], index.clone()),
        (_, name) => answer(200, &[], texts.iter().find(|text| digest(text) == name).unwrap().clone()),
    })
    .await;
    let wanted = Wanted { platform: Some(&platform), ..Wanted::default() };
    let found = registry.client(Login::Anonymous).resolve_for("v1", wanted).await;
    match (found, expected) {
        (Ok(facts), Ok(number)) => assert_eq!(facts.config_digest, digest(&configs[number])),
        (Err(error), Err(present)) => {
            let present = present.to_owned();
            assert_eq!(error.problem, Problem::PlatformMissing { wanted: platform.to_string(), present });
        }
        (found, _) => panic!("{found:?}"),
    }
}

#[rstest]
#[case::no_image("chart", "linux/arm64", Ok(()))]
#[case::broken("[]", "linux/arm64", Ok(()))]
#[case::not_there_yet("", "linux/arm64", Ok(()))]
#[case::no_image_can_be_the_wanted_one(
    "chart",
    "linux/amd64",
    Err("it is not for linux/amd64 but for linux/arm64")
)]
#[case::what_is_broken_can("[]", "linux/amd64", Err("what is there is broken"))]
#[case::what_is_not_there_yet_can("", "linux/amd64", Err("is not there (404)"))]
#[tokio::test]
async fn what_cannot_be_read_in_an_index_hides_no_image(
    #[case] first: &str,
    #[case] platform: Platform,
    #[case] expected: Result<(), &str>,
) {
    let config = json!({"os": "linux", "architecture": "arm64"}).to_string();
    let code = image(&json!({})).replace(&digest("config"), &digest(&config));
    let first = if first == "chart" { chart() } else { first.to_owned() };
    let members =
        [&first, &code].map(|image| json!({"mediaType": OCI_MANIFEST, "digest": digest(image), "size": 1}));
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": members}).to_string();
    let texts = [first, code, config];
    let registry = Registry::start(move |seen| match seen.path.rsplit_once('/').unwrap() {
        (_, "v1") => answer(200, &[], index.clone()),
        (_, name) => match texts.iter().find(|text| !text.is_empty() && digest(text) == name) {
            Some(text) => answer(200, &[], text.clone()),
            None => answer(404, &[], "{}"),
        },
    })
    .await;
    let wanted = Wanted { platform: Some(&platform), ..Wanted::default() };
    match (registry.client(Login::Anonymous).resolve_for("v1", wanted).await, expected) {
        (Ok(_), Ok(())) => {}
        (Err(error), Err(said)) => assert!(error.to_string().contains(said), "{error}"),
        (found, _) => panic!("{found:?}"),
    }
}

fn chart() -> String {
    image(&json!({}))
        .replace("application/vnd.oci.image.config.v1+json", "application/vnd.cncf.helm.config.v1+json")
}

#[tokio::test]
async fn a_helm_chart_is_not_code() {
    let registry = with_manifests(vec![chart()]).await;
    let error = registry.client(Login::Anonymous).resolve("v1").await.unwrap_err();
    assert_eq!(error.problem, Problem::NotAnImage { what: "a Helm chart".to_owned() });
}
