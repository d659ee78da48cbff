//! One repository at one registry: the connection, the login, and a single request with its refusals.

use std::{fmt, sync::Mutex, time::Duration};

use reqwest::{
    Method, RequestBuilder, Response, StatusCode, Url,
    header::{ACCEPT, AUTHORIZATION, HeaderValue, IF_NONE_MATCH, LOCATION},
};

use crate::{NoWay, Pace, Traffic, lock::lock, pace::retry_after};

use super::{
    Attempt, Login, Problem, RegistryError, Repository,
    body::{self, ErrorBody},
    line::Line,
    transport,
};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How to reach a registry.
#[derive(Clone)]
pub struct RegistryOptions {
    /// `insecure`: plain HTTP.
    pub plain_http: bool,
    /// Certificates of private CAs in PEM, trusted besides those of the system.
    pub ca_pem: Option<Vec<u8>>,
    /// A client certificate with its chain and its key, in PEM one after the other.
    pub client_identity_pem: Option<Vec<u8>>,
    /// As whom to ask.
    pub login: Login,
    /// The `User-Agent`.
    pub user_agent: String,
    /// How long one request may take, with its answer.
    pub request_timeout: Duration,
    /// Who is told of each request.
    pub traffic: Traffic,
    /// The manners towards hosts that it shares with others.
    pub pace: Pace,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            plain_http: false,
            ca_pem: None,
            client_identity_pem: None,
            login: Login::Anonymous,
            user_agent: concat!("voxsync/", env!("CARGO_PKG_VERSION")).to_owned(),
            request_timeout: REQUEST_TIMEOUT,
            traffic: Traffic::default(),
            pace: Pace::default(),
        }
    }
}

/// Shows no secret.
impl fmt::Debug for RegistryOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            plain_http,
            ca_pem,
            client_identity_pem,
            login,
            user_agent,
            request_timeout,
            traffic: _,
            pace,
        } = self;
        formatter
            .debug_struct("RegistryOptions")
            .field("plain_http", plain_http)
            .field("ca_pem", &ca_pem.is_some())
            .field("client_identity_pem", &client_identity_pem.is_some())
            .field("login", login)
            .field("user_agent", user_agent)
            .field("request_timeout", request_timeout)
            .field("pace", pace)
            .finish()
    }
}

/// A reader of one repository. Made once and kept: it keeps its connections and its token between looks.
///
/// Bound to one repository, so that a login cannot reach a host that it is not for.
///
/// # Assumptions
/// The process has a default crypto provider of rustls. Proxies are those of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
pub struct RegistryClient {
    pub(super) line: Line,
    pub(super) repository: Repository,
    /// `https://host/v2/path/`.
    pub(super) base: Url,
    pub(super) login: Login,
    /// The header that the registry took last time.
    authorization: Mutex<Option<HeaderValue>>,
}

impl fmt::Debug for RegistryClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("RegistryClient").field(&self.base.as_str()).finish()
    }
}

/// One request.
pub(super) struct Question<'a> {
    pub(super) method: Method,
    pub(super) address: Url,
    pub(super) accept: &'static str,
    pub(super) if_none_match: Option<&'a HeaderValue>,
}

impl RegistryClient {
    /// Prepares a client; nothing is sent yet.
    pub fn new(repository: Repository, options: RegistryOptions) -> Result<Self, RegistryError> {
        let (plain_http, login) = (options.plain_http, options.login.clone());
        match Line::open(options) {
            Ok(line) => Self::over(line, repository, plain_http, login),
            Err(problem) => Err(not_prepared(&repository, problem)),
        }
    }

    /// A client of another repository that trusts the same certificates, shows the same, and shares the connections:
    /// a thousand repositories of one host are otherwise a thousand connections, each with all authorities in memory.
    pub fn beside(
        &self,
        repository: Repository,
        plain_http: bool,
        login: Login,
    ) -> Result<Self, RegistryError> {
        Self::over(self.line.clone(), repository, plain_http, login)
    }

    fn over(
        line: Line,
        repository: Repository,
        plain_http: bool,
        login: Login,
    ) -> Result<Self, RegistryError> {
        let scheme = if plain_http { "http" } else { "https" };
        let base = format!("{scheme}://{}/v2/{}/", repository.api_host(), repository.path());
        let base = Url::parse(&base).map_err(|_| {
            not_prepared(&repository, Problem::NameNotResolved { host: repository.host().to_owned() })
        })?;
        let authorization = match &login {
            Login::Bearer(token) => {
                Some(header("Bearer", token).map_err(|problem| not_prepared(&repository, problem))?)
            }
            _ => None,
        };
        Ok(Self { line, repository, base, login, authorization: Mutex::new(authorization) })
    }

    /// The repository that it reads.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Whether its host asked to be left alone.
    pub fn is_resting(&self) -> bool {
        self.line.is_resting(&self.base)
    }

    pub(super) fn error(&self, attempt: Attempt, problem: Problem) -> RegistryError {
        RegistryError { repository: self.repository.to_string(), attempt, problem }
    }

    /// Asks, and once more with a new authorization if the one at hand is not taken.
    pub(super) async fn ask(&self, question: &Question<'_>) -> Result<Response, Problem> {
        let kept = lock(&self.authorization).clone();
        let response = self.send(question, kept.as_ref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let challenge = response.headers().clone();
        body::error_code(response).await;
        let authorization = self.authorize(&challenge).await?;
        let response = self.send(question, Some(&authorization)).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            return Err(self.login_problem(&self.base));
        }
        *lock(&self.authorization) = Some(authorization);
        Ok(response)
    }

    /// Sends a question, and again if a connection that was kept turns out to be closed by the other side: reading twice
    /// does no harm, and it says nothing about the registry.
    async fn send(
        &self,
        question: &Question<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, Problem> {
        let ask_once = || self.line.send(self.request(question, authorization), &question.address);
        let sent = match ask_once().await {
            Err(error) if !error.is_connect() && !error.is_timeout() => ask_once().await,
            sent => sent,
        };
        sent.map_err(|error| transport::problem(&error, &question.address))
    }

    fn request(&self, question: &Question<'_>, authorization: Option<&HeaderValue>) -> RequestBuilder {
        let Question { method, address, accept, if_none_match } = question;
        let mut request = self.line.http.request(method.clone(), address.clone()).header(ACCEPT, *accept);
        if let Some(etag) = if_none_match {
            request = request.header(IF_NONE_MATCH, *etag);
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request
    }
}

fn not_prepared(repository: &Repository, problem: Problem) -> RegistryError {
    RegistryError { repository: repository.to_string(), attempt: Attempt::Prepare, problem }
}

/// Lets a good answer through. `missing` is what a 404 means, unless the registry says that the repository is unknown.
pub(super) async fn accepted(response: Response, missing: Problem) -> Result<Response, Problem> {
    if let Some(no_way) = NoWay::of_answer(&response) {
        return Err(Problem::Proxy(no_way));
    }
    let status = response.status();
    let retry_after = retry_after(response.headers());
    Err(match status {
        status if status.is_success() => return Ok(response),
        status if status.is_redirection() && status != StatusCode::NOT_MODIFIED => {
            Problem::Redirected { to: redirect_target(&response) }
        }
        StatusCode::BAD_REQUEST if response.url().scheme() == "http" => {
            let host = transport::host_and_port(response.url());
            match body::error(response).await {
                ErrorBody::WantsTls => Problem::SpeaksTls { host },
                ErrorBody::Code(code) => Problem::Status { host, status: status.as_u16(), code: Some(code) },
                ErrorBody::Other => Problem::Status { host, status: status.as_u16(), code: None },
            }
        }
        StatusCode::FORBIDDEN if retry_after.is_none() => Problem::Forbidden,
        StatusCode::NOT_FOUND => match body::error_code(response).await.as_deref() {
            Some("NAME_UNKNOWN") => Problem::RepositoryNotFound,
            _ => missing,
        },
        StatusCode::TOO_MANY_REQUESTS | StatusCode::FORBIDDEN => {
            Problem::TooManyRequests { status: status.as_u16(), retry_after }
        }
        StatusCode::INTERNAL_SERVER_ERROR
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Problem::Unavailable { status: status.as_u16(), retry_after },
        _ => {
            let host = transport::host_and_port(response.url());
            Problem::Status { host, status: status.as_u16(), code: body::error_code(response).await }
        }
    })
}

/// A header that is not shown in debug output.
pub(super) fn header(scheme: &str, secret: &str) -> Result<HeaderValue, Problem> {
    let mut value =
        HeaderValue::try_from(format!("{scheme} {secret}")).map_err(|_| Problem::LoginUnusable)?;
    value.set_sensitive(true);
    Ok(value)
}

fn redirect_target(response: &Response) -> String {
    let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    let target = location.and_then(|location| response.url().join(location).ok());
    target.map_or_else(|| "nowhere".to_owned(), |target| target.origin().ascii_serialization())
}
