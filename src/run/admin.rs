//! `/log`: the filter of the log, to look at and to change while the process runs. On loopback alone: who may reach it
//! has the right to forward a port of the pod.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::telemetry::LogFilter;

/// The longest request that is read.
const BODY_LIMIT_BYTES: usize = 16 << 10;

/// Answers until cancelled.
pub async fn serve(address: SocketAddr, log: LogFilter, cancel: CancellationToken) -> anyhow::Result<()> {
    if !address.ip().is_loopback() {
        bail!(
            "--admin-listen {address}: only a loopback address is taken, for example 127.0.0.1:8081: reach it with \
             `kubectl port-forward`"
        );
    }
    let listener = TcpListener::bind(address).await.with_context(|| format!("--admin-listen {address}"))?;
    info!(admin_address = %listener.local_addr()?, "answering /log");
    let router = Router::new()
        .route("/log", get(present).put(change))
        .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
        .with_state(log);
    axum::serve(listener, router).with_graceful_shutdown(cancel.cancelled_owned()).await?;
    Ok(())
}

async fn present(State(log): State<LogFilter>) -> String {
    format!("{}\n", log.get())
}

async fn change(State(log): State<LogFilter>, filter: String) -> (StatusCode, String) {
    let filter = filter.trim();
    match log.set(filter) {
        Ok(()) => (StatusCode::OK, format!("{filter}\n")),
        Err(why) => (StatusCode::BAD_REQUEST, format!("{filter:?} is not a log filter: {why}\n")),
    }
}
