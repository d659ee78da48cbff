//! Bodies of answers, never larger than a bound, whatever their headers say.

use reqwest::Response;
use serde::Deserialize;

use super::{Problem, transport};

/// Reads a body to its end.
pub(super) async fn read(mut response: Response, limit_bytes: usize) -> Result<Vec<u8>, Problem> {
    let address = response.url().clone();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| transport::problem(&error, &address))? {
        if body.len() + chunk.len() > limit_bytes {
            return Err(Problem::TooLarge { host: transport::host_and_port(&address), limit_bytes });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Reads what was pushed there: that it is too large is no fault of who gives it.
pub(super) async fn content(response: Response, limit_bytes: usize) -> Result<Vec<u8>, Problem> {
    read(response, limit_bytes).await.map_err(|problem| match problem {
        Problem::TooLarge { limit_bytes, .. } => {
            Problem::BrokenContent { detail: format!("it has more than {limit_bytes} bytes") }
        }
        problem => problem,
    })
}

const MAX_ERROR_BODY_BYTES: usize = 64 << 10;
const MAX_CODE_CHARACTERS: usize = 40;

/// The error body of the OCI distribution specification, "Error Codes".
#[derive(Deserialize)]
struct Errors {
    errors: Vec<ErrorItem>,
}

#[derive(Deserialize)]
struct ErrorItem {
    code: String,
}

/// What servers of Go and nginx say to plain HTTP where they speak TLS.
const WANTS_TLS: [&[u8]; 2] =
    [b"HTTP request to an HTTPS server", b"plain HTTP request was sent to HTTPS port"];

/// What the body of an error says. Nothing else of it is for messages.
pub(super) enum ErrorBody {
    /// A code such as `NAME_UNKNOWN`.
    Code(String),
    /// The server speaks TLS, and was asked without.
    WantsTls,
    /// Something else, or nothing.
    Other,
}

/// Reads the body of an error. That also lets the connection be used again.
pub(super) async fn error(response: Response) -> ErrorBody {
    let Ok(body) = read(response, MAX_ERROR_BODY_BYTES).await else { return ErrorBody::Other };
    if WANTS_TLS.iter().any(|words| body.windows(words.len()).any(|part| part == *words)) {
        return ErrorBody::WantsTls;
    }
    code(&body).map_or(ErrorBody::Other, ErrorBody::Code)
}

/// The first code of the body of an error.
pub(super) async fn error_code(response: Response) -> Option<String> {
    match error(response).await {
        ErrorBody::Code(code) => Some(code),
        ErrorBody::WantsTls | ErrorBody::Other => None,
    }
}

fn code(body: &[u8]) -> Option<String> {
    let errors: Errors = serde_json::from_slice(body).ok()?;
    let code = errors.errors.into_iter().next()?.code;
    let valid = code.len() <= MAX_CODE_CHARACTERS
        && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    valid.then_some(code)
}
