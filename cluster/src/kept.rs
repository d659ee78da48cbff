//! What is kept of one object, and what the index needs to know of it without unpacking it.

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::Pod,
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use voxsync_crds::{
    CodeSync, Config, Server,
    annotations::{Gate, gate},
};
use voxsync_rollout::{
    owner::Ownership,
    state::{Progress, RolloutState, is_between_templates},
};

use crate::{
    Change, Kind, Object, ReleaseFact, SERVER_LABEL, Writer, memo::Memo, packed::Packed, projection, writer,
};

/// On `ReplicaSet`s: counts the templates of a Deployment.
const REVISION_ANNOTATION: &str = "deployment.kubernetes.io/revision";

/// What is kept of one object.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) kind: Kind,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) version: u64,
    /// What it is a part of; see [`Object::owner`].
    pub(crate) owner: Option<String>,
    pub(crate) content: Content,
}

/// By kind.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Config(Box<Written<Config>>),
    Server(Box<Written<Server>>),
    Deployment(KeptDeployment),
    ReplicaSet(KeptReplicaSet),
    Pod(KeptPod),
    CodeSync(Box<CodeSync>),
    CodeRelease(ReleaseFact),
}

/// A Config or Server, with who wrote its code last.
#[derive(Clone, Debug)]
pub(crate) struct Written<T> {
    pub(crate) object: T,
    pub(crate) writer: Option<Writer>,
}

#[derive(Clone, Debug)]
pub(crate) struct KeptDeployment {
    pub(crate) packed: Packed<Deployment>,
    /// The gate that is written on it, be it paused or not.
    pub(crate) gate: Option<Gate>,
    /// It is to have pods.
    pub(crate) has_pods: bool,
    /// It is paused, by anybody.
    pub(crate) is_paused: bool,
    /// It is between two templates, so that a pause would leave it without pods.
    pub(crate) is_between: bool,
    /// Whose it is.
    pub(crate) ownership: Ownership,
    /// How far its Server is.
    pub(crate) measured: Memo<(RolloutState, Progress)>,
}

#[derive(Clone, Debug)]
pub(crate) struct KeptReplicaSet {
    pub(crate) packed: Packed<ReplicaSet>,
    /// Name and uid of its Deployment.
    pub(crate) controller: Option<(String, String)>,
    /// Which of the Deployment's templates it is for; the last has the highest.
    pub(crate) revision: u64,
    /// It has no pods, and is to have none.
    pub(crate) is_idle: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct KeptPod {
    pub(crate) packed: Packed<Pod>,
    /// The name of its `ReplicaSet`.
    pub(crate) controller: Option<String>,
    /// Something about it says why it may not start.
    pub(crate) is_troubled: bool,
}

impl Kept {
    /// What is kept of an object; `None` where it has no namespace or name.
    pub(crate) fn of(object: Object) -> Option<Self> {
        let (namespace, name) = key(object.metadata())?;
        let (kind, version) = (object.kind(), version(object.metadata()));
        let owner = object.owner().map(str::to_owned);
        Some(Self { kind, namespace, name, version, owner, content: Content::of(object) })
    }

    /// What to say of it to those who have to look again.
    pub(crate) fn change(&self) -> Change {
        Change {
            kind: self.kind,
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            owner: self.owner.clone(),
        }
    }
}

impl Content {
    fn of(object: Object) -> Self {
        match object {
            Object::Config(mut object) => {
                let writer = writer::of_code(&object.metadata);
                projection::config(&mut object);
                Self::Config(Box::new(Written { object: *object, writer }))
            }
            Object::Server(mut object) => {
                let writer = writer::of_code(&object.metadata);
                projection::server(&mut object);
                Self::Server(Box::new(Written { object: *object, writer }))
            }
            Object::Deployment(object) if !selects_by_server(&object) => {
                Self::Deployment(KeptDeployment::of(&projection::foreign_deployment(*object), None, false))
            }
            Object::Deployment(mut object) => {
                let gate = gate(object.metadata.annotations.as_ref());
                let replicas = object.spec.as_ref().and_then(|spec| spec.replicas);
                let has_pods = replicas.unwrap_or(1) > 0;
                projection::deployment(&mut object);
                Self::Deployment(KeptDeployment::of(&object, gate, has_pods))
            }
            Object::ReplicaSet(mut object) => {
                let annotations = object.metadata.annotations.as_ref();
                let revision = annotations.and_then(|all| all.get(REVISION_ANNOTATION)?.parse().ok());
                let (spec, status) = (object.spec.as_ref(), object.status.as_ref());
                let is_idle = spec.is_some_and(|spec| spec.replicas == Some(0))
                    && status.is_some_and(|status| status.replicas == 0);
                let controller = controller(&object.metadata, "Deployment");
                let controller = controller.map(|owner| (owner.name.clone(), owner.uid.clone()));
                projection::replica_set(&mut object);
                let packed = Packed::new(&*object);
                Self::ReplicaSet(KeptReplicaSet {
                    packed,
                    controller,
                    revision: revision.unwrap_or_default(),
                    is_idle,
                })
            }
            Object::Pod(mut object) => {
                let controller = controller(&object.metadata, "ReplicaSet").map(|owner| owner.name.clone());
                projection::pod(&mut object);
                let is_troubled = projection::is_troubled(&object);
                Self::Pod(KeptPod { packed: Packed::new(&*object), controller, is_troubled })
            }
            Object::CodeSync(mut object) => {
                projection::code_sync(&mut object);
                Self::CodeSync(object)
            }
            Object::CodeRelease(object) => Self::CodeRelease(ReleaseFact::of(&object)),
        }
    }
}

impl KeptDeployment {
    fn of(object: &Deployment, gate: Option<Gate>, has_pods: bool) -> Self {
        Self {
            packed: Packed::new(object),
            gate,
            has_pods,
            is_paused: object.spec.as_ref().is_some_and(|spec| spec.paused == Some(true)),
            is_between: is_between_templates(object),
            ownership: Ownership::of(object),
            measured: Memo::default(),
        }
    }
}

/// Namespace and name.
pub(crate) fn key(metadata: &ObjectMeta) -> Option<(String, String)> {
    Some((metadata.namespace.clone()?, metadata.name.clone()?))
}

/// Resource versions are ordered numbers (Kubernetes 1.35, "resource versions are comparable"; etcd revisions
/// before that).
pub(crate) fn version(metadata: &ObjectMeta) -> u64 {
    metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

fn controller<'a>(metadata: &'a ObjectMeta, kind: &str) -> Option<&'a OwnerReference> {
    let mut owners = metadata.owner_references.iter().flatten();
    owners.find(|owner| owner.controller == Some(true) && owner.kind == kind)
}

fn selects_by_server(deployment: &Deployment) -> bool {
    let selector = deployment.spec.as_ref().and_then(|spec| spec.selector.match_labels.as_ref());
    selector.is_some_and(|labels| labels.contains_key(SERVER_LABEL))
}
