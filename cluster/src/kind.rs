//! The kinds that are read, and where.

use std::fmt;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::Pod,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Client, Resource, core::NamespaceResourceScope};
use serde::de::DeserializeOwned;
use voxsync_crds::{CodeRelease, CodeSync, Config, Server};

use crate::{SERVER_LABEL, projection::UNREAD_OF_WORKLOADS};

/// Which namespaces are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// This one.
    Namespace(String),
}

impl Scope {
    /// An API of a kind over this scope.
    pub fn api<K>(&self, client: Client) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        match self {
            Self::All => Api::all(client),
            Self::Namespace(namespace) => Api::namespaced(client, namespace),
        }
    }
}

/// A kind that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the kinds' own names")]
pub enum Kind {
    Config,
    Server,
    Deployment,
    ReplicaSet,
    Pod,
    CodeSync,
    CodeRelease,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Config,
        Self::Server,
        Self::Deployment,
        Self::ReplicaSet,
        Self::Pod,
        Self::CodeSync,
        Self::CodeRelease,
    ];

    /// Whether voxsync's own definitions have to be installed for it to exist.
    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Self::CodeSync | Self::CodeRelease)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Config => "Config",
            Self::Server => "Server",
            Self::Deployment => "Deployment",
            Self::ReplicaSet => "ReplicaSet",
            Self::Pod => "Pod",
            Self::CodeSync => "CodeSync",
            Self::CodeRelease => "CodeRelease",
        })
    }
}

/// An object of one of the kinds.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the kinds' own names")]
pub enum Object {
    Config(Box<Config>),
    Server(Box<Server>),
    Deployment(Box<Deployment>),
    ReplicaSet(Box<ReplicaSet>),
    Pod(Box<Pod>),
    CodeSync(Box<CodeSync>),
    CodeRelease(Box<CodeRelease>),
}

impl Object {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Config(_) => Kind::Config,
            Self::Server(_) => Kind::Server,
            Self::Deployment(_) => Kind::Deployment,
            Self::ReplicaSet(_) => Kind::ReplicaSet,
            Self::Pod(_) => Kind::Pod,
            Self::CodeSync(_) => Kind::CodeSync,
            Self::CodeRelease(_) => Kind::CodeRelease,
        }
    }

    /// Its metadata.
    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::Config(object) => &object.metadata,
            Self::Server(object) => &object.metadata,
            Self::Deployment(object) => &object.metadata,
            Self::ReplicaSet(object) => &object.metadata,
            Self::Pod(object) => &object.metadata,
            Self::CodeSync(object) => &object.metadata,
            Self::CodeRelease(object) => &object.metadata,
        }
    }

    /// What it is a part of: the Config of a Server, the Server of a Deployment, `ReplicaSet` or Pod, the
    /// CodeSync of a CodeRelease.
    pub fn owner(&self) -> Option<&str> {
        match self {
            Self::Config(_) | Self::CodeSync(_) => None,
            Self::Server(server) => server.spec.config_ref.as_deref(),
            Self::Deployment(_) => self.metadata().name.as_deref(),
            Self::ReplicaSet(_) | Self::Pod(_) => {
                self.metadata().labels.as_ref()?.get(SERVER_LABEL).map(String::as_str)
            }
            Self::CodeRelease(release) => Some(&release.spec.code_sync),
        }
    }
}

/// An object that could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What is wrong with it, bounded.
    pub reason: String,
}

/// A kind that the index takes.
pub(crate) trait Indexed:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + fmt::Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    const KIND: Kind;
    /// Only objects that have this label are asked for; the others would be a cluster's worth of pods.
    const LABEL: Option<&'static str> = None;
    /// The names of members that nothing is decided by, wherever in an object they are.
    const UNREAD: &'static [&'static str];
    fn into_object(self) -> Object;
}

macro_rules! indexed {
    ($kind:ident, $label:expr, $unread:expr) => {
        impl Indexed for $kind {
            const KIND: Kind = Kind::$kind;
            const LABEL: Option<&'static str> = $label;
            const UNREAD: &'static [&'static str] = $unread;
            fn into_object(self) -> Object {
                Object::$kind(Box::new(self))
            }
        }
        impl From<$kind> for Object {
            fn from(object: $kind) -> Self {
                object.into_object()
            }
        }
    };
}

indexed!(Config, None, &[]);
indexed!(Server, None, &[]);
indexed!(Deployment, None, UNREAD_OF_WORKLOADS);
indexed!(ReplicaSet, Some(SERVER_LABEL), UNREAD_OF_WORKLOADS);
indexed!(Pod, Some(SERVER_LABEL), UNREAD_OF_WORKLOADS);
indexed!(CodeSync, None, &["managedFields"]);
indexed!(CodeRelease, None, &["managedFields"]);
