//! What comes from outside, made up: it is read or refused, and nothing else.

use proptest::prelude::*;
use voxsync_crds::reference::is_digest;

use super::*;
use crate::registry::{
    config::Config,
    docker_config::login_for,
    image::{self, Content},
};

const DIGEST: &str = "sha256:45b23dee08af5e43a7fea6c4cf9c25ccf269ee113168c19722f87876677c5cb2";
/// Words that are read, so that what is made up comes far.
const KEYS: [&str; 12] = [
    "mediaType",
    "config",
    "manifests",
    "annotations",
    "digest",
    "platform",
    "os",
    "architecture",
    "artifactType",
    "size",
    "tags",
    "created",
];
const VALUES: [&str; 6] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.config.v1+json",
    DIGEST,
    "2026-01-02T03:04:05Z",
];

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~é]{0,20}".prop_map(Value::from),
        prop::sample::select(VALUES.to_vec()).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 30, 5, |inner| {
        let field = (prop::sample::select(KEYS.to_vec()), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            prop::collection::vec(field, 0..6)
                .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_manifest_and_configuration(value in any_value(), bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let text = value.to_string();
        if let Ok(image) = image::read(text.as_bytes(), None)
            && let Content::Index { images } = image.content
        {
            prop_assert!(!images.is_empty() && images.iter().all(|member| is_digest(&member.digest)));
        }
        let _ = image::read(&bytes, Some(VALUES[0]));
        if let Ok(config) = serde_json::from_str::<Config>(&text) {
            prop_assert!(config.created().is_none_or(|time| time.as_second() > 0));
        }
    }

    #[test]
    fn any_docker_configuration(
        key in "(https?://)?[a-c*.:/\\[\\]]{0,20}",
        auth in "[a-zA-Z0-9+/=]{0,24}",
        bytes in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let repository: Repository = "a.b.c/a/b".parse().unwrap();
        let auths = json!({"auths": {&key: {"auth": auth}}});
        if let Err(error) = login_for(auths.to_string().as_bytes(), &repository) {
            let is_quoted = error.to_string().contains(&format!("{auth:?}"));
            prop_assert!(!is_quoted || auth == key, "a secret in {error}");
        }
        let _ = login_for(&bytes, &repository);
    }
}

/// One registry for many pages: what it gives is what the last question put there.
#[tokio::test]
async fn any_page_of_tags() {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};

    let page = Arc::<Mutex<(String, String)>>::default();
    let given = Arc::clone(&page);
    let registry = Registry::start(move |seen| {
        let (body, link) = given.lock().unwrap().clone();
        let headers = [("link", link.as_str())];
        answer(200, if seen.path.contains("n=1000") && !link.is_empty() { &headers } else { &[] }, body)
    })
    .await;
    let client = registry.client(Login::Anonymous);
    let mut runner = TestRunner::deterministic();
    let any_link = "(<[ -~]{0,20}>(; ?rel=\"?(next|prev)\"?)?)?";
    for _ in 0..300 {
        let body = prop_oneof![any_value().prop_map(|value| value.to_string()), "[ -~]{0,60}"];
        let (body, link) = (body, any_link).new_tree(&mut runner).unwrap().current();
        *page.lock().unwrap() = (body, link);
        if let Ok(list) = client.list_tags(None).await {
            assert!(list.tags().all(voxsync_crds::reference::is_tag));
        }
    }
}
