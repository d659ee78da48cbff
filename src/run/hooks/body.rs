//! Reads a body, within bounds.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header::CONTENT_LENGTH},
};
use futures::StreamExt as _;
use tokio::time::timeout;

/// The largest body that is taken.
const BODY_LIMIT_BYTES: usize = 1 << 20;
/// How much of a larger one is read and thrown away: else its sender would see a broken connection and no answer.
const DISCARD_LIMIT_BYTES: usize = 8 << 20;
/// How long a body may take.
const BODY_LIMIT: Duration = Duration::from_secs(10);

/// The body, or the status that says what is wrong with it.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, StatusCode> {
    let declared = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let declared = declared.unwrap_or_default();
    if declared > DISCARD_LIMIT_BYTES {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    timeout(BODY_LIMIT, read_all(declared, body)).await.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
}

async fn read_all(declared: usize, body: Body) -> Result<Vec<u8>, StatusCode> {
    let mut kept = Vec::with_capacity(declared.min(BODY_LIMIT_BYTES));
    let mut length = 0;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| StatusCode::BAD_REQUEST)?;
        length += chunk.len();
        if length > DISCARD_LIMIT_BYTES {
            break;
        }
        if length > BODY_LIMIT_BYTES {
            kept = Vec::new();
        } else {
            kept.extend_from_slice(&chunk);
        }
    }
    if length > BODY_LIMIT_BYTES { Err(StatusCode::PAYLOAD_TOO_LARGE) } else { Ok(kept) }
}
