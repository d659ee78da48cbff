//! One target as the cluster has it: a Config or Server, the entry of its code that is meant, and what that says.
//!
//! Pure: reads the snapshot, decides nothing, writes nothing.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource as _;
use voxsync_cluster::{Kind, Shut, Snapshot};
use voxsync_crds::{
    Code, CodeEntry, Config, Server,
    annotations::ACCEPTS_FROM,
    code_sync::{Entry, TargetKind},
    openvox::{CodeShape, EntryError},
};
use voxsync_promotion::{Live, TargetKey, TargetProblem};

use crate::elsewhere::goes_nowhere_else;

/// A Config or Server that is a target.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target<'a> {
    /// A Config.
    Config(&'a Config),
    /// A Server, and its Config where it has one.
    Server(&'a Server, Option<&'a Config>),
}

impl<'a> Target<'a> {
    /// The target that a key of a CodeSync in `namespace` names.
    ///
    /// # Errors
    /// Where there is no such object, it cannot be read, or the CodeSync may not have it.
    pub(crate) fn find(
        snapshot: &'a Snapshot,
        namespace: &str,
        key: &TargetKey,
    ) -> Result<Self, TargetProblem> {
        if let Some(shut) = snapshot.shut(namespace, key) {
            return Err(shut_problem(shut, namespace, key));
        }
        let namespace = key.namespace_in(namespace);
        let found = match key.kind {
            TargetKind::Config => snapshot.config(namespace, &key.name).map(Self::Config),
            TargetKind::Server => snapshot.server(namespace, &key.name).map(|server| {
                let config = server.spec.config_ref.as_deref();
                Self::Server(server, config.and_then(|config| snapshot.config(namespace, config)))
            }),
        };
        found.ok_or_else(|| missing(snapshot, namespace, key))
    }

    pub(crate) fn metadata(self) -> &'a ObjectMeta {
        match self {
            Self::Config(config) => config.meta(),
            Self::Server(server, _) => server.meta(),
        }
    }

    pub(crate) fn kind(self) -> TargetKind {
        match self {
            Self::Config(_) => TargetKind::Config,
            Self::Server(..) => TargetKind::Server,
        }
    }

    /// Whether a person asked every tool to leave it alone.
    pub(crate) fn is_paused(self) -> bool {
        match self {
            Self::Config(config) => config.is_paused(),
            Self::Server(server, _) => server.is_paused(),
        }
    }

    /// Its own code, as it is stored; an empty list is no code.
    pub(crate) fn code(self) -> Option<&'a Code> {
        self.stored_code().filter(|code| !code.entries().is_empty())
    }

    /// What `spec.code` holds, be it an empty list.
    pub(crate) fn stored_code(self) -> Option<&'a Code> {
        match self {
            Self::Config(config) => config.spec.code.as_ref(),
            Self::Server(server, _) => server.spec.code.as_ref(),
        }
    }

    /// The code that a Server takes from its Config as long as it has none of its own.
    pub(crate) fn inherited_code(self) -> Option<&'a Code> {
        match self {
            Self::Server(_, Some(config)) => {
                config.spec.code.as_ref().filter(|code| !code.entries().is_empty())
            }
            Self::Server(_, None) | Self::Config(_) => None,
        }
    }

    /// What the meant entry of its own code says; no image and no claim where it has no code.
    ///
    /// # Errors
    /// Where no entry can be meant, or the object is in another shape than the API.
    pub(crate) fn live(
        self,
        entry: Option<&Entry>,
        installed: Option<CodeShape>,
    ) -> Result<Live, TargetProblem> {
        let Some(installed) = installed else { return Err(self.shape_unknown()) };
        let generation = self.metadata().generation;
        let Some(code) = self.code() else {
            self.check_addition(entry, installed)?;
            return Ok(Live { generation, ..Live::default() });
        };
        self.check_shape(code, installed)?;
        let place = code.position(entry).map_err(|error| self.no_entry(&error))?;
        let entry = place.and_then(|place| code.entries().get(place));
        Ok(Live { generation, ..entry.map_or_else(Live::default, live) })
    }

    /// What the meant entry says to a CodeSync in `namespace`. What is wrong with code that a Server takes from a Config is
    /// told only to who is let in by that, too.
    ///
    /// # Errors
    /// See [`live`](Self::live).
    pub(crate) fn live_for(
        self,
        snapshot: &Snapshot,
        namespace: &str,
        entry: Option<&Entry>,
    ) -> Result<Live, TargetProblem> {
        self.live(entry, snapshot.shapes().of(self.kind())).map_err(|problem| {
            let is_told = match self {
                Self::Server(server, Some(config)) if self.code().is_none() => {
                    let place = server.metadata.namespace.as_deref().unwrap_or_default();
                    snapshot.shut_for(namespace, place, Some(&config.metadata)).is_none()
                }
                _ => true,
            };
            if is_told || problem.reason != "AmbiguousEntry" {
                return problem;
            }
            let message = format!(
                "{} has no code of its own, and no entry to start from: name one in the target, as \
                 `entry: {{environment: …}}`",
                self.name()
            );
            TargetProblem { message, ..problem }
        })
    }

    /// Whether code can be added where there is none: what the Config has is what it starts from.
    fn check_addition(self, entry: Option<&Entry>, installed: CodeShape) -> Result<(), TargetProblem> {
        if installed == CodeShape::Object && entry.is_some() {
            return Err(self.no_entry(&EntryError::NoEntries));
        }
        let Some(inherited) = self.inherited_code() else { return Ok(()) };
        self.check_shape(inherited, installed)?;
        match inherited.position(entry) {
            Err(error @ EntryError::Ambiguous(_)) => Err(self.no_entry(&error)),
            _ => Ok(()),
        }
    }

    fn check_shape(self, code: &Code, installed: CodeShape) -> Result<(), TargetProblem> {
        if code.shape() == installed {
            return Ok(());
        }
        let (has, wants) = match installed {
            CodeShape::List => ("an object", "a list"),
            CodeShape::Object => ("a list", "an object"),
        };
        let message = format!(
            "{} still has spec.code as {has}, the installed openvox-operator wants {wants}: write it in that shape once \
             (for instance `kubectl edit`), voxsync goes on by itself",
            self.name()
        );
        Err(TargetProblem { reason: "ShapeMismatch", message, stalled: true })
    }

    fn no_entry(self, error: &EntryError) -> TargetProblem {
        let reason = match error {
            EntryError::Ambiguous(_) => "AmbiguousEntry",
            EntryError::NoEntries | EntryError::Missing(_) => "NoSuchEntry",
        };
        TargetProblem { reason, message: format!("{}: {error}", self.name()), stalled: true }
    }

    fn shape_unknown(self) -> TargetProblem {
        let message = format!(
            "the API does not say in which shape {}s name code: is openvox-operator's CustomResourceDefinition \
             installed, and /openapi/v3 readable?",
            self.kind().as_str()
        );
        TargetProblem { reason: "ShapeUnknown", message, stalled: false }
    }

    /// As it is in messages: `Config production`.
    fn name(self) -> String {
        let name = self.metadata().name.as_deref().unwrap_or_default();
        format!("{} {name}", self.kind().as_str())
    }
}

/// What an entry says; the operator's fields are never unset but empty.
fn live(entry: &CodeEntry) -> Live {
    let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let image = set(&entry.image);
    let claim = if image.is_none() { set(&entry.claim_name) } else { None };
    Live { image, claim, generation: None }
}

/// Why a target of another namespace is not to be had. Whether it is there is not told: that is not for everybody.
fn shut_problem(shut: Shut, namespace: &str, key: &TargetKey) -> TargetProblem {
    let (kind, place, name) = (key.kind.as_str(), key.namespace_in(namespace), &key.name);
    match shut {
        Shut::Refused => TargetProblem {
            reason: TargetProblem::OTHER_NAMESPACE,
            message: format!("{key}: {}", goes_nowhere_else(place)),
            stalled: true,
        },
        Shut::NoConsent => TargetProblem {
            reason: TargetProblem::NO_CONSENT,
            message: format!(
                "{kind} {place}/{name} does not let in CodeSyncs of namespace {namespace}, or does not exist: who may \
                 change it lets them in with `kubectl annotate {} {name} -n {place} {ACCEPTS_FROM}={namespace}`",
                kind.to_lowercase()
            ),
            stalled: false,
        },
    }
}

fn missing(snapshot: &Snapshot, namespace: &str, key: &TargetKey) -> TargetProblem {
    let kind = match key.kind {
        TargetKind::Config => Kind::Config,
        TargetKind::Server => Kind::Server,
    };
    let name = format!("{kind} {namespace}/{}", key.name);
    let message = match snapshot.why_unreadable(kind, namespace, &key.name) {
        Some(reason) => format!("{name} cannot be read: {reason}"),
        None => format!("{name} does not exist: create it, or correct the target"),
    };
    TargetProblem { reason: TargetProblem::MISSING, message, stalled: false }
}
