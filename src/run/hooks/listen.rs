//! Connections, and their bounds: how many at once, how long each, how much a request may have before its body.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, Request, header::CONNECTION},
};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    places::{Place, Places},
    receiver::{Answer, Receiver},
};

/// How many connections there are at once. Each may hold a body.
const CONNECTIONS_LIMIT: usize = 128;
/// How long each has before another may need its place: for its request, then for the proof, and after each proof.
const PROOF_TIME: Duration = Duration::from_secs(1);
/// How long a connection is kept, whatever is sent on it.
const CONNECTION_LIMIT: Duration = Duration::from_mins(1);
/// How long a TLS handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
/// How long the head of a request may take, or the pause before it.
const HEAD_LIMIT: Duration = Duration::from_secs(5);
/// How many headers a request may have.
const HEADERS_LIMIT: usize = 64;
/// How large the head of a request may be.
const HEAD_LIMIT_BYTES: usize = 16 << 10;
/// How long to wait when the system has no place for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How long requests that are under way may take when the process stops.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// How TLS is spoken at the moment; none where it is not.
pub(super) type Configuration = Option<watch::Receiver<Arc<ServerConfig>>>;

/// Answers until cancelled.
pub(super) async fn serve(
    listener: TcpListener,
    configuration: Configuration,
    receiver: Arc<Receiver>,
    cancel: CancellationToken,
) {
    let places = Places::new(CONNECTIONS_LIMIT, PROOF_TIME);
    let tasks = TaskTracker::new();
    let accept = async {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let Some(place) = places.take().await else { return };
            let tls = configuration.as_ref().map(|configuration| configuration.borrow().clone());
            let (receiver, cancel) = (Arc::clone(&receiver), cancel.clone());
            tasks.spawn(async move {
                place.hold(serve_one(stream, tls, receiver, &place, &cancel)).await;
            });
        }
    };
    cancel.run_until_cancelled(accept).await;
    tasks.close();
    // Not every sender sends again what is cut off, GitHub does not: the next look by the interval finds it.
    let _ = timeout(STOP_LIMIT, tasks.wait()).await;
}

async fn serve_one(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    receiver: Arc<Receiver>,
    place: &Place,
    cancel: &CancellationToken,
) {
    match tls {
        None => serve_http(stream, receiver, place, cancel).await,
        Some(configuration) => {
            let handshake = TlsAcceptor::from(configuration).accept(stream);
            if let Ok(Ok(stream)) = timeout(HANDSHAKE_LIMIT, handshake).await {
                serve_http(stream, receiver, place, cancel).await;
            }
        }
    }
}

async fn serve_http(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    receiver: Arc<Receiver>,
    place: &Place,
    cancel: &CancellationToken,
) {
    let service = service_fn(|request: Request<_>| async {
        let response = match receiver.answer(request.map(Body::new), || place.requeue()).await {
            Answer::ToTheProven(response) => {
                place.requeue();
                response
            }
            Answer::ToAnyone(mut response) => {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                response
            }
        };
        Ok::<_, Infallible>(response)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_headers(HEADERS_LIMIT)
        .max_buf_size(HEAD_LIMIT_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // How it ended is the client's business.
        _ = &mut connection => return,
        () = sleep(CONNECTION_LIMIT) => return,
        () = cancel.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
