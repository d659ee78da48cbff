//! What payloads mean.

use std::{collections::BTreeSet, fs, path::Path};

use ring::hmac::HMAC_SHA256;
use rstest::rstest;
use voxsync_crds::code_sync::WebhookSender::{self, *};
use voxsync_webhook::{Change, News, RepositoryName, Secret, name, prove, prove_to_anyone};

use crate::proofs::{Form, Request, hexadecimal, now};

const SECRET: &str = "a secret";

/// A way in which each sender is believed.
pub(crate) fn proven_request(sender: WebhookSender, body: &[u8]) -> Request {
    let form = match sender {
        Github => Form::Prefixed("X-Hub-Signature-256"),
        Gitlab => Form::Header("X-Gitlab-Token"),
        Gitea => Form::Bare("X-Gitea-Signature"),
        Bitbucket | BitbucketServer => Form::Prefixed("X-Hub-Signature"),
        AzureDevops | Harbor | Distribution | Generic => Form::Authorization("Bearer "),
        Dockerhub | Quay | CloudEvents => Form::Address,
        Artifactory => Form::Bare("X-JFrog-Event-Auth"),
        GenericHmac => Form::Prefixed("X-Signature"),
    };
    form.request(SECRET, body)
}

pub(crate) fn payload(file: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/senders/payloads");
    fs::read(folder.join(format!("{file}.json"))).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// What a sender says with a body; `event` is in the header that it has for that.
pub(crate) fn news(sender: WebhookSender, body: &[u8], event: Option<&str>) -> News {
    let header = match sender {
        Github => "X-GitHub-Event",
        Gitea => "X-Gitea-Event",
        _ => "X-Event-Key",
    };
    let request = proven_request(sender, body);
    let request = event.into_iter().fold(request, |request, event| request.with(header, event));
    let secret = Secret::new(SECRET.as_bytes()).unwrap();
    prove(&sender, request.delivery(body), &secret, now()).expect("a proof").news()
}

fn names(addresses: &[&str]) -> BTreeSet<RepositoryName> {
    addresses.iter().map(|address| RepositoryName::new(address).expect("a name")).collect()
}

const GITHUB: &[&str] = &["https://github.com/codertocat/hello-world"];
const GITLAB: &[&str] = &["ssh://git@example.com/jsmith/example"];
const GITEA: &[&str] = &["http://localhost:3000/gitea/webhooks"];
const BITBUCKET: &[&str] = &["git@bitbucket.org:team_name/repo_name.git"];
const SERVER: &[&str] =
    &["https://git.example/scm/proj/repository", "ssh://git@git.example:7999/proj/repository"];
const AZURE: &[&str] = &["git@ssh.dev.azure.com:v3/fabrikam-fiber-inc/fabrikam-fiber-git/fabrikam-fiber-git"];
const DISTRIBUTION: &[&str] = &["registrycluster.local/library/test", "example.com/library/test"];
const ARTIFACT_REGISTRY: &[&str] = &["us-east1-docker.pkg.dev/my-project/my-repo/hello-world"];
const ARTIFACTORY: &[&str] =
    &["example.jfrog.io/docker-local/team/code", "docker-local.example.jfrog.io/team/code"];

#[rstest]
#[case(Github, "github-tag", "push", Change::Pushed, GITHUB, "refs/tags/simple-tag")]
#[case(Github, "github-delete", "push", Change::Deleted, GITHUB, "refs/tags/simple-tag")]
#[case(Github, "github-ping", "ping", Change::Ping, GITHUB, "")]
#[case(Github, "github-registry-package", "registry_package", Change::Pushed,
    &["https://github.com/codertocat/hello-world", "ghcr.io/codertocat/hello-world-container"], "v1.2.0")]
#[case(Gitlab, "gitlab-tag", "", Change::Pushed, GITLAB, "refs/tags/v1.0.0")]
#[case(Gitlab, "gitlab-delete", "", Change::Deleted, GITLAB, "refs/tags/v1.0.0")]
#[case(Gitea, "gitea-push", "push", Change::Pushed, GITEA, "refs/heads/develop")]
#[case(Gitea, "gitea-delete", "delete", Change::Deleted, GITEA, "v1.0.0")]
#[case(Gitea, "gitea-package", "package", Change::Pushed, &["git.example/team/puppet-code"], "v1.2.0")]
#[case(Bitbucket, "bitbucket-push", "repo:push", Change::Pushed, BITBUCKET, "name-of-branch v1.2.0")]
#[case(Bitbucket, "bitbucket-delete", "repo:push", Change::Deleted, BITBUCKET, "v1.1.0")]
#[case(
    BitbucketServer,
    "bitbucket-server-push",
    "repo:refs_changed",
    Change::Pushed,
    SERVER,
    "refs/heads/master refs/tags/v1.1.0"
)]
#[case(
    BitbucketServer,
    "bitbucket-server-delete",
    "repo:refs_changed",
    Change::Deleted,
    SERVER,
    "refs/heads/master refs/tags/v1.1.0"
)]
#[case(BitbucketServer, "bitbucket-server-ping", "diagnostics:ping", Change::Ping, &[], "")]
#[case(AzureDevops, "azure-devops-push", "", Change::Pushed, AZURE, "refs/heads/master")]
#[case(AzureDevops, "azure-devops-delete", "", Change::Deleted, AZURE, "refs/heads/master")]
#[case(Dockerhub, "dockerhub-push", "", Change::Pushed, &["docker.io/svendowideit/testhook"], "latest")]
#[case(Quay, "quay-push", "", Change::Pushed, &["quay.io/dgangaia/test"], "latest")]
#[case(Quay, "quay-push-old", "", Change::Pushed, &["quay.io/devtable/ubuntu"], "latest")]
#[case(Harbor, "harbor-push", "", Change::Pushed, &["harbor.dev/library/alpine"], "v1.2.0")]
#[case(Harbor, "harbor-cloudevents", "", Change::Pushed, &["harbor.dev/library/alpine"], "v1.2.0")]
#[case(Harbor, "harbor-delete", "", Change::Deleted, &["harbor.dev/library/alpine"], "v1.2.0")]
#[case(Harbor, "harbor-pull", "", Change::Read, &["harbor.dev/library/alpine"], "v1.2.0")]
#[case(Artifactory, "artifactory-push", "", Change::Pushed, ARTIFACTORY, "v1.2.0")]
#[case(Artifactory, "artifactory-delete", "", Change::Deleted, ARTIFACTORY, "v1.2.0")]
#[case(Distribution, "distribution-push", "", Change::Pushed, DISTRIBUTION, "v1.2.0")]
#[case(Distribution, "distribution-delete", "", Change::Deleted, &["registrycluster.local/library/test"], "")]
#[case(Distribution, "distribution-pull", "", Change::Read, &["192.168.100.227:5000/hello-world"], "latest")]
#[case(CloudEvents, "acr-push", "", Change::Pushed, &["myregistry.azurecr.io/hello-world"], "v1")]
#[case(CloudEvents, "acr-delete", "", Change::Deleted, &["myregistry.azurecr.io/hello-world"], "")]
#[case(CloudEvents, "acr-ping", "", Change::Ping, &[], "")]
#[case(CloudEvents, "event-grid-push", "", Change::Pushed, &["demo.azurecr.io/aci-helloworld"], "v1")]
#[case(CloudEvents, "ecr-push", "", Change::Pushed,
    &["123456789012.dkr.ecr.us-west-2.amazonaws.com/my-repository-name"], "latest")]
#[case(CloudEvents, "artifact-registry-push", "", Change::Pushed, ARTIFACT_REGISTRY, "")]
#[case(CloudEvents, "artifact-registry-eventarc", "", Change::Pushed, ARTIFACT_REGISTRY, "")]
#[case(CloudEvents, "artifact-registry-unwrapped", "", Change::Pushed, ARTIFACT_REGISTRY, "")]
#[case(CloudEvents, "artifact-registry-delete", "", Change::Deleted, ARTIFACT_REGISTRY, "")]
#[case(CloudEvents, "cdevents-published", "", Change::Pushed, &["ghcr.io/example/puppet-code"], "")]
#[case(CloudEvents, "cdevents-golang", "", Change::Pushed, &[], "")]
#[case(Generic, "generic", "", Change::Pushed, &["git@git.example:code"], "v1.2.0")]
#[case(GenericHmac, "generic", "", Change::Pushed, &["git@git.example:code"], "v1.2.0")]
fn documented_payloads_are_understood(
    #[case] sender: WebhookSender,
    #[case] file: &str,
    #[case] event: &str,
    #[case] change: Change,
    #[case] repositories: &[&str],
    #[case] revisions: &str,
) {
    let found = news(sender, &payload(file), Some(event).filter(|event| !event.is_empty()));
    assert_eq!((found.change, &found.repositories), (change, &names(repositories)));
    assert_eq!(Vec::from_iter(&found.revisions), revisions.split_whitespace().collect::<Vec<_>>());
    let asks = !matches!(change, Change::Ping | Change::Read);
    assert_eq!((found.asks_for_a_look(), found.challenge), (asks, None));
}

/// In binary mode the body is the data alone, and headers say the rest.
#[test]
fn events_in_binary_mode_are_understood() {
    let list: serde_json::Value = serde_json::from_slice(&payload("event-grid-push")).unwrap();
    let found = news(CloudEvents, list[0]["data"].to_string().as_bytes(), None);
    assert_eq!(found.repositories, names(&["demo.azurecr.io/aci-helloworld"]));
}

#[test]
fn event_grid_is_told_that_it_may_send() {
    let found = news(CloudEvents, &payload("event-grid-validation"), None);
    assert_eq!(found.challenge.as_deref(), Some("512d38b6-c7b8-40c8-89fe-f46f9e9622b6"));
    assert!(!found.asks_for_a_look());
}

/// A look of ours is told of as a pull; a push in the same envelope still counts, wherever it is.
#[test]
fn one_push_among_thousands_of_pulls_counts() {
    let pull = r#"{"action": "pull", "target": {"repository": "a"}}"#;
    let mut events = vec![pull; 5000];
    let envelope = |events: &[&str]| format!("{{\"events\": [{}]}}", events.join(","));
    assert!(!news(Distribution, envelope(&events).as_bytes(), None).asks_for_a_look());
    events.push(r#"{"action": "push", "target": {"repository": "b"}}"#);
    assert!(news(Distribution, envelope(&events).as_bytes(), None).asks_for_a_look());
}

#[rstest]
fn what_cannot_be_read_still_asks_for_a_look(
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
    let deep = "[".repeat(100_000);
    for body in [&b""[..], b"payload=%7B%22ref%22%3A", b"{\"ref\":", b"\xff\xfe", deep.as_bytes()] {
        let found = news(sender, body, None);
        assert!(found.change == Change::Unclear && found.asks_for_a_look(), "{}: {found:?}", name(sender));
    }
    for body in ["null", "7", "[]", "{}", r#"{"repository": 7, "ref": {"a": []}, "events": "x"}"#] {
        assert!(news(sender, body.as_bytes(), None).asks_for_a_look(), "{}: {body}", name(sender));
    }
}

#[rstest]
#[case("github-tag", GITHUB)]
#[case("gitlab-tag", GITLAB)]
#[case("gitea-package", &["git.example/team/puppet-code"])]
#[case("bitbucket-push", BITBUCKET)]
#[case("bitbucket-server-push", SERVER)]
#[case("azure-devops-push", AZURE)]
#[case("dockerhub-push", &["docker.io/svendowideit/testhook"])]
#[case("harbor-push", &["harbor.dev/library/alpine"])]
#[case("harbor-pull", &[])]
#[case("artifactory-push", ARTIFACTORY)]
#[case("distribution-push", DISTRIBUTION)]
#[case("distribution-pull", &[])]
#[case("ecr-push", &["123456789012.dkr.ecr.us-west-2.amazonaws.com/my-repository-name"])]
#[case("artifact-registry-push", ARTIFACT_REGISTRY)]
#[case("generic", &["git.example/code"])]
fn one_secret_for_all_finds_what_is_meant(#[case] file: &str, #[case] repositories: &[&str]) {
    let body = payload(file);
    let digits = hexadecimal(HMAC_SHA256, SECRET, &body);
    let request = Request::default().with("X-Hub-Signature-256", &format!("sha256={digits}"));
    let secret = Secret::new(SECRET.as_bytes()).unwrap();
    let found = prove_to_anyone(request.delivery(&body), &secret, now()).expect("a proof").news();
    assert_eq!(found.repositories, names(repositories));
    assert_eq!(found.asks_for_a_look(), !repositories.is_empty());
}
