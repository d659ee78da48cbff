//! Which code a Server must run.
//!
//! Code is resolved as a whole, as openvox-operator does it: the Server's own if it has one, else its Config's;
//! fields are never merged. Volume names and mount paths are the operator's too, so that its own idea of the pod
//! template and ours are equal.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use voxsync_crds::{
    Code, CodeEntry, CodeReference, Config, Server,
    openvox::{CodeShape, EntryKey},
    reference::ReferenceError,
};

/// The pull policy where the code names none.
pub const DEFAULT_PULL_POLICY: &str = "IfNotPresent";
/// The volume that holds the whole of the environments.
pub const CODE_VOLUME: &str = "code";

/// The code that a Server must run; without mounts it must run none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerCode {
    /// Which object it comes from; none where there is no code.
    pub origin: Option<Origin>,
    /// One for each entry of `spec.code`, in its order.
    pub mounts: Vec<CodeMount>,
    /// Secrets for the image of the server itself, as Config and Server name them: never part of the code.
    pub server_image_secrets: BTreeSet<String>,
}

/// Which object the code comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The Server's own `spec.code` (an override).
    Server,
    /// The Config's `spec.code`.
    Config,
}

/// One entry of `spec.code`, as the pod template must have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeMount {
    /// The volume's name: `code`, or `code-<place>` for an entry with an environment or mount path.
    pub volume: String,
    /// Where it is mounted in the server container.
    pub path: String,
    /// Where the code comes from.
    pub source: CodeSource,
    /// The Secret that the image is pulled with.
    pub pull_secret: Option<String>,
    /// What names the entry in a list.
    pub entry: Option<EntryKey>,
}

/// Where the code of one mount comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeSource {
    /// A code image.
    Image {
        /// The code reference as it is written; see [`ServerCode::check_references`].
        reference: String,
        /// `Always`, `IfNotPresent` or `Never`.
        pull_policy: String,
    },
    /// A `PersistentVolumeClaim`: nobody knows what is in it.
    Claim {
        /// The claim's name.
        name: String,
    },
}

/// Why it cannot be told which code a Server must run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveProblem {
    /// The Server names no Config, or one that is not there.
    #[error("the Server's Config {name:?} does not exist: create it, or correct spec.configRef")]
    ConfigMissing {
        /// What `spec.configRef` says.
        name: String,
    },
    /// An entry that names neither an image nor a claim.
    #[error("entry {place} of spec.code names neither an image nor a claim: set image or claimName")]
    EmptyEntry {
        /// Its place in the list, from 0.
        place: usize,
    },
    /// Several entries, and one of them without a place of its own.
    #[error(
        "entry {place} of spec.code has neither environment nor mountPath: with several entries each needs one"
    )]
    UnplacedEntry {
        /// Its place in the list, from 0.
        place: usize,
    },
}

impl ResolveProblem {
    /// A word for programs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ConfigMissing { .. } => "ConfigMissing",
            Self::EmptyEntry { .. } | Self::UnplacedEntry { .. } => "InvalidCode",
        }
    }
}

impl ServerCode {
    /// The code references, in the order of the mounts; claims have none.
    pub fn references(&self) -> impl Iterator<Item = &str> {
        self.mounts.iter().filter_map(|mount| mount.source.reference())
    }

    /// The value of the template's annotation: the references, joined with commas; none without an image.
    pub fn annotation(&self) -> Option<String> {
        let references: Vec<&str> = self.references().collect();
        (!references.is_empty()).then(|| references.join(","))
    }

    /// The Secrets that the images are pulled with, each once, in the order of the mounts.
    pub fn pull_secrets(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        self.mounts
            .iter()
            .filter_map(|mount| mount.pull_secret.as_deref())
            .filter(|secret| seen.insert(*secret))
            .collect()
    }

    /// Checks that every reference is one: neither the operator nor the API server does.
    ///
    /// # Errors
    /// The first reference that does not parse.
    pub fn check_references(&self) -> Result<(), ReferenceError> {
        self.references().try_for_each(|reference| CodeReference::parse(reference).map(drop))
    }
}

impl CodeSource {
    /// The code reference of an image.
    pub fn reference(&self) -> Option<&str> {
        match self {
            Self::Image { reference, .. } => Some(reference),
            Self::Claim { .. } => None,
        }
    }
}

/// Which code a Server must run, from the Server and its Config (`None` where there is none of that name).
///
/// # Errors
/// See [`ResolveProblem`]. A Server that compiles no catalogs (`server: false`) has no code, whatever its Config.
pub fn resolve(server: &Server, config: Option<&Config>) -> Result<ServerCode, ResolveProblem> {
    if !server.spec.serves_code() {
        return Ok(ServerCode::default());
    }
    let Some(config) = config else {
        return Err(ResolveProblem::ConfigMissing {
            name: server.spec.config_ref.clone().unwrap_or_default(),
        });
    };
    let mut code = ServerCode {
        server_image_secrets: image_secrets(&config.spec.other)
            .chain(image_secrets(&server.spec.other))
            .collect(),
        ..ServerCode::default()
    };
    let own = [(Origin::Server, &server.spec.code), (Origin::Config, &config.spec.code)];
    // An empty list is no code: it overrides nothing.
    let found = own.into_iter().find_map(|(origin, code)| {
        code.as_ref().filter(|code| !code.entries().is_empty()).map(|code| (origin, code))
    });
    if let Some((origin, found)) = found {
        code.origin = Some(origin);
        code.mounts = mounts(found, config.spec.environment_path())?;
    }
    Ok(code)
}

fn mounts(code: &Code, environment_path: &str) -> Result<Vec<CodeMount>, ResolveProblem> {
    let entries = code.entries();
    let mount = |(place, entry): (usize, &CodeEntry)| {
        let key = match code.shape() {
            CodeShape::Object => None,
            CodeShape::List => entry_key(entry),
        };
        if key.is_none() && entries.len() > 1 {
            return Err(ResolveProblem::UnplacedEntry { place });
        }
        Ok(CodeMount {
            volume: if key.is_some() { format!("{CODE_VOLUME}-{place}") } else { CODE_VOLUME.to_owned() },
            path: match &key {
                None => environment_path.to_owned(),
                Some(EntryKey::Environment(environment)) => format!("{environment_path}/{environment}"),
                Some(EntryKey::MountPath(path)) => path.clone(),
            },
            source: source(entry).ok_or(ResolveProblem::EmptyEntry { place })?,
            pull_secret: set(entry.image_pull_secret.as_ref()).cloned(),
            entry: key,
        })
    };
    entries.iter().enumerate().map(mount).collect()
}

fn entry_key(entry: &CodeEntry) -> Option<EntryKey> {
    let environment = set(entry.environment.as_ref()).cloned().map(EntryKey::Environment);
    environment.or_else(|| set(entry.mount_path.as_ref()).cloned().map(EntryKey::MountPath))
}

fn source(entry: &CodeEntry) -> Option<CodeSource> {
    if let Some(reference) = set(entry.image.as_ref()) {
        let pull_policy = set(entry.image_pull_policy.as_ref()).map_or(DEFAULT_PULL_POLICY, String::as_str);
        return Some(CodeSource::Image { reference: reference.clone(), pull_policy: pull_policy.to_owned() });
    }
    set(entry.claim_name.as_ref()).map(|name| CodeSource::Claim { name: name.clone() })
}

/// The operator's fields are never unset but empty.
fn set(text: Option<&String>) -> Option<&String> {
    text.filter(|text| !text.is_empty())
}

fn image_secrets(spec: &Map<String, Value>) -> impl Iterator<Item = String> {
    let secrets = spec.get("image").and_then(|image| image.get("pullSecrets")).and_then(Value::as_array);
    secrets.into_iter().flatten().filter_map(|secret| secret.get("name")?.as_str().map(str::to_owned))
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
