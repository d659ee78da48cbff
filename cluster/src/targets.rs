//! Which targets a CodeSync means, which of them it may have, and which Servers take their code from them.
//!
//! What is in another namespace than the CodeSync is shut for it, unless this process may go there and the object itself
//! consents. Nothing of it is told then, not even whether it is there.

use std::{borrow::Cow, collections::BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use voxsync_crds::{
    CodeSync, Server,
    annotations::{accepted_namespaces, accepts_from, applied_records},
    code_sync::{CodeSyncSpec, Entry, Target, TargetKey, TargetKind, known_as, place_and_name},
};

use crate::Snapshot;

/// Whether CodeSyncs may have targets, or follow CodeSyncs, of other namespaces than their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CrossNamespace {
    /// They may not.
    #[default]
    Refused,
    /// They may, where the other object consents.
    Allowed,
}

/// Why a CodeSync may not have something of another namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shut {
    /// This process goes to no other namespace.
    Refused,
    /// The object does not consent, or is not there: which of the two is not told.
    NoConsent,
}

impl Snapshot {
    /// The targets of each stage of a CodeSync, in order: also those that are selected and shut by now, but carry what it
    /// wrote. They are not to be had, and not to be forgotten.
    pub fn targets_of(&self, code_sync: &CodeSync) -> Vec<Vec<TargetKey>> {
        let namespace = code_sync.metadata.namespace.as_deref().unwrap_or_default();
        self.by_stage(namespace, &code_sync.spec, code_sync.metadata.uid.as_deref())
    }

    /// The targets of each stage, in order. A target that several stages mean belongs to the first of them.
    pub fn stage_targets(&self, namespace: &str, spec: &CodeSyncSpec) -> Vec<Vec<TargetKey>> {
        self.by_stage(namespace, spec, None)
    }

    fn by_stage(&self, namespace: &str, spec: &CodeSyncSpec, uid: Option<&str>) -> Vec<Vec<TargetKey>> {
        let mut taken = BTreeSet::new();
        let stages = spec.ordered_stages();
        let stages = stages.iter().map(|stage| {
            let keys = stage.targets.iter().flat_map(|target| self.targets(namespace, target, uid));
            keys.filter(|key| taken.insert(key.clone())).collect()
        });
        stages.collect()
    }

    /// The Servers that take their code from a target of a CodeSync in `namespace`: of a Config, those without code of
    /// their own. None where it is shut.
    pub fn servers_of_target(&self, namespace: &str, target: &TargetKey) -> Vec<&Server> {
        if self.shut(namespace, target).is_some() {
            return Vec::new();
        }
        let place = target.namespace_in(namespace);
        match target.kind {
            TargetKind::Server => self.server(place, &target.name).into_iter().collect(),
            TargetKind::Config => {
                let all = self.servers_of_config(place, &target.name);
                all.filter(|server| !has_own_code(server)).collect()
            }
        }
    }

    /// Why a CodeSync in `namespace` may not have a target, where it may not.
    pub fn shut(&self, namespace: &str, target: &TargetKey) -> Option<Shut> {
        let place = target.namespace_in(namespace);
        self.shut_for(namespace, place, self.metadata_of(target.kind, place, &target.name))
    }

    /// Why what is in `namespace` may not have an object of `place`, where it may not.
    pub fn shut_for(&self, namespace: &str, place: &str, object: Option<&ObjectMeta>) -> Option<Shut> {
        let annotations = object.and_then(|metadata| metadata.annotations.as_ref());
        match self.cross_namespace() {
            _ if place == namespace => None,
            CrossNamespace::Refused => Some(Shut::Refused),
            CrossNamespace::Allowed => (!accepts_from(annotations, namespace)).then_some(Shut::NoConsent),
        }
    }

    /// The metadata of a Config or Server.
    pub fn metadata_of(&self, kind: TargetKind, namespace: &str, name: &str) -> Option<&ObjectMeta> {
        match kind {
            TargetKind::Config => self.config(namespace, name).map(|config| &config.metadata),
            TargetKind::Server => self.server(namespace, name).map(|server| &server.metadata),
        }
    }

    /// The namespaces whose CodeSyncs may have an object: its own, and those that it lets in.
    pub fn namespaces_let_in<'a>(
        &'a self,
        namespace: &'a str,
        object: Option<&'a ObjectMeta>,
    ) -> impl Iterator<Item = &'a str> {
        let goes_there = self.cross_namespace() == CrossNamespace::Allowed;
        let annotations = object.and_then(|metadata| metadata.annotations.as_ref());
        let others = accepted_namespaces(annotations).filter(move |other| goes_there && *other != namespace);
        std::iter::once(namespace).chain(others)
    }

    /// Whether a CodeSync means a target that is in `place`, and may have it.
    pub fn names(&self, code_sync: &CodeSync, place: &str, target: &TargetKey) -> bool {
        let own = code_sync.metadata.namespace.as_deref().unwrap_or_default();
        let object = self.metadata_of(target.kind, place, &target.name);
        let labels = object.and_then(|metadata| metadata.labels.as_ref());
        let stages = code_sync.spec.ordered_stages();
        let is_it = |named: &Target| {
            named.kind == target.kind
                && named.entry == target.entry
                && named.namespace.as_deref().unwrap_or(own) == place
                && (named.name.as_ref() == Some(&target.name)
                    || named.selector.as_ref().is_some_and(|selector| selector.selects(labels)))
        };
        stages.iter().flat_map(|stage| &stage.targets).any(is_it)
            && self.shut_for(own, place, object).is_none()
    }

    fn targets(&self, namespace: &str, target: &Target, uid: Option<&str>) -> Vec<TargetKey> {
        let other = target.other_namespace(namespace);
        let key = |name: String| TargetKey {
            kind: target.kind,
            namespace: other.map(str::to_owned),
            name,
            entry: target.entry.clone(),
        };
        if let Some(name) = &target.name {
            return vec![key(name.clone())];
        }
        let Some(selector) = &target.selector else { return Vec::new() };
        let place = other.unwrap_or(namespace);
        let selected = |metadata: &ObjectMeta| {
            let is_meant = selector.selects(metadata.labels.as_ref())
                && (self.shut_for(namespace, place, Some(metadata)).is_none()
                    || uid.is_some_and(|uid| carries(metadata, target.entry.as_ref(), uid)));
            metadata.name.clone().filter(|_| is_meant).map(key)
        };
        match target.kind {
            TargetKind::Config => self.configs_in(place).filter_map(|one| selected(&one.metadata)).collect(),
            TargetKind::Server => self.servers_in(place).filter_map(|one| selected(&one.metadata)).collect(),
        }
    }

    /// The Server that a CodeSync in `namespace` knows by this name.
    pub(crate) fn server_known_as(&self, namespace: &str, known: &str) -> Option<&Server> {
        let (place, name) = place_and_name(known);
        self.server(place.unwrap_or(namespace), name)
    }
}

/// How a CodeSync in `namespace` knows a Server.
pub(crate) fn known_server<'a>(namespace: &str, server: &'a Server) -> Option<Cow<'a, str>> {
    let place = server.metadata.namespace.as_deref()?;
    Some(known_as(namespace, place, server.metadata.name.as_deref()?))
}

/// Whether a CodeSync in `namespace` takes a Server's code from a target.
pub(crate) fn takes_from(namespace: &str, server: &Server, target: &TargetKey) -> bool {
    server.metadata.namespace.as_deref() == Some(target.namespace_in(namespace))
        && match target.kind {
            TargetKind::Server => server.metadata.name.as_ref() == Some(&target.name),
            TargetKind::Config => {
                server.spec.config_ref.as_ref() == Some(&target.name) && !has_own_code(server)
            }
        }
}

/// Whether an object carries a record of what the CodeSync of this uid wrote there.
fn carries(metadata: &ObjectMeta, entry: Option<&Entry>, uid: &str) -> bool {
    let entry = entry.map(ToString::to_string).unwrap_or_default();
    let records = applied_records(metadata.annotations.as_ref());
    records.get(&entry).is_some_and(|record| record.code_sync == uid)
}

/// An empty list is no code.
fn has_own_code(server: &Server) -> bool {
    server.spec.code.as_ref().is_some_and(|code| !code.entries().is_empty())
}

#[cfg(test)]
#[path = "targets_tests.rs"]
mod tests;
