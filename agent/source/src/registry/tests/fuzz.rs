//! What comes from outside, made up: it is read or refused, and nothing else.

use proptest::prelude::*;
use voxsync_crds::reference::is_digest;
use voxsync_hostile::{fuzz, heavy, is_frugal, near};

use super::*;
use crate::registry::{
    config::Config,
    docker_config::login_for,
    image::{self, Content, NoImage},
};

const DIGEST: &str = "sha256:45b23dee08af5e43a7fea6c4cf9c25ccf269ee113168c19722f87876677c5cb2";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

fn annotations() -> Value {
    json!({
        "org.opencontainers.image.created": "2026-01-02T03:04:05Z", "org.opencontainers.image.version": "v1",
        "org.opencontainers.image.revision": "89abcdef0123456789abcdef0123456789abcdef",
    })
}

#[test]
fn fuzz_manifest() {
    let image = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": {"mediaType": CONFIG, "digest": DIGEST, "size": 7023},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": DIGEST, "size": 32654}],
        "annotations": annotations(),
    });
    let platform = json!({"os": "linux", "architecture": "arm", "variant": "v7", "os.version": "10"});
    let member = json!({"mediaType": MANIFEST, "digest": DIGEST, "size": 7143, "platform": platform});
    let attestation = json!({"mediaType": MANIFEST, "digest": DIGEST, "artifactType": "application/x"});
    let index = json!({"mediaType": INDEX, "manifests": [member, attestation], "annotations": annotations()});
    let other =
        json!({"artifactType": "application/vnd.cncf.flux.config.v1+json", "config": null, "layers": []});
    let samples = [image, index, other].map(|sample| sample.to_string());
    fuzz((near(samples), any::<bool>()), |(body, is_told)| {
        match image::read(&body, is_told.then_some(INDEX)) {
            Ok(image) => {
                match image.content {
                    Content::Image { config_digest } => assert!(is_digest(&config_digest)),
                    Content::Index { images } => {
                        assert!(!images.is_empty() && images.iter().all(|member| is_digest(&member.digest)));
                    }
                }
                let texts = [image.facts.revision, image.facts.source, image.facts.version];
                assert!(texts.iter().flatten().all(|text| text.chars().count() <= 256));
                true
            }
            Err(NoImage::Other(what)) => {
                assert!(what.len() < 2000, "{what}");
                false
            }
            Err(NoImage::Broken(_)) => false,
        }
    });
}

#[test]
fn fuzz_configuration_of_an_image() {
    let sample = json!({
        "os": "linux", "architecture": "arm64", "variant": "v8", "created": "2026-01-02T03:04:05.678+01:00",
        "config": {"Env": ["A=b"], "Labels": annotations()}, "rootfs": {"type": "layers", "diff_ids": [DIGEST]},
    });
    let wanted = "linux/arm64".parse().unwrap();
    fuzz(near([sample.to_string()]), |body| {
        let Ok(config) = serde_json::from_slice::<Config>(&body) else { return false };
        assert!(config.created().is_none_or(|time| time.as_second() > 0));
        let _ = config.platform.is_what(&wanted);
        true
    });
}

#[test]
fn fuzz_docker_configuration() {
    let entry = json!({"auth": "dXNlcjpodW50ZXI=", "email": "a@example.com"});
    let token =
        json!({"identitytoken": "hunter2", "registrytoken": "", "username": "user", "password": "hunter2"});
    let entries = json!({
        "https://a.b.c/v2/team": entry, "*.b.c:443": token, "a.*.c/team/code": token, "docker.io": {}, "[::1]:5000": entry,
    });
    let samples = [json!({"auths": entries, "credsStore": "x"}), entries].map(|sample| sample.to_string());
    let repository: Repository = "a.b.c/team/code".parse().unwrap();
    fuzz(near(samples), |secret| match login_for(&secret, &repository) {
        Ok(login) => login.is_some(),
        Err(error) => {
            let message = error.to_string();
            assert!(
                message.len() < 1000 && !message.contains("hunter") && !message.contains("dXNlc"),
                "{message}"
            );
            false
        }
    });
}

#[test]
fn fuzz_largest_answers() {
    let repository: Repository = "a.b.c/team/code".parse().unwrap();
    for text in heavy(4 << 20) {
        assert!(image::read(text.as_bytes(), Some(INDEX)).is_err());
        let annotated = format!("{{\"annotations\":{text},\"manifests\":[]}}");
        assert!(image::read(annotated.as_bytes(), Some(INDEX)).is_err());
        let _ = serde_json::from_slice::<Config>(text.as_bytes());
        assert!(!matches!(login_for(text.as_bytes(), &repository), Ok(Some(_))));
    }
    for text in heavy((1 << 20) - 16) {
        let secret = format!("{{\"auths\":{text}}}");
        assert!(!matches!(login_for(secret.as_bytes(), &repository), Ok(Some(_))));
    }
    is_frugal();
}

/// One registry for many pages: what it gives is what the last question put there.
#[tokio::test]
async fn fuzz_pages_of_tags() {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};

    let page = Arc::<Mutex<(Vec<u8>, Vec<u8>)>>::default();
    let given = Arc::clone(&page);
    let registry = Registry::start(move |seen| {
        let (body, link) = given.lock().unwrap().clone();
        let mut response = answer(200, &[], body);
        if let Ok(link) = axum::http::HeaderValue::from_bytes(&link)
            && seen.path.contains("n=1000")
        {
            response.headers_mut().insert("link", link);
        }
        response
    })
    .await;
    let client = registry.client(Login::Anonymous);
    let mut runner = TestRunner::deterministic();
    let pages = near([r#"{"name": "a/b", "tags": ["v1", "latest"]}"#]);
    let links = near(["</v2/a/b/tags/list?last=v1&n=1000>; rel=\"next\"", "<?last=v1>", ""]);
    let input = (pages, links);
    for _ in 0..300 {
        *page.lock().unwrap() = input.new_tree(&mut runner).unwrap().current();
        if let Ok(list) = client.list_tags(None).await {
            assert!(list.tags().all(voxsync_crds::reference::is_tag));
        }
    }
}
