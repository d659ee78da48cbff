//! Checks of kind `http`, over TLS and with logins.

use rstest::rstest;
use serde_json::json;
use voxsync_checks::Standing::{Passed, Unreachable};
use voxsync_fixtures::{Access, CertificateAuthority, Registry, Transport};
use voxsync_source::registry::Login;

use crate::support::{PATIENT, Then, answer, asked, asked_with, check, client, server};

#[tokio::test]
async fn only_who_is_trusted_is_believed() {
    let authority = CertificateAuthority::create();
    let registry = Registry::start(Access::Anonymous, Transport::Tls(authority.issue()));
    let check = check(json!({"name": "up", "http": {"url": format!("{}/v2/", registry.url())}}));
    let trusting = client(Some(&authority.pem()), None);
    let said = asked_with(&check, &trusting, &Login::Anonymous, PATIENT).await;
    assert_eq!((said.standing, said.message.as_str()), (Passed, "it answers 200"));
    let said = asked(&check, PATIENT).await;
    assert_eq!(said.standing, Unreachable);
    assert!(said.message.contains("certificate is of an unknown CA"), "{}", said.message);
}

#[rstest]
#[case::basic(
    Login::Basic { username: "user".to_owned(), password: "hunter2".to_owned() },
    "authorization: Basic dXNlcjpodW50ZXIy"
)]
#[case::bearer(Login::Bearer("hunter2".to_owned()), "authorization: Bearer hunter2")]
#[tokio::test]
async fn a_login_is_shown_to_its_host_only(#[case] login: Login, #[case] header: &str) {
    let (elsewhere, asked_elsewhere) = server(Then::Says(answer("200 OK", "running")));
    let redirect = format!("HTTP/1.1 307 Moved\r\nlocation: {elsewhere}/\r\ncontent-length: 0\r\n\r\n");
    for (kind, of_kind) in [
        ("http", json!({"contains": "running"})),
        ("prometheus", json!({"query": "up", "minimum": 1})),
        ("puppetdb", json!({"maximumFailedPercent": 1})),
    ] {
        let (url, asked) = server(Then::Says(redirect.clone().into_bytes()));
        let mut written = json!({"name": "check", kind: of_kind});
        written[kind]["url"] = json!(url);
        let said = asked_with(&check(written), &client(None, None), &login, PATIENT).await;
        assert_ne!(said.standing, Passed);
        assert!(!said.message.contains("hunter2"), "{}", said.message);
        let request = asked.recv().unwrap();
        assert!(request.contains(header) && request.contains("user-agent: voxsync/test"), "{request}");
    }
    assert!(asked_elsewhere.try_recv().is_err(), "a redirect was followed");
}
