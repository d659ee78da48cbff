//! Bodies of all kinds: no reader may panic, and what is kept is small.
//!
//! `PROPTEST_CASES=1000000 cargo test -p voxsync-webhook fuzz` takes longer.

use proptest::prelude::*;
use serde_json::{Value, json};
use voxsync_webhook::{News, RepositoryName, SENDERS};

use crate::news::{news, payload};

/// Files with what senders document: what is made of them by accident is what a reader goes into.
const PAYLOADS: [&str; 12] = [
    "github-registry-package",
    "gitlab-tag",
    "gitea-package",
    "bitbucket-push",
    "bitbucket-server-push",
    "azure-devops-push",
    "quay-push",
    "harbor-push",
    "artifactory-push",
    "distribution-push",
    "event-grid-validation",
    "artifact-registry-push",
];

fn is_small(news: &News) {
    assert!(news.repositories.len() + news.revisions.len() < 100_000);
}

fn any_json() -> impl Strategy<Value = Value> {
    let words = "(ref|after|action|events|target|repository|request|host|data|tag|package|push|changes|https://a/b:c@d|[^a]{0,8})";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        words.prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((words, inner), 0..6)
                .prop_map(|fields| json!(fields.into_iter().collect::<serde_json::Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn bytes_of_any_kind(body in prop::collection::vec(any::<u8>(), 0..512), sender in prop::sample::select(&SENDERS[..])) {
        is_small(&news(sender, &body, None));
    }

    #[test]
    fn json_of_any_kind(body in any_json(), sender in prop::sample::select(&SENDERS[..])) {
        is_small(&news(sender, body.to_string().as_bytes(), None));
    }

    #[test]
    fn payloads_with_broken_bytes(
        file in prop::sample::select(&PAYLOADS[..]), sender in prop::sample::select(&SENDERS[..]),
        broken in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8), cut in any::<prop::sample::Index>(),
    ) {
        let mut body = payload(file);
        for (place, byte) in broken {
            let place = place.index(body.len());
            body[place] = byte;
        }
        body.truncate(cut.index(body.len() + 1));
        is_small(&news(sender, &body, None));
    }

    #[test]
    fn a_name_is_its_own_name(address in "(https://|ssh://|)(git@|)[a-zA-Z0-9.:-]{0,12}[/:]?[a-zA-Z0-9._/@:-]{0,24}(\\.git|)") {
        if let Some(name) = RepositoryName::new(&address) {
            prop_assert!(name.to_string().len() <= address.len() + "docker.io/library/".len() + "dev.azure.com/".len());
            prop_assert!(name.to_string().contains('/'));
        }
    }
}
