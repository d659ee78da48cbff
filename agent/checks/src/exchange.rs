//! One question to a server, and what came back of it, never more than a bound.

use std::time::Duration;

use reqwest::{
    Client, Method, Request, Response,
    header::{ACCEPT, CONTENT_TYPE, LOCATION, USER_AGENT},
};
use serde::de::DeserializeOwned;
use url::Url;
use voxsync_source::{http::failure, registry::Login};

use crate::Answer;

/// How a check reaches its server.
#[derive(Debug)]
pub struct Line<'a> {
    /// Trusts whom the check trusts, shows the check's certificate, and follows no redirect.
    pub client: &'a Client,
    /// As whom to ask.
    pub login: &'a Login,
    /// How long the whole of it may take.
    pub timeout: Duration,
    /// As what the server sees voxsync.
    pub user_agent: &'a str,
}

/// What a server answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// The status code.
    pub status: u16,
    /// Scheme, host and port of where it redirects to.
    pub redirected_to: Option<String>,
    /// As much of the body as was wanted.
    pub body: Vec<u8>,
    /// Whether the body goes on.
    pub is_cut: bool,
}

/// A question.
pub(crate) struct Question {
    pub(crate) address: Url,
    /// What is sent with it, and as what; a question without it is a GET.
    pub(crate) content: Option<(&'static str, String)>,
    /// How much of the body is read.
    pub(crate) body_limit_bytes: usize,
}

impl Line<'_> {
    /// Asks, and gives the answer or why there is none.
    pub(crate) async fn exchange(&self, question: Question) -> Result<Received, Answer> {
        let host = host_of(&question.address);
        let no_answer = |error: reqwest::Error| Answer::unreachable(format!("{host}: {}", failure(&error)));
        let limit_bytes = question.body_limit_bytes;
        let mut response =
            self.client.execute(self.request(question).map_err(no_answer)?).await.map_err(no_answer)?;
        let mut received = Received {
            status: response.status().as_u16(),
            redirected_to: redirected_to(&response),
            ..Received::default()
        };
        if limit_bytes == 0 {
            return Ok(received);
        }
        while let Some(piece) = response.chunk().await.map_err(no_answer)? {
            let room = limit_bytes - received.body.len();
            received.body.extend_from_slice(piece.get(..room).unwrap_or(&piece));
            if piece.len() > room {
                received.is_cut = true;
                break;
            }
        }
        Ok(received)
    }

    fn request(&self, question: Question) -> reqwest::Result<Request> {
        let method = if question.content.is_some() { Method::POST } else { Method::GET };
        let mut request = self.client.request(method, question.address).header(USER_AGENT, self.user_agent);
        if let Some((content_type, content)) = question.content {
            request =
                request.header(CONTENT_TYPE, content_type).header(ACCEPT, "application/json").body(content);
        }
        match self.login {
            Login::Anonymous => request,
            Login::Basic { username, password } => request.basic_auth(username, Some(password)),
            Login::Bearer(token) | Login::Identity(token) => request.bearer_auth(token),
        }
        .build()
    }
}

impl Received {
    /// The body as JSON; `server` is who should have given it.
    pub(crate) fn json<T: DeserializeOwned>(&self, server: &str) -> Result<T, Answer> {
        if self.is_cut {
            return Err(Answer::unreachable(format!(
                "it answers with more than {} KiB: ask for less",
                self.body.len() >> 10
            )));
        }
        serde_json::from_slice(&self.body)
            .map_err(|_| Answer::unreachable(format!("what answers is not {server}: no such JSON")))
    }
}

/// The base of a server's API with these segments behind it; as it is where there are none.
pub(crate) fn address(base: &str, segments: &[&str]) -> Result<Url, Answer> {
    let no_address = || Answer::unreachable("`url` is no URL such as https://host:port");
    let mut address = Url::parse(base).map_err(|_| no_address())?;
    if address.host_str().is_none() {
        return Err(no_address());
    }
    if !segments.is_empty() {
        address.path_segments_mut().map_err(|()| no_address())?.pop_if_empty().extend(segments);
    }
    Ok(address)
}

/// Host and port: nothing else of an address is for messages.
fn host_of(address: &Url) -> String {
    let host = address.host_str().unwrap_or_default();
    address.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn redirected_to(response: &Response) -> Option<String> {
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    Some(response.url().join(location).ok()?.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain("http://host:9090", "http://host:9090/api/v1/query")]
    #[case::with_a_slash("http://host:9090/", "http://host:9090/api/v1/query")]
    #[case::below_a_path("https://host/prometheus/", "https://host/prometheus/api/v1/query")]
    #[case::with_a_query("https://host/?tenant=a", "https://host/api/v1/query?tenant=a")]
    fn addresses(#[case] base: &str, #[case] wanted: &str) {
        assert_eq!(address(base, &["api", "v1", "query"]).unwrap().as_str(), wanted);
    }

    #[rstest]
    #[case("https://")]
    #[case("host:9090")]
    #[case("http://user:hunter2@ho st/")]
    fn no_addresses(#[case] base: &str) {
        let message = address(base, &[]).unwrap_err().message;
        assert!(message.contains("no URL") && !message.contains("hunter2"), "{message}");
    }
}
