//! Registries that are away, busy, slow or endless.

use std::time::Duration;

use rstest::rstest;

use super::*;
use crate::Advice;

#[rstest]
#[case(429, Some("30"), Problem::TooManyRequests { status: 429, retry_after: Some(Duration::from_secs(30)) })]
#[case(429, None, Problem::TooManyRequests { status: 429, retry_after: None })]
#[case(403, Some("30"), Problem::TooManyRequests { status: 403, retry_after: Some(Duration::from_secs(30)) })]
#[case(503, Some("5"), Problem::Unavailable { status: 503, retry_after: Some(Duration::from_secs(5)) })]
#[case(500, None, Problem::Unavailable { status: 500, retry_after: None })]
#[case(403, None, Problem::Forbidden)]
#[case(404, None, Problem::RepositoryNotFound)]
#[tokio::test]
async fn refusals(#[case] status: u16, #[case] retry_after: Option<&'static str>, #[case] expected: Problem) {
    let registry = Registry::start(move |_| {
        let headers: Vec<_> = retry_after.map(|seconds| ("retry-after", seconds)).into_iter().collect();
        answer(status, &headers, "a body that is not for messages")
    })
    .await;
    let error = registry.client(Login::Anonymous).list_tags(None).await.unwrap_err();
    assert_eq!(
        error.retry_after().map(|wait| wait.as_secs()),
        retry_after.map(|seconds| seconds.parse().unwrap())
    );
    assert_eq!(error.problem, expected);
    assert_eq!(registry.take().len(), 1);
}

#[tokio::test]
async fn another_status_is_told_with_the_code_but_not_the_text() {
    let body = r#"{"errors":[{"code":"PAGINATION_NUMBER_INVALID","message":"secret"}]}"#;
    let registry = Registry::start(move |_| answer(400, &[], body)).await;
    let error = registry.client(Login::Anonymous).list_tags(None).await.unwrap_err();
    let host = &registry.host;
    let expected =
        format!("cannot list the tags of {host}/team/code: {host} answers 400 PAGINATION_NUMBER_INVALID");
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn an_endless_body_is_cut_off() {
    let endless = || {
        let chunk = Bytes::from(vec![b' '; 1 << 16]);
        Body::from_stream(futures::stream::repeat(Ok::<_, std::convert::Infallible>(chunk)))
    };
    let registry = Registry::start(move |_| answer(200, &[], endless())).await;
    let client = registry.client(Login::Anonymous);
    let expected = Problem::TooLarge { host: registry.host.clone(), limit_bytes: 4 << 20 };
    assert_eq!(client.list_tags(None).await.unwrap_err().problem, expected);
    let expected = Problem::BrokenContent { detail: "it has more than 4194304 bytes".to_owned() };
    assert_eq!(client.resolve("v1").await.unwrap_err().problem, expected);
}

#[tokio::test]
async fn an_endless_error_body_is_cut_off() {
    let registry = Registry::start(|_| {
        let chunk = Bytes::from(vec![b' '; 1 << 16]);
        answer(404, &[], Body::from_stream(futures::stream::repeat(Ok::<_, std::convert::Infallible>(chunk))))
    })
    .await;
    let error = registry.client(Login::Anonymous).list_tags(None).await.unwrap_err();
    assert_eq!(error.problem, Problem::RepositoryNotFound);
}

#[tokio::test]
async fn silence_ends_in_a_timeout() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let registry = Registry { host: listener.local_addr().unwrap().to_string(), seen: Arc::default() };
    let client = registry.client_with(RegistryOptions {
        plain_http: true,
        request_timeout: Duration::from_millis(100),
        ..RegistryOptions::default()
    });
    let error = client.list_tags(None).await.unwrap_err();
    assert_eq!(error.problem, Problem::Timeout { host: registry.host });
}

#[tokio::test]
async fn nobody_there() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let registry = Registry { host: listener.local_addr().unwrap().to_string(), seen: Arc::default() };
    drop(listener);
    let error = registry.client(Login::Anonymous).head("v1").await.unwrap_err();
    assert_eq!(error.problem, Problem::ConnectionRefused { host: registry.host });
}

/// A label of more than 63 characters is refused by every resolver before it asks anybody.
#[tokio::test]
async fn a_name_that_nobody_can_resolve() {
    let host = format!("{}.example", "x".repeat(64));
    let registry = Registry { host: host.clone(), seen: Arc::default() };
    let error = registry.client(Login::Anonymous).head("v1").await.unwrap_err();
    assert_eq!(error.problem, Problem::NameNotResolved { host });
}

#[tokio::test]
async fn plain_http_where_tls_is_expected() {
    let registry = Registry::start(|_| tags_answer(&["v1"], &[])).await;
    let client = registry.client_with(RegistryOptions::default());
    let error = client.list_tags(None).await.unwrap_err();
    assert!(error.to_string().ends_with("does not speak TLS"), "{error}");
    assert_eq!(error.problem.advice(), Some(Advice::SayPlainHttp));
    assert_eq!(registry.take().len(), 0);
}

#[rstest]
#[case(Some("no certificate"), None, "the CA holds no PEM certificate")]
#[case(
    Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    None,
    "the certificates cannot be used"
)]
#[case(None, Some("no key"), "`tls.crt` and `tls.key` are no PEM certificate with its key")]
#[tokio::test]
async fn certificates_that_are_none(
    #[case] ca: Option<&str>,
    #[case] identity: Option<&str>,
    #[case] start: &str,
) {
    let bytes = |text: &str| text.as_bytes().to_vec();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = RegistryOptions {
        ca_pem: ca.map(bytes),
        client_identity_pem: identity.map(bytes),
        ..RegistryOptions::default()
    };
    let error = RegistryClient::new("r.example/x".parse().unwrap(), options).unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with(&format!("cannot prepare the connection to r.example/x: {start}")),
        "{message}"
    );
}

/// As when the server's patience with an idle connection ends just when the next look begins.
#[tokio::test]
async fn a_kept_connection_that_was_closed_is_opened_again() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let registry = Registry { host: listener.local_addr().unwrap().to_string(), seen: Arc::default() };
    let answering = tokio::spawn(async move {
        let mut request = [0; 1024];
        let mut connection = listener.accept().await.unwrap().0;
        for answer in ["HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"tags\":[]}", ""] {
            assert_ne!(connection.read(&mut request).await.unwrap(), 0);
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
        drop(connection);
        let mut connection = listener.accept().await.unwrap().0;
        assert_ne!(connection.read(&mut request).await.unwrap(), 0);
        connection
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"tags\":[\"v1\"]}")
            .await
            .unwrap();
    });
    let client = registry.client(Login::Anonymous);
    assert!(client.list_tags(None).await.unwrap().is_empty());
    assert_eq!(client.list_tags(None).await.unwrap().len(), 1);
    answering.await.unwrap();
}
