//! The proxy on the way to a server, and whether a failure is its own: otherwise people look for it at the server.
//!
//! The HTTP library takes proxies from the environment and does not tell which one it took, so the environment is read
//! again here, by the same rules.

use std::io;

use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use reqwest::{Response, StatusCode, Url};

use crate::{
    causes::{causes, innermost_reason},
    traffic::host_and_port,
};

/// A proxy that does not lead to a server: which one, who says that it is on the way, and what to do. Shows no login.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoWay(String);

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("it refuses the connection; check its host and port")]
    Refused,
    #[error("its name cannot be resolved; check it and DNS")]
    NameNotResolved,
    #[error(
        "it wants a login that it knows (407); put it before its host, as http://user:password@host:port"
    )]
    Login,
    #[error(
        "it answers with an error, such as 403 or 502; let it allow this host, or see what it says itself"
    )]
    Tunnel,
    #[error("no connection in time; check its host and port, and the network")]
    Late,
    #[error("{0}")]
    Other(String),
}

impl NoWay {
    /// Whether a request failed at a proxy.
    pub(crate) fn of_failure(error: &reqwest::Error) -> Option<Self> {
        error.is_connect().then(|| failed(error, &Matcher::from_system()))?
    }

    /// Whether an answer is that of a proxy which wants a login: who speaks TLS hears the server alone.
    pub(crate) fn of_answer(response: &Response) -> Option<Self> {
        answered(response.status(), response.url(), &Matcher::from_system())
    }
}

fn answered(status: StatusCode, address: &Url, proxies: &Matcher) -> Option<NoWay> {
    let is_of_proxy = status == StatusCode::PROXY_AUTHENTICATION_REQUIRED && address.scheme() == "http";
    is_of_proxy.then(|| no_way(address, proxies, &Fault::Login))?
}

fn failed(error: &reqwest::Error, proxies: &Matcher) -> Option<NoWay> {
    let address = error.url()?;
    no_way(address, proxies, &fault(error, address)?)
}

fn no_way(address: &Url, proxies: &Matcher, fault: &Fault) -> Option<NoWay> {
    let proxy = proxies.intercept(&address.as_str().parse().ok()?)?;
    let proxy = proxy_address(&proxy)?;
    let variable = if address.scheme() == "https" { "HTTPS_PROXY" } else { "HTTP_PROXY" };
    let server = host_and_port(address);
    Some(NoWay(format!(
        "the proxy {proxy} (`{variable}` or `ALL_PROXY`; `NO_PROXY` names hosts that need none) does not lead to {server}: {fault}"
    )))
}

/// The address of a proxy as it may be shown: a login with an `@` in it would be in the middle of the rest.
pub fn proxy_address(proxy: &Intercept) -> Option<String> {
    let (scheme, host) = (proxy.uri().scheme_str()?, proxy.uri().host()?);
    let port = proxy.uri().port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{scheme}://{host}{port}"))
}

/// What is wrong with the proxy, if there is one. Behind its tunnel, the faults are those of the server.
fn fault(error: &reqwest::Error, address: &Url) -> Option<Fault> {
    let mut is_of_proxy = address.scheme() == "http";
    for cause in causes(error) {
        if cause.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused) {
            return Some(Fault::Refused);
        }
        // The library has no types for these.
        let detail = cause.to_string();
        if detail.starts_with("dns error") {
            return Some(Fault::NameNotResolved);
        }
        match detail.strip_prefix("tunnel error: ") {
            Some("proxy authorization required") => return Some(Fault::Login),
            Some("unsuccessful") => return Some(Fault::Tunnel),
            Some(_) => is_of_proxy = true,
            None => {}
        }
    }
    if error.is_timeout() {
        return Some(Fault::Late);
    }
    is_of_proxy.then(|| Fault::Other(innermost_reason(error)))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        net::TcpListener,
    };

    use rstest::rstest;
    use voxsync_fixtures::ForwardProxy;

    use super::*;

    /// Why a request through this proxy failed.
    async fn failure(proxy: &str, address: &str) -> Option<NoWay> {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().proxy(reqwest::Proxy::all(proxy).unwrap()).build().unwrap();
        let proxies = Matcher::builder().all(proxy).build();
        match client.get(address).send().await {
            Ok(response) => answered(response.status(), response.url(), &proxies),
            Err(error) => {
                assert!(error.is_connect(), "{error:?}");
                failed(&error, &proxies)
            }
        }
    }

    #[track_caller]
    fn assert_no_way(no_way: Option<NoWay>, proxy: &str, variable: &str, fault: &str) {
        let said = no_way.expect("the proxy is named").to_string();
        let start = format!(
            "the proxy http://{proxy} (`{variable}` or `ALL_PROXY`; `NO_PROXY` names hosts that need none) does not lead to r.example: "
        );
        let said = said.strip_prefix(&start).unwrap_or_else(|| panic!("{said}"));
        assert!(said.contains(fault) && !said.contains("hunter2"), "{said}");
    }

    #[rstest]
    #[case::of_tunnels("https", "HTTPS_PROXY")]
    #[case::of_plain_http("http", "HTTP_PROXY")]
    #[tokio::test]
    async fn a_proxy_that_is_not_there(#[case] scheme: &str, #[case] variable: &str) {
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        // Every resolver refuses such a label before it asks anybody.
        let unknown = format!("{}.example:3128", "x".repeat(64));
        for (proxy, fault) in [(nobody, "refuses the connection"), (unknown, "cannot be resolved")] {
            let no_way =
                failure(&format!("http://user:hunter2@{proxy}"), &format!("{scheme}://r.example/v2/")).await;
            assert_no_way(no_way, &proxy, variable, fault);
        }
    }

    #[rstest]
    #[case::of_tunnels("https", "HTTPS_PROXY")]
    #[case::of_plain_http("http", "HTTP_PROXY")]
    #[tokio::test]
    async fn a_proxy_that_wants_another_login(#[case] scheme: &str, #[case] variable: &str) {
        let proxy = ForwardProxy::start(Some(("user", "a secret")), &[]);
        let address = proxy.url_without_login().replace("http://", "");
        let no_way =
            failure(&format!("http://user:hunter2@{address}"), &format!("{scheme}://r.example/v2/")).await;
        assert_no_way(no_way, &address, variable, "(407); put it before its host");
    }

    #[rstest]
    #[case::forbidden("HTTP/1.1 403 Forbidden\r\n\r\n", "such as 403")]
    #[case::bad_gateway("HTTP/1.1 502 Bad Gateway\r\n\r\n", "such as 403 or 502")]
    #[case::silent("", "unexpected end of file")]
    #[tokio::test]
    async fn a_proxy_that_does_not_let_through(#[case] answer: &'static str, #[case] fault: &str) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let served = std::thread::spawn(move || {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                stream.read_line(&mut line).unwrap();
            }
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
        });
        let no_way = failure(&format!("http://{address}"), "https://r.example/v2/").await;
        assert_no_way(no_way, &address, "HTTPS_PROXY", fault);
        served.join().unwrap();
    }

    #[tokio::test]
    async fn a_server_behind_a_good_proxy_has_its_own_faults() {
        // It is there, and speaks no TLS.
        let server = ForwardProxy::start(None, &[]);
        let proxy = ForwardProxy::start(None, &[("r.example:443", &server.url().replace("http://", ""))]);
        assert_eq!(failure(&proxy.url(), "https://r.example/v2/").await, None);
    }

    #[test]
    fn no_part_of_a_login_is_shown() {
        let proxies = Matcher::builder().all("http://user:part@hunter2@proxy.example:3128").build();
        let no_way = no_way(&"https://r.example/".parse().unwrap(), &proxies, &Fault::Refused);
        assert_no_way(no_way, "proxy.example:3128", "HTTPS_PROXY", "refuses");
    }

    #[tokio::test]
    async fn without_a_proxy_nobody_else_is_named() {
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = reqwest::Client::builder().no_proxy();
        let error = error.build().unwrap().get(format!("http://{nobody}/")).send().await.unwrap_err();
        assert_eq!(failed(&error, &Matcher::builder().build()), None);
    }
}
