//! The registry client against real registries: Debian's `docker-registry` (distribution 2.8) and that of
//! go-containerregistry.
#![cfg(test)]

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Command,
    time::Duration,
};

use RegistryKind::{DockerRegistry, GoContainerRegistry};
use rstest::rstest;
use serde_json::json;
use voxsync_fixtures::{
    Access, CertificateAuthority, CodeImage, Fault, Program, Registry, RegistryKind, Transport, free_port,
    run,
};
use voxsync_policy::{TagPolicy, TagRule};
use voxsync_source::{
    Advice,
    registry::{
        Login, Problem, RegistryClient, RegistryError, RegistryOptions, Wanted, docker_config::login_for,
    },
};

const CODE: &str = "team/code";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const ABSENT: &str = "sha256:45b23dee08af5e43a7fea6c4cf9c25ccf269ee113168c19722f87876677c5cb2";

fn plain(login: Login) -> RegistryOptions {
    RegistryOptions { plain_http: true, login, ..RegistryOptions::default() }
}

fn with_ca(authority: &CertificateAuthority) -> RegistryOptions {
    RegistryOptions { ca_pem: Some(authority.pem().into_bytes()), ..RegistryOptions::default() }
}

fn basic(password: &str) -> Login {
    Login::Basic { username: "user".to_owned(), password: password.to_owned() }
}

fn client(host: &str, options: RegistryOptions) -> RegistryClient {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    RegistryClient::new(format!("{host}/{CODE}").parse().unwrap(), options).unwrap()
}

fn image(commit: &str) -> CodeImage {
    let annotation = |name: &str, value: &str| (format!("org.opencontainers.image.{name}"), value.to_owned());
    let annotations = vec![annotation("revision", commit), annotation("created", "2026-01-02T03:04:05Z")];
    CodeImage { annotations, ..CodeImage::with_site(commit) }
}

/// Methods and paths below the repository, with the statuses, since the last call.
fn requests(registry: &Registry) -> Vec<String> {
    let below = format!("/v2/{CODE}/");
    let seen = registry.requests();
    registry.forget_requests();
    let path =
        |path: &str| path.strip_prefix(&below).unwrap_or(path).split("scope=").next().unwrap().to_owned();
    seen.iter().map(|seen| format!("{} {} {}", seen.method, path(&seen.path), seen.status)).collect()
}

#[rstest]
#[case::distribution(DockerRegistry)]
#[case::go_containerregistry(GoContainerRegistry)]
#[tokio::test]
async fn tags_are_listed_elected_and_resolved(#[case] kind: RegistryKind) {
    let registry = Registry::start_kind(kind, Access::Anonymous, Transport::Plain);
    for tag in ["v1.9.0", "latest", "v2.0.0-rc.1"] {
        registry.push(CODE, tag, &image(tag)).await;
    }
    let newest = registry.push(CODE, "v1.10.0", &image("abc")).await;
    let client = client(&registry.host(), plain(Login::Anonymous));

    let list = client.list_tags(None).await.unwrap();
    assert_eq!(list.len(), 4);
    let policy = TagPolicy::new(TagRule::semver("^1").unwrap(), None, &[]).unwrap();
    assert_eq!(policy.elect(list.tags()).chosen.unwrap().tag, "v1.10.0");
    assert_eq!(client.head("v1.10.0").await.unwrap(), newest);
    let facts = client.resolve("v1.10.0").await.unwrap();
    assert_eq!((facts.digest.as_str(), facts.media_type.as_str()), (newest.as_str(), OCI_MANIFEST));
    assert_eq!(facts.revision.as_deref(), Some("abc"));
    assert_eq!(facts.created, Some("2026-01-02T03:04:05Z".parse().unwrap()));
    assert_eq!(client.resolve(&newest).await.unwrap(), facts);

    registry.push(CODE, "v1.11.0", &image("def")).await;
    let list = client.list_tags(Some(&list)).await.unwrap();
    assert_eq!(policy.elect(list.tags()).chosen.unwrap().tag, "v1.11.0");
}

#[rstest]
#[case::distribution(DockerRegistry)]
#[case::go_containerregistry(GoContainerRegistry)]
#[tokio::test]
async fn an_unchanged_look_is_one_request_and_a_moved_tag_is_seen(#[case] kind: RegistryKind) {
    let registry = Registry::start_kind(kind, Access::Anonymous, Transport::Plain);
    let first = registry.push(CODE, "stable", &image("one")).await;
    let client = client(&registry.host(), plain(Login::Anonymous));
    assert_eq!(client.head("stable").await.unwrap(), first);
    assert_eq!(client.head("stable").await.unwrap(), first);
    let list = client.list_tags(None).await.unwrap();
    client.list_tags(Some(&list)).await.unwrap();
    let (head, tags) = ("HEAD manifests/stable 200", "GET tags/list?n=1000 200");
    assert_eq!(requests(&registry), [head, head, tags, tags]);

    let second = registry.push(CODE, "stable", &image("two")).await;
    assert_eq!(client.head("stable").await.unwrap(), second);
    assert_eq!(client.resolve(&first).await.unwrap().revision.as_deref(), Some("one"));
    assert_eq!(client.resolve("stable").await.unwrap().revision.as_deref(), Some("two"));
}

#[rstest]
#[case::distribution(DockerRegistry)]
#[case::go_containerregistry(GoContainerRegistry)]
#[tokio::test]
async fn what_is_not_there(#[case] kind: RegistryKind) {
    let mut registry = Registry::start_kind(kind, Access::Anonymous, Transport::Plain);
    let client = client(&registry.host(), plain(Login::Anonymous));
    assert_eq!(client.list_tags(None).await.unwrap_err().problem, Problem::RepositoryNotFound);
    registry.push(CODE, "v1", &image("one")).await;
    for error in [client.head("v9").await.unwrap_err(), client.resolve("v9").await.unwrap_err()] {
        assert_eq!(error.problem, Problem::TagNotFound { tag: "v9".to_owned() });
    }
    let error = client.resolve(ABSENT).await.unwrap_err();
    assert_eq!(error.problem, Problem::DigestNotFound { digest: ABSENT.to_owned() });

    registry.stop();
    let error = client.head("v1").await.unwrap_err();
    assert_eq!(error.problem, Problem::ConnectionRefused { host: registry.host() });
    registry.start_again();
    client.head("v1").await.unwrap();
}

#[rstest]
#[case::distribution(DockerRegistry)]
#[case::go_containerregistry(GoContainerRegistry)]
#[tokio::test]
async fn a_helm_chart_is_not_code(#[case] kind: RegistryKind) {
    let registry = Registry::start_kind(kind, Access::Anonymous, Transport::Plain);
    let digest = registry.push(CODE, "v1", &image("one")).await;
    let client = client(&registry.host(), plain(Login::Anonymous));
    let config_digest = client.resolve(&digest).await.unwrap().config_digest;
    let chart = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [],
        "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": config_digest, "size": 2},
    });
    registry.push_manifest(CODE, "chart", OCI_MANIFEST, chart.to_string().into_bytes()).await;
    let error = client.resolve("chart").await.unwrap_err();
    assert_eq!(error.problem, Problem::NotAnImage { what: "a Helm chart".to_owned() });
}

/// The registry of go-containerregistry cuts a list where it is asked to, without a link to the rest.
#[rstest]
#[case::distribution(DockerRegistry, 1)]
#[case::go_containerregistry(GoContainerRegistry, 2)]
#[tokio::test]
async fn a_list_of_more_than_a_page_is_whole(#[case] kind: RegistryKind, #[case] requests: usize) {
    let registry = Registry::start_kind(kind, Access::Anonymous, Transport::Plain);
    registry.push(CODE, "v0", &image("one")).await;
    let newer: Vec<String> = (1..=1100).map(|number| format!("v{number}")).collect();
    registry.retag_many(CODE, "v0", &newer).await;
    registry.forget_requests();
    let list = client(&registry.host(), plain(Login::Anonymous)).list_tags(None).await.unwrap();
    let tags: std::collections::HashSet<&str> = list.tags().collect();
    assert_eq!((tags.len(), registry.requests().len()), (1101, requests));
}

#[rstest]
#[case::distribution(DockerRegistry)]
#[case::go_containerregistry(GoContainerRegistry)]
#[tokio::test]
async fn the_configuration_says_for_which_machines_and_when(#[case] kind: RegistryKind) {
    let registry = Registry::start_kind(kind, Access::Anonymous, Transport::Plain);
    let image = CodeImage {
        created: Some("2026-02-03T04:05:06Z".to_owned()),
        architecture: Some("arm64".to_owned()),
        ..CodeImage::with_site("one")
    };
    registry.push(CODE, "v1", &image).await;
    let client = client(&registry.host(), plain(Login::Anonymous));
    assert_eq!(client.resolve("v1").await.unwrap().created, None, "that costs a request more");
    let platforms = ["linux/arm64", "linux/amd64"].map(|text| text.parse().unwrap());
    let wanted = |platform| Wanted { platform: Some(platform), created: true };
    let facts = client.resolve_for("v1", wanted(&platforms[0])).await.unwrap();
    assert_eq!(facts.created, Some("2026-02-03T04:05:06Z".parse().unwrap()));
    let error = client.resolve_for("v1", wanted(&platforms[1])).await.unwrap_err();
    assert!(error.to_string().contains("not for linux/amd64 but for linux/arm64"), "{error}");
}

#[rstest]
#[case::basic(Access::Basic { user: "user".to_owned(), password: "right".to_owned() })]
#[case::token(Access::Token { user: "user".to_owned(), password: "right".to_owned() })]
#[tokio::test]
async fn a_login_is_needed_and_must_be_right(#[case] access: Access) {
    let registry = Registry::start(access, Transport::Plain);
    registry.push(CODE, "v1", &image("one")).await;
    let host = registry.host();

    let secret = registry.docker_config_json();
    let login = login_for(secret.as_bytes(), &format!("{host}/{CODE}").parse().unwrap()).unwrap().unwrap();
    assert_eq!(login, basic("right"));
    let list = client(&host, plain(login)).list_tags(None).await.unwrap();
    assert_eq!(list.tags().collect::<Vec<_>>(), ["v1"]);
    let wrong = client(&host, plain(basic("wrong"))).list_tags(None).await.unwrap_err();
    assert_eq!(wrong.problem, Problem::LoginRefused { host: host.clone() });
    let nobody = client(&host, plain(Login::Anonymous)).head("v1").await.unwrap_err();
    assert_eq!(nobody.problem, Problem::LoginMissing);
}

#[tokio::test]
async fn a_token_that_ran_out_is_refreshed_once() {
    let access = Access::Token { user: "user".to_owned(), password: "right".to_owned() };
    let registry = Registry::start(access, Transport::Plain);
    registry.push(CODE, "v1", &image("one")).await;
    let client = client(&registry.host(), plain(basic("right")));
    let with_refresh = ["HEAD manifests/v1 401", "GET /token? 200", "HEAD manifests/v1 200"];
    client.head("v1").await.unwrap();
    assert_eq!(requests(&registry), with_refresh);
    client.head("v1").await.unwrap();
    assert_eq!(requests(&registry), ["HEAD manifests/v1 200"]);
    registry.revoke_tokens();
    client.head("v1").await.unwrap();
    assert_eq!(requests(&registry), with_refresh);
}

#[tokio::test]
async fn a_busy_registry_says_until_when() {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    registry.push(CODE, "v1", &image("one")).await;
    let client = client(&registry.host(), plain(Login::Anonymous));
    registry.answer(Fault {
        path: "/manifests/",
        status: 429,
        headers: vec![("retry-after", "7")],
        times: 1,
    });
    assert_eq!(client.head("v1").await.unwrap_err().retry_after(), Some(Duration::from_secs(7)));
    client.head("v1").await.unwrap();
}

#[tokio::test]
async fn certificates_are_checked() {
    let authority = CertificateAuthority::create();
    let registry = Registry::start(Access::Anonymous, Transport::Tls(authority.issue()));
    registry.push(CODE, "v1", &image("one")).await;
    let host = registry.host();
    client(&host, with_ca(&authority)).head("v1").await.unwrap();
    for options in [RegistryOptions::default(), with_ca(&CertificateAuthority::create())] {
        let unknown = client(&host, options).head("v1").await.unwrap_err();
        assert_eq!(unknown.problem, Problem::CertificateUnknownAuthority { host: host.clone() });
        assert_eq!(unknown.problem.advice(), Some(Advice::GiveAuthority));
    }
}

#[tokio::test]
async fn an_expired_certificate_is_named() {
    let authority = CertificateAuthority::create();
    let registry = Registry::start(Access::Anonymous, Transport::Tls(authority.issue_expired()));
    let error = client(&registry.host(), with_ca(&authority)).list_tags(None).await.unwrap_err();
    assert!(matches!(error.problem, Problem::CertificateExpired { .. }), "{error}");
    assert!(error.to_string().contains("has a certificate that is expired"), "{error}");
}

/// One certificate is authority, server and client here.
fn self_signed(folder: &Path, name: &str) -> (String, String) {
    let path = |suffix: &str| folder.join(format!("{name}.{suffix}")).to_string_lossy().into_owned();
    let (certificate, key) = (path("crt"), path("key"));
    run(Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        .args([
            "-nodes",
            "-keyout",
            &key,
            "-out",
            &certificate,
            "-days",
            "2",
            "-subj",
            &format!("/CN={name}"),
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=CA:FALSE",
        ]));
    (certificate, key)
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_names_must_fit() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = self_signed(folder.path(), "one");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let configuration = json!({
        "version": "0.1", "log": {"level": "warn"}, "storage": {"inmemory": {}},
        "http": {"addr": address.to_string(), "tls": {"certificate": certificate, "key": key, "clientcas": [certificate]}},
    });
    let path = folder.path().join("registry.yml").to_string_lossy().into_owned();
    fs::write(&path, configuration.to_string()).unwrap();
    let log = folder.path().join("registry.log");
    let mut program = Program::start(Path::new("docker-registry"), &["serve", &path], &log);
    program.wait_until_listening(address);

    let read = |path: &str| fs::read(path).unwrap();
    let trusting = RegistryOptions { ca_pem: Some(read(&certificate)), ..RegistryOptions::default() };
    let identity = Some([read(&certificate), read(&key)].concat());
    let knowing = RegistryOptions { client_identity_pem: identity, ..trusting.clone() };
    let known = client(&address.to_string(), knowing.clone()).list_tags(None).await.unwrap_err();
    assert_eq!(known.problem, Problem::RepositoryNotFound, "TLS works, and the registry is empty");

    // Another registry keeps its blobs there: the certificate is not for that host.
    let redirecting = Registry::start(Access::Anonymous, Transport::Plain);
    redirecting.push(CODE, "v1", &image("one")).await;
    let elsewhere: &str = format!("https://{address}/v2/").leak();
    redirecting.answer(Fault {
        path: "/blobs/",
        status: 307,
        headers: vec![("location", elsewhere)],
        times: 1,
    });
    let platform = "linux/amd64".parse().unwrap();
    let wanted = Wanted { platform: Some(&platform), created: true };
    let redirected = RegistryOptions { plain_http: true, ..knowing.clone() };
    let unshown = client(&redirecting.host(), redirected).resolve_for("v1", wanted).await.unwrap_err();
    wants_a_certificate(&unshown);

    let nobody = client(&address.to_string(), trusting.clone()).list_tags(None).await.unwrap_err();
    wants_a_certificate(&nobody);
    let (certificate, key) = self_signed(folder.path(), "other");
    let stranger = Some([read(&certificate), read(&key)].concat());
    let stranger = RegistryOptions { client_identity_pem: stranger, ..trusting };
    let stranger = client(&address.to_string(), stranger).list_tags(None).await.unwrap_err();
    wants_a_certificate(&stranger);

    let host = format!("localhost:{}", address.port());
    let misnamed = client(&host, knowing).list_tags(None).await.unwrap_err();
    assert_eq!(misnamed.problem, Problem::CertificateForAnotherName { host });
}

/// Whether that is seen at once depends on who ends the connection first.
fn wants_a_certificate(error: &RegistryError) {
    let advice = error.problem.advice();
    let wanted = [Advice::GiveClientCertificate, Advice::PerhapsGiveClientCertificate].map(Some);
    assert!(wanted.contains(&advice), "{error}: {advice:?}");
}
