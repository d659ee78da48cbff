//! Hostile bodies, headers and addresses: no reader may panic, what is kept is small, and nothing proves itself by accident.
//!
//! `PROPTEST_CASES=1000000 cargo test -p voxsync-webhook fuzz` takes longer.

use std::fs;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};
use voxsync_crds::code_sync::WebhookSender::{self, *};
use voxsync_hostile::{fuzz, near, near_text};
use voxsync_webhook::{Change, News, RepositoryName, SENDERS, Secret, prove_to_anyone};

use crate::{
    news::{news, payload},
    proofs::{BODY, Form, Request, SECRET, now},
};

/// What all senders document.
fn payloads() -> Vec<Vec<u8>> {
    let folder = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/senders/payloads")).unwrap();
    let mut paths: Vec<_> = folder.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Whether something was understood.
fn is_understood(news: &News) -> bool {
    assert!(news.repositories.len() + news.revisions.len() < 100_000);
    news.change != Change::Unclear && !(news.repositories.is_empty() && news.revisions.is_empty())
}

#[rstest]
fn bodies(
    #[values(
        Github,
        Gitlab,
        Gitea,
        Bitbucket,
        BitbucketServer,
        AzureDevops,
        Dockerhub,
        Quay,
        Harbor,
        Artifactory,
        Distribution,
        CloudEvents,
        Generic,
        GenericHmac
    )]
    sender: WebhookSender,
) {
    fuzz(near(payloads()), |body| is_understood(&news(sender, &body, None)));
}

#[test]
fn bodies_of_whom_nobody_knows() {
    let secret = Secret::new(SECRET.as_bytes()).unwrap();
    let request = Form::Authorization("Bearer ").request(SECRET, b"");
    fuzz(near(payloads()), |body| {
        is_understood(&prove_to_anyone(request.delivery(&body), &secret, now()).unwrap().news())
    });
}

/// A message of Artifact Registry is a body in a body.
#[test]
fn messages_in_bodies() {
    fuzz(near([payload("artifact-registry-unwrapped")]), |message| {
        let body = json!({"message": {"data": STANDARD.encode(message)}}).to_string();
        is_understood(&news(CloudEvents, body.as_bytes(), None))
    });
}

#[test]
fn json_of_any_kind() {
    let words = "(ref|after|action|events|target|repository|request|host|data|tag|package|push|changes|https://a/b:c@d|[^a]{0,8})";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        words.prop_map(Value::from),
    ];
    let body = leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((words, inner), 0..6)
                .prop_map(|fields| json!(fields.into_iter().collect::<serde_json::Map<_, _>>())),
        ]
    });
    fuzz((body, prop::sample::select(&SENDERS[..])), |(body, sender)| {
        is_understood(&news(sender, body.to_string().as_bytes(), None))
    });
}

/// The headers of a proof, one of them changed. Only what is the same to its sender is believed.
#[rstest]
#[case::github(Github, Form::Prefixed("X-Hub-Signature-256"))]
#[case::gitlab(Gitlab, Form::Header("X-Gitlab-Token"))]
#[case::gitlab_signed(Gitlab, Form::Standard)]
#[case::gitea(Gitea, Form::Bare("X-Gitea-Signature"))]
#[case::forgejo(Gitea, Form::Bare("X-Forgejo-Signature"))]
#[case::bitbucket(Bitbucket, Form::Prefixed("X-Hub-Signature"))]
#[case::azure_devops(AzureDevops, Form::Basic)]
#[case::harbor(Harbor, Form::Authorization(""))]
#[case::artifactory(Artifactory, Form::Header("X-JFrog-Event-Auth"))]
#[case::artifactory_signed(Artifactory, Form::Bare("X-JFrog-Event-Auth"))]
#[case::distribution(Distribution, Form::Authorization("Bearer "))]
#[case::generic_hmac(GenericHmac, Form::Prefixed("X-Signature"))]
fn headers(#[case] sender: WebhookSender, #[case] form: Form) {
    let good = form.request(SECRET, BODY);
    let fields: Vec<_> = good.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let changed =
        |(name, value): (HeaderName, HeaderValue)| near([value]).prop_map(move |value| (name.clone(), value));
    let one = prop::sample::select(fields).prop_flat_map(changed);
    fuzz(one, |(name, value)| {
        let Ok(value) = HeaderValue::from_bytes(&value) else { return false };
        let mut request = form.request(SECRET, BODY);
        request.headers.insert(&name, value.clone());
        let is_believed = request.verdict(sender, BODY).is_ok();
        assert!(!is_believed || is_same(form, &name, &good.headers[&name], &value), "{name}: {value:?}");
        is_believed
    });
}

/// Whether a header says the same as the good one.
fn is_same(form: Form, name: &HeaderName, good: &HeaderValue, value: &HeaderValue) -> bool {
    let (good, value) = (good.to_str().unwrap(), value.to_str().unwrap());
    match form {
        Form::Prefixed(_) | Form::Bare(_) => value.eq_ignore_ascii_case(good),
        Form::Standard if name == "webhook-signature" => value.split(' ').any(|one| one == good),
        Form::Authorization(_) => value.ends_with(SECRET),
        Form::Basic => {
            let (_, login) = value.split_once(' ').unwrap();
            STANDARD.decode(login).unwrap().ends_with(format!(":{SECRET}").as_bytes())
        }
        Form::Header(_) | Form::Standard | Form::Address => value == good,
    }
}

#[rstest]
fn addresses(#[values(Dockerhub, Quay, CloudEvents)] sender: WebhookSender) {
    fuzz(near_text([SECRET]), |segment| {
        let request = Request { segment: Some(segment.clone()), ..Request::default() };
        let is_believed = request.verdict(sender, BODY).is_ok();
        assert_eq!(is_believed, segment == SECRET);
        is_believed
    });
}

#[test]
fn names_of_repositories() {
    let addresses = [
        "https://user@git.example:8080/team/code.git?x=1",
        "git@git.example:team/code.git",
        "https://org.visualstudio.com/DefaultCollection/project/_git/code",
        "git@ssh.dev.azure.com:v3/org/project/code",
        "registry-1.docker.io/library/debian:13@sha256:0123",
        "127.0.0.1:5000/code:{shortCommit}",
    ];
    fuzz(near_text(addresses), |address| {
        let Some(name) = RepositoryName::new(&address) else { return false };
        let longest = 2 * address.len() + "docker.io/dev.azure.com/".len();
        assert!(name.to_string().len() <= longest && name.to_string().contains('/'));
        true
    });
}
