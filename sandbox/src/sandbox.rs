//! The sandbox itself: what the outside holds.
//!
//! Wiring only. It opens no socket of its own and starts nothing unless asked.

use std::{io, net::SocketAddr, sync::Arc};

use axum::Router;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    admission::Terms,
    api::{Shared, handle},
    managed_fields::Writer,
    options::SandboxOptions,
    request::FieldValidation,
    simulation,
    write::{self, Context},
};

/// The namespaces that a fresh cluster has.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// An in-process Kubernetes API. Clones share the same objects.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

/// A manifest that could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The text is not a stream of YAML documents.
    #[error("cannot read the manifests as YAML: {0}; correct them and try again")]
    Unreadable(#[from] Box<serde_saphyr::Error>),
    /// An object names a kind that nothing serves.
    #[error("nothing serves {kind} of {api_version}; install its CRD first")]
    UnknownKind {
        /// The object's API version.
        api_version: String,
        /// The object's kind.
        kind: String,
    },
    /// The API refused an object, in its own words.
    #[error("cannot create {kind} {name:?}: {why}")]
    Refused {
        /// The object's kind.
        kind: String,
        /// The object's name.
        name: String,
        /// The API's message.
        why: String,
        /// What is wrong, one by one.
        causes: Vec<String>,
    },
}

impl Sandbox {
    /// A fresh cluster: the usual namespaces, and nothing else.
    pub fn new(options: SandboxOptions) -> Self {
        let sandbox = Self { shared: Arc::new(Shared::new(options)) };
        for name in NAMESPACES {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            if let Err(error) = sandbox.install(namespace) {
                tracing::error!(%error, "the sandbox could not make its own namespace");
            }
        }
        sandbox
    }

    /// The whole API.
    pub fn router(&self) -> Router {
        Router::new().fallback(handle).with_state(Arc::clone(&self.shared))
    }

    /// A client in this process, without a socket. Must be called inside a tokio runtime.
    pub fn client(&self, default_namespace: &str) -> kube::Client {
        kube::Client::new(self.router(), default_namespace)
    }

    /// Serves plain HTTP until `stop` is cancelled. Meant for loopback: there is no authentication.
    ///
    /// # Errors
    /// The listener's.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
        serve_router(self.router(), listener, stop).await
    }

    /// A kubeconfig for a sandbox that is served at this address, with the namespace that commands mean by default.
    pub fn kubeconfig(&self, address: SocketAddr, namespace: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: sandbox\nclusters:\n- name: sandbox\n  cluster:\n    \
             server: http://{address}\ncontexts:\n- name: sandbox\n  context:\n    cluster: sandbox\n    \
             user: sandbox\n    namespace: {namespace}\nusers:\n- name: sandbox\n  user: {{}}\n"
        )
    }

    /// Plays the Deployment controller and the nodes until `stop` is cancelled. Without it, Deployments stay as
    /// they are written and pods stay pending.
    pub async fn simulate(self, stop: CancellationToken) {
        simulation::run(&self.shared, stop).await;
    }

    /// Creates every object of a stream of YAML documents, CRDs among them, in order.
    ///
    /// # Errors
    /// The first document that cannot be read or that the API refuses; those before it stay.
    pub fn install_manifests(&self, documents: &str) -> Result<(), InstallError> {
        let objects: Vec<Value> = serde_saphyr::from_multiple(documents).map_err(Box::new)?;
        objects.into_iter().filter(|object| !object.is_null()).try_for_each(|object| self.install(object))
    }

    /// Puts an object in its place as it is, with status, uid and all, unchecked: as a restored backup would.
    ///
    /// # Errors
    /// A kind that nothing serves.
    pub fn restore(&self, object: Value) -> Result<(), InstallError> {
        let text = |pointer: &str| crate::json::text(&object, pointer).unwrap_or_default().to_owned();
        let (api_version, kind) = (text("/apiVersion"), text("/kind"));
        let mut store = self.shared.store();
        let resource = store
            .catalog
            .of_kind(&api_version, &kind)
            .ok_or(InstallError::UnknownKind { api_version, kind })?;
        let object = resource.absorb(object);
        store.put(&resource.bucket(), object);
        Ok(())
    }

    /// Creates one object as if it came over the API; without a namespace it goes to `default`.
    ///
    /// # Errors
    /// An unknown kind, or whatever the API refuses.
    pub fn install(&self, object: Value) -> Result<(), InstallError> {
        let text = |pointer: &str| crate::json::text(&object, pointer).unwrap_or_default().to_owned();
        let (api_version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
        let mut store = self.shared.store();
        let resource = store.catalog.of_kind(&api_version, &kind).ok_or_else(|| {
            InstallError::UnknownKind { api_version: api_version.clone(), kind: kind.clone() }
        })?;
        let namespace = Some(text("/metadata/namespace")).filter(|namespace| !namespace.is_empty());
        let context = Context {
            resource: &resource,
            writer: Writer {
                manager: "sandbox".to_owned(),
                operation: "Update",
                api_version,
                subresource: String::new(),
            },
            terms: Terms {
                field_validation: FieldValidation::Strict,
                image_volumes: self.shared.options.image_volumes,
            },
            dry_run: false,
            now: (self.shared.options.clock)(),
        };
        let namespace = namespace.as_deref().unwrap_or("default");
        let object = resource.absorb(object);
        write::create(&mut store, &context, Some(namespace), object, None).map(|_| ()).map_err(|refusal| {
            let causes = refusal.causes();
            InstallError::Refused { kind, name, why: refusal.message, causes }
        })
    }

    /// Forgets what changed so far: watches that resume from before now are answered with 410 and list again.
    pub fn compact(&self) {
        self.shared.store().compact();
    }
}

/// Serves a router, one with faults for instance, over plain HTTP until `stop` is cancelled.
///
/// # Errors
/// The listener's.
pub async fn serve_router(router: Router, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
    let ended = stop.clone();
    let server = axum::serve(listener, router);
    // Watches never end by themselves, so waiting for open connections would wait for ever.
    tokio::select! {
        outcome = server => outcome,
        () = ended.cancelled() => Ok(()),
    }
}
