//! Servers that are not Git's own: one in between, that counts and lies, and one that says what a test wrote down.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    http::{Response, header},
};
use tokio::{net::TcpListener, task::AbortHandle};

const LIMIT_BYTES: usize = 1 << 20;

/// An HTTP server of the test; it ends when this is dropped.
pub(super) struct Between {
    pub(super) url: String,
    /// Bytes of answers that went through it.
    pub(super) sent: Arc<AtomicU64>,
    running: AbortHandle,
}

impl Drop for Between {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Between {
    /// Passes requests on to the server of `url`, their bodies changed, and counts what comes back.
    pub(super) async fn pass_on(url: &str, change: fn(String) -> String) -> Self {
        Self::pass_on_with(url, change).await
    }

    /// The same, for a change that remembers something.
    pub(super) async fn pass_on_with(
        url: &str,
        change: impl Fn(String) -> String + Clone + Send + Sync + 'static,
    ) -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (client, sent) = (reqwest::Client::new(), Arc::<AtomicU64>::default());
        let counted = Arc::clone(&sent);
        let address: reqwest::Url = url.parse().unwrap();
        let origin = address.origin().ascii_serialization();
        let router = Router::new().fallback(move |request: Request| {
            let (client, counted, change) = (client.clone(), Arc::clone(&counted), change.clone());
            let origin = origin.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = axum::body::to_bytes(body, LIMIT_BYTES).await.unwrap();
                let body = change(String::from_utf8(body.to_vec()).unwrap());
                let mut headers = head.headers;
                headers.remove(header::HOST);
                headers.remove(header::CONTENT_LENGTH);
                let to = format!("{origin}{}", head.uri);
                let answer =
                    client.request(head.method, to).headers(headers).body(body).send().await.unwrap();
                let kind = answer.headers().get(header::CONTENT_TYPE).cloned();
                let bytes = answer.bytes().await.unwrap();
                counted.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                let mut response = Response::builder();
                if let Some(kind) = kind {
                    response = response.header(header::CONTENT_TYPE, kind);
                }
                response.body(Body::from(bytes)).unwrap()
            }
        });
        Self::serve(router, sent, address.path()).await
    }

    /// Greets by version 2 of the protocol, and has one answer for all commands.
    pub(super) async fn scripted(capabilities: &[&str], answer: Vec<u8>) -> Self {
        let mut greeting =
            [packet("# service=git-upload-pack\n"), "0000".to_owned(), packet("version 2\n")].concat();
        for capability in capabilities {
            greeting.push_str(&packet(&format!("{capability}\n")));
        }
        greeting.push_str("0000");
        let router = Router::new().fallback(move |request: Request| {
            let is_greeting = request.method() == "GET";
            let body = if is_greeting { greeting.clone().into_bytes() } else { answer.clone() };
            async move { answer_of(is_greeting, Body::from(body)) }
        });
        Self::serve(router, Arc::default(), "/a.git").await
    }

    /// Sends `start`, and then this piece again and again.
    pub(super) async fn endless(start: Vec<u8>, piece: Vec<u8>) -> Self {
        let (start, piece) = (Bytes::from(start), Bytes::from(piece));
        let router = Router::new().fallback(move |request: Request| {
            let is_greeting = request.method() == "GET";
            let first = futures::stream::iter([Ok::<_, Infallible>(start.clone())]);
            let rest = futures::stream::repeat(Ok(piece.clone()));
            let body = Body::from_stream(futures::StreamExt::chain(first, rest));
            async move { answer_of(is_greeting, body) }
        });
        Self::serve(router, Arc::default(), "/a.git").await
    }

    async fn serve(router: Router, sent: Arc<AtomicU64>, path: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{path}", listener.local_addr().unwrap());
        let running =
            tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }).abort_handle();
        Self { url, sent, running }
    }
}

fn answer_of(is_greeting: bool, body: Body) -> Response<Body> {
    let what = if is_greeting { "advertisement" } else { "result" };
    let kind = format!("application/x-git-upload-pack-{what}");
    Response::builder().header(header::CONTENT_TYPE, kind).body(body).unwrap()
}

/// A line of the protocol.
pub(super) fn packet(text: &str) -> String {
    format!("{:04x}{text}", text.len() + 4)
}
