//! What gets the code: Servers and Configs, and how those of other namespaces are named.

use std::{borrow::Cow, fmt};

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LabelSelector, source::Entry};

/// What gets the code: Servers or Configs, in the CodeSync's own namespace where it names no other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.name) != has(self.selector)").message("give exactly one of name and selector"))]
pub struct Target {
    /// Config or Server.
    pub kind: TargetKind,
    /// The namespace that it is in (default: the CodeSync's own). Another one only where voxsync runs with
    /// `--allow-cross-namespace`, and the object itself consents: its annotation `voxsync.dev/accepts-from` names the
    /// CodeSync's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
    /// The one object of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub name: Option<String>,
    /// All objects with these labels; of another namespace those that consent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// Which entry of `spec.code`, where that is a list of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<Entry>,
}

/// The kinds that name code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum TargetKind {
    /// The code of all Servers of a Config that have none of their own.
    Config,
    /// A Server's own code.
    Server,
}

/// Names one target of a CodeSync: a Config or Server, and for lists the entry.
///
/// As text it is `Config/production`, and `Config/prod/production` in another namespace than the CodeSync's.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TargetKey {
    /// Config or Server.
    pub kind: TargetKind,
    /// Its namespace, where that is not the CodeSync's own.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The entry of a list.
    pub entry: Option<Entry>,
}

impl Target {
    /// The namespace, where it is another one than that of the CodeSync.
    pub fn other_namespace(&self, own: &str) -> Option<&str> {
        self.namespace.as_deref().filter(|namespace| *namespace != own)
    }
}

impl TargetKey {
    /// Where the target is, for a CodeSync of the namespace `own`.
    pub fn namespace_in<'a>(&'a self, own: &'a str) -> &'a str {
        self.namespace.as_deref().unwrap_or(own)
    }
}

impl fmt::Display for TargetKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/", self.kind.as_str())?;
        if let Some(namespace) = &self.namespace {
            write!(formatter, "{namespace}/")?;
        }
        formatter.write_str(&self.name)?;
        match &self.entry {
            Some(entry) => write!(formatter, "[{entry}]"),
            None => Ok(()),
        }
    }
}

impl TargetKind {
    /// The kind's name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "Config",
            Self::Server => "Server",
        }
    }
}

/// How an object is called by what belongs to the namespace `own`: by its name, or `namespace/name` elsewhere. No two
/// objects of one kind are called the same.
pub fn known_as<'a>(own: &str, namespace: &str, name: &'a str) -> Cow<'a, str> {
    if namespace == own { Cow::Borrowed(name) } else { Cow::Owned(format!("{namespace}/{name}")) }
}

/// The namespace, where it is another one, and the name of what is [`known_as`] this.
pub fn place_and_name(known: &str) -> (Option<&str>, &str) {
    match known.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, known),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_named_only_where_it_is_another_one() {
        let key = |namespace: Option<&str>| TargetKey {
            kind: TargetKind::Config,
            namespace: namespace.map(str::to_owned),
            name: "production".to_owned(),
            entry: None,
        };
        assert_eq!(key(None).to_string(), "Config/production");
        assert_eq!(key(Some("prod")).to_string(), "Config/prod/production");
        assert_eq!((key(None).namespace_in("dev"), key(Some("prod")).namespace_in("dev")), ("dev", "prod"));
        for (namespace, known, place) in [("dev", "main", None), ("prod", "prod/main", Some("prod"))] {
            assert_eq!(known_as("dev", namespace, "main"), known);
            assert_eq!(place_and_name(known), (place, "main"));
        }
    }
}
