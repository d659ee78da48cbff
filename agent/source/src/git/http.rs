//! Smart HTTP for gix, on the reqwest client that the rest of voxsync uses.
//!
//! gix's own client was not taken: it refuses logins over plain HTTP (a Git server inside the cluster has nothing
//! else), asks twice where a login is needed, follows redirects, and bounds neither time nor bytes. This one sends
//! the login with the first request, to the one host of the URL, and follows nothing.
//!
//! Protocol: <https://git-scm.com/docs/gitprotocol-http>.

use std::{
    any::Any,
    io::{self, BufReader, Cursor, Read, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use gix::protocol::transport::client::blocking_io::http::{
    GetResponse, Http, PostBodyDataKind, PostResponse,
};
use reqwest::{
    Client, RequestBuilder, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION},
};

use super::{GitLogin, GitProblem, GitRemote, client, error::clean, line::Line};
use crate::{
    NoWay, Traffic,
    pace::{Wish, wish},
};

/// The most that is sent in one request: a list of wanted prefixes or commits.
const MAX_REQUEST_BYTES: usize = 1 << 20;
/// What one read takes over at most.
const BUFFER_BYTES: usize = 64 << 10;

/// The HTTP side of gix's transport.
pub(super) struct HttpLine {
    client: Client,
    authorization: Option<HeaderValue>,
    line: Arc<Line>,
    traffic: Traffic,
}

impl HttpLine {
    pub(super) fn open(remote: &GitRemote, line: Arc<Line>) -> Result<Self, GitProblem> {
        let authorization = authorization(&remote.login)?;
        Ok(Self { client: client::open(remote)?, authorization, line, traffic: remote.traffic.clone() })
    }

    fn exchange(
        &self,
        mut request: RequestBuilder,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Shared {
        for header in headers {
            if let Some((name, value)) = header.as_ref().split_once(':') {
                request = request.header(name, value.trim());
            }
        }
        if let Some(value) = &self.authorization {
            request = request.header(AUTHORIZATION, value.clone());
        }
        let step = Step::Prepared(Box::new(request), Vec::new());
        let asked_with_login = self.authorization.is_some();
        let (line, traffic) = (self.line.clone(), self.traffic.clone());
        Shared(Arc::new(Mutex::new(Exchange { step, asked_with_login, line, traffic })))
    }
}

/// The value of the header; marked so that nothing prints it.
fn authorization(login: &GitLogin) -> Result<Option<HeaderValue>, GitProblem> {
    let text = match login {
        GitLogin::Anonymous => return Ok(None),
        GitLogin::Basic { username, password } => {
            format!("Basic {}", BASE64.encode(format!("{username}:{password}")))
        }
        GitLogin::Bearer(token) => format!("Bearer {}", token.trim()),
        GitLogin::Ssh { .. } => {
            return Err(GitProblem::LoginMismatch(
                "an SSH key is no login for http and https: use `username` and `password`, or an ssh URL",
            ));
        }
    };
    let mut value = HeaderValue::from_str(&text).map_err(|_| {
        GitProblem::LoginMismatch("the token has a character that cannot be sent in an HTTP header")
    })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

impl Http for HttpLine {
    type Headers = BufReader<ResponseHeaders>;
    type ResponseBody = BufReader<Shared>;
    type PostBody = Shared;

    fn get(
        &mut self,
        url: &str,
        _base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> gix::Result<GetResponse<Self::Headers, Self::ResponseBody>> {
        let exchange = self.exchange(self.client.get(url), headers);
        let (headers, body) = exchange.ends();
        Ok(GetResponse { headers, body })
    }

    fn post(
        &mut self,
        url: &str,
        _base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _body: PostBodyDataKind,
    ) -> gix::Result<PostResponse<Self::Headers, Self::ResponseBody, Self::PostBody>> {
        let exchange = self.exchange(self.client.post(url), headers);
        let (headers, body) = exchange.ends();
        Ok(PostResponse { post_body: exchange, headers, body })
    }

    fn configure(&mut self, _options: &dyn Any) -> gix::Result<()> {
        Ok(())
    }
}

/// One request and its answer. gix holds three ends of it: what is sent, the headers, and what is received;
/// the request goes out when the first of the latter two is read.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Exchange>>);

struct Exchange {
    step: Step,
    asked_with_login: bool,
    line: Arc<Line>,
    traffic: Traffic,
}

enum Step {
    Prepared(Box<RequestBuilder>, Vec<u8>),
    Answered { response: Box<Response>, piece: Cursor<Vec<u8>> },
    Failed,
}

impl Exchange {
    fn send(&mut self) -> io::Result<()> {
        let (request, body) = match std::mem::replace(&mut self.step, Step::Failed) {
            Step::Prepared(request, body) => (*request, body),
            other => {
                self.step = other;
                return Ok(());
            }
        };
        let request = if body.is_empty() { request } else { request.body(body) };
        let (client, request) = request.build_split();
        let response = self.line.wait(async {
            let sent = match request {
                Ok(request) => {
                    let address = request.url().clone();
                    let sent = client.execute(request).await;
                    self.traffic.exchanged(&address, &sent);
                    sent
                }
                Err(error) => Err(error),
            };
            sent.map_err(|error| self.line.fail(client::problem_of(&error)))
        })?;
        if let Some(problem) = refusal(&response, self.asked_with_login) {
            return Err(self.line.fail(problem));
        }
        self.step = Step::Answered { response: Box::new(response), piece: Cursor::new(Vec::new()) };
        Ok(())
    }

    fn content_type(&mut self) -> io::Result<String> {
        self.send()?;
        match &self.step {
            Step::Answered { response, .. } => {
                let value = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
                let value = value.unwrap_or_default().to_owned();
                if !value.starts_with("application/x-git-") {
                    let what = if value.is_empty() { "no content type".to_owned() } else { clean(&value) };
                    return Err(self.line.fail(GitProblem::NotGit(format!("it sends {what}"))));
                }
                Ok(value)
            }
            Step::Prepared(..) | Step::Failed => Err(io::Error::other("the request has failed")),
        }
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.send()?;
        let Step::Answered { response, piece } = &mut self.step else {
            return Err(io::Error::other("the request has failed"));
        };
        loop {
            let count = piece.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let line = &self.line;
            let next = line.wait(async {
                response.chunk().await.map_err(|error| line.fail(client::problem_of(&error)))
            })?;
            let Some(next) = next else { return Ok(0) };
            line.received(next.len())?;
            *piece = Cursor::new(next.to_vec());
        }
    }
}

impl Shared {
    fn ends(&self) -> (BufReader<ResponseHeaders>, BufReader<Shared>) {
        let headers = ResponseHeaders { exchange: self.clone(), text: None };
        (BufReader::new(headers), BufReader::with_capacity(BUFFER_BYTES, self.clone()))
    }

    fn exchange(&self) -> MutexGuard<'_, Exchange> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.exchange().step {
            Step::Prepared(_, body) if body.len() + bytes.len() <= MAX_REQUEST_BYTES => {
                body.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            _ => Err(io::Error::other("the request is too large or already sent")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Shared {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.exchange().receive(buffer)
    }
}

/// The header that gix looks at, in the lines that it wants.
pub(super) struct ResponseHeaders {
    exchange: Shared,
    text: Option<Cursor<String>>,
}

impl Read for ResponseHeaders {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.text.is_none() {
            let content_type = self.exchange.exchange().content_type()?;
            self.text = Some(Cursor::new(format!("content-type:{content_type}\n")));
        }
        self.text.as_mut().map_or(Ok(0), |text| text.read(buffer))
    }
}

/// What a status means, if it is not the one of an answer.
fn refusal(response: &Response, asked_with_login: bool) -> Option<GitProblem> {
    let status = response.status();
    let how = || format!("HTTP {}", status.as_u16());
    if let Wish::Rest(retry_after) = wish(status, response.headers()) {
        return Some(GitProblem::AskLater { status: status.as_u16(), said: None, retry_after });
    }
    match status {
        StatusCode::OK => None,
        StatusCode::UNAUTHORIZED if asked_with_login => Some(GitProblem::LoginRefused(how())),
        StatusCode::UNAUTHORIZED => Some(GitProblem::LoginNeeded(how())),
        StatusCode::FORBIDDEN => Some(GitProblem::Forbidden),
        StatusCode::NOT_FOUND => Some(GitProblem::RepositoryMissing(how())),
        _ if status.is_redirection() => Some(GitProblem::Redirected(destination(response))),
        _ => Some(
            NoWay::of_answer(response).map_or(GitProblem::HttpStatus(status.as_u16()), GitProblem::Proxy),
        ),
    }
}

/// Where a redirect leads, as far as it may be shown: no login, no query, not the protocol's own tail.
fn destination(response: &Response) -> String {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match response.url().join(location) {
        Ok(url) => {
            let origin = url.origin().ascii_serialization();
            clean(&format!("{origin}{}", url.path().trim_end_matches("/info/refs")))
        }
        Err(_) => "an address that is none".to_owned(),
    }
}
