//! A proxy between one voxsync process and the API server: it counts the process's writes, and can catch one of them.
//!
//! A write that was let through is carried out to its end, even if the process is gone by then. Nothing else of the
//! process gets through once the proxy is closed, so that what the API server has seen of a killed process is exact.

mod traffic;

use std::{
    fs,
    future::pending,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, Response, StatusCode, header, request::Parts},
};
use kube::{
    Client,
    config::{AuthInfo, KubeConfigOptions, Kubeconfig},
};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    sync::{Mutex as Turns, Notify},
    task::JoinHandle,
};

use super::wait::wait_for;
pub(crate) use traffic::{Catch, Fate, Write, WriteName};
use traffic::{Course, Passage, Traffic, as_write};

const BODY_LIMIT_BYTES: usize = 16 * 1024 * 1024;
/// How long the API server may take for what was let through.
const DEADLINE: Duration = Duration::from_mins(2);
/// How long a process may take to get to the write that is to be caught.
const CATCH_DEADLINE: Duration = Duration::from_mins(1);
/// Runs until it is dropped.
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    folder: TempDir,
    server: JoinHandle<()>,
}

struct Shared {
    upstream: Client,
    traffic: Mutex<Traffic>,
    released: Notify,
    /// Held by the write whose turn it is.
    turns: Turns<()>,
}

impl Proxy {
    /// Starts one for the cluster of a kubeconfig. Requests keep the credentials that they come with.
    pub(crate) async fn start(kubeconfig: &Path) -> Self {
        let mut kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
        let mut configuration =
            kube::Config::from_custom_kubeconfig(kubeconfig.clone(), &KubeConfigOptions::default())
                .await
                .expect("a kubeconfig");
        configuration.auth_info = AuthInfo::default();
        let upstream = Client::try_from(configuration).expect("a client without credentials");
        let shared = Arc::new(Shared {
            upstream,
            traffic: Mutex::default(),
            released: Notify::new(),
            turns: Turns::default(),
        });

        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port on 127.0.0.1");
        let address = listener.local_addr().expect("the address of a listener");
        for cluster in kubeconfig.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
            cluster.server = Some(format!("http://{address}"));
            cluster.certificate_authority = None;
            cluster.certificate_authority_data = None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = serde_json::to_string(&kubeconfig).expect("a kubeconfig as JSON");
        fs::write(folder.path().join("kubeconfig"), text).expect("write a kubeconfig");

        let router = Router::new().fallback(forward).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("a server") });
        Self { shared, folder, server }
    }

    /// The kubeconfig with which a process comes through here.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// Counts from here, and catches nothing.
    pub(crate) fn forget(&self) {
        let mut traffic = self.shared.traffic();
        traffic.writes.clear();
        (traffic.catch, traffic.caught) = (None, None);
    }

    /// Counts from here, and catches a write that is still to come.
    pub(crate) fn catch(&self, catch: Catch) {
        self.forget();
        self.shared.traffic().catch = Some(catch);
    }

    /// The write that was caught, if it was.
    pub(crate) fn caught(&self) -> Option<Write> {
        let traffic = self.shared.traffic();
        traffic.caught.map(|place| traffic.writes[place].clone())
    }

    /// Waits until a write is caught.
    pub(crate) async fn catches(&self) -> Write {
        wait_for("the write that is to be caught", CATCH_DEADLINE, async || {
            self.caught().ok_or_else(|| format!("{:?}", self.writes()))
        })
        .await
    }

    /// Lets the held write go on, and gives what became of it.
    pub(crate) async fn release(&self) -> Write {
        self.shared.released.notify_one();
        wait_for("the answer to a write that was held", DEADLINE, async || {
            let caught = self.caught().ok_or("nothing was caught")?;
            match caught.fate {
                Fate::Held | Fate::UnderWay => Err(format!("{caught:?}")),
                _ => Ok(caught),
            }
        })
        .await
    }

    /// Nothing more gets through, reads and Leases included, until it is opened again.
    pub(crate) fn close(&self) {
        self.shared.traffic().is_closed = true;
    }

    /// Requests get through again. What was blocked before stays blocked.
    pub(crate) fn open(&self) {
        let mut traffic = self.shared.traffic();
        traffic.is_closed = false;
        traffic.catch = None;
    }

    /// Waits until nothing that was let through is on its way any more.
    pub(crate) async fn settled(&self) {
        wait_for("the answers to all that was let through", DEADLINE, async || {
            let writes = self.writes();
            let rest: Vec<_> = writes.iter().filter(|write| write.fate == Fate::UnderWay).collect();
            if rest.is_empty() { Ok(()) } else { Err(format!("{rest:?}")) }
        })
        .await;
    }

    /// The writes since it counts.
    pub(crate) fn writes(&self) -> Vec<Write> {
        self.shared.traffic().writes.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out what was let through.
    async fn carry_out(&self, head: Parts, body: Bytes, passage: Passage) -> Response<Body> {
        let Passage::Write { place, course } = passage else { return self.ask(head, body).await.0 };
        let turn = if course == Course::InTurn { Some(self.turns.lock().await) } else { None };
        if turn.is_some() && self.traffic().is_closed {
            self.set(place, Fate::Blocked);
            drop(turn);
            return pending().await;
        }
        if course == Course::Held {
            self.released.notified().await;
            self.set(place, Fate::UnderWay);
        }
        let (answer, fate) = self.ask(head, body).await;
        self.set(place, fate);
        let is_answered = {
            let mut traffic = self.traffic();
            let is_taken = matches!(fate, Fate::Answered(200..=299));
            let is_caught = match course {
                Course::Unanswered => true,
                Course::InTurn => is_taken && traffic.is_last(),
                Course::Free | Course::Held => false,
            };
            if is_caught {
                (traffic.caught, traffic.is_closed) = (Some(place), true);
            }
            !is_caught
        };
        drop(turn);
        if is_answered { answer } else { pending().await }
    }

    /// Passes a request on, and says what became of it.
    async fn ask(&self, head: Parts, body: Bytes) -> (Response<Body>, Fate) {
        let request = Request::from_parts(head, kube::client::Body::from(body));
        match self.upstream.send(request).await {
            Ok(answer) => {
                let status = answer.status().as_u16();
                (answer.map(Body::new), Fate::Answered(status))
            }
            Err(error) => (bad_gateway(&error.to_string()), Fate::Lost),
        }
    }

    fn set(&self, place: usize, fate: Fate) {
        if let Some(write) = self.traffic().writes.get_mut(place) {
            write.fate = fate;
        }
    }
}

async fn forward(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (mut head, body) = request.into_parts();
    let body = match to_bytes(body, BODY_LIMIT_BYTES).await {
        Ok(body) => body,
        Err(error) => return bad_gateway(&error.to_string()),
    };
    drop_connection_headers(&mut head.headers);
    head.headers.remove(header::HOST);
    let write = as_write(&head.method, &head.uri, &body);
    let passage = shared.traffic().admit(write);
    if matches!(passage, Passage::Blocked) {
        // Until the process is gone, and its connection with it.
        return pending().await;
    }
    // A task of its own goes on if the process goes away.
    let carried_out = tokio::spawn(async move { shared.carry_out(head, body, passage).await });
    let mut answer = carried_out.await.unwrap_or_else(|error| bad_gateway(&error.to_string()));
    drop_connection_headers(answer.headers_mut());
    answer
}

/// These are about one connection, and there are two.
fn drop_connection_headers(headers: &mut HeaderMap) {
    for name in [header::CONNECTION, header::TRANSFER_ENCODING] {
        headers.remove(name);
    }
}

fn bad_gateway(why: &str) -> Response<Body> {
    let body = Body::from(why.to_owned());
    Response::builder().status(StatusCode::BAD_GATEWAY).body(body).expect("an answer")
}
