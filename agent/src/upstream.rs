//! What another CodeSync has released, where that is the source. Pure.
//!
//! Only what has a digest can be taken over: a tag alone may be something else by now.

use voxsync_cluster::Snapshot;
use voxsync_crds::{
    CodeReference, CodeSync,
    code_sync::{CodeSyncSource, CodeSyncStatus, DeployedStatus},
    reference::short_digest,
};
use voxsync_promotion::SourceProblem;

/// The longest chain of CodeSyncs that follow each other.
const CHAIN_LIMIT: usize = 16;

/// What the source of a CodeSync says that follows another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Upstream {
    /// The other one has released something.
    Released(Released),
    /// There is nothing that could be taken.
    Nothing(SourceProblem),
    /// It would follow itself in the end: a sentence that names the field.
    Circle(String),
}

impl Upstream {
    /// Why there is nothing that could be taken.
    pub(crate) fn problem(self) -> Option<SourceProblem> {
        match self {
            Self::Nothing(problem) => Some(problem),
            Self::Released(_) | Self::Circle(_) => None,
        }
    }
}

/// Something that another CodeSync has released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Released {
    /// With its digest.
    pub(crate) reference: CodeReference,
    /// How people know it.
    pub(crate) name: String,
}

/// What a CodeSync finds at the one that it follows; `None` where it follows none.
pub(crate) fn upstream(snapshot: &Snapshot, code_sync: &CodeSync) -> Option<Upstream> {
    let source = code_sync.spec.source.code_sync.as_ref()?;
    let namespace = code_sync.metadata.namespace.as_deref().unwrap_or_default();
    if let Some(circle) = circle(snapshot, namespace, code_sync) {
        return Some(Upstream::Circle(circle));
    }
    Some(match released(snapshot, namespace, source) {
        Ok(released) => Upstream::Released(released),
        Err(problem) => Upstream::Nothing(problem),
    })
}

fn released(
    snapshot: &Snapshot,
    namespace: &str,
    source: &CodeSyncSource,
) -> Result<Released, SourceProblem> {
    let CodeSyncSource { name, stage } = source;
    let Some(code_sync) = snapshot.code_sync(namespace, name) else {
        let message = format!(
            "there is no CodeSync {namespace}/{name}: make it, or name another one in source.codeSync.name"
        );
        return Err(problem("NoSuchCodeSync", message));
    };
    let has_stage = |stage: &str| code_sync.spec.ordered_stages().iter().any(|one| one.name == stage);
    if let Some(stage) = stage.as_ref().filter(|stage| !has_stage(stage)) {
        let message = format!(
            "CodeSync {namespace}/{name} has no stage {stage}: name one that it has in source.codeSync.stage"
        );
        return Err(problem("NoSuchStage", message));
    }
    let of_stage = stage.as_ref().map_or_else(String::new, |stage| format!(", stage {stage},"));
    let status = code_sync.status.as_ref();
    let runs = status.and_then(|status| match stage {
        Some(stage) => passed(status, stage),
        None => deployed(status),
    });
    let Some((reference, name_of_it)) = runs else {
        let message = format!("CodeSync {namespace}/{name}{of_stage} has released nothing yet");
        return Err(problem(SourceProblem::NOTHING_RELEASED, message));
    };
    let parsed = CodeReference::parse(&reference).ok().filter(|reference| reference.digest().is_some());
    parsed.map(|reference| Released { reference, name: name_of_it }).ok_or_else(|| {
        let message = format!(
            "CodeSync {namespace}/{name}{of_stage} runs {reference}, which has no digest: a tag alone may be another image \
             by now. Let it write digests (write.form: TagAndDigest), or wait for its next release"
        );
        problem("NoDigest", message)
    })
}

fn problem(reason: &str, message: String) -> SourceProblem {
    SourceProblem { reason: reason.to_owned(), message, unreachable: false }
}

/// What all stages run, with the digest that is known of it.
fn deployed(status: &CodeSyncStatus) -> Option<(String, String)> {
    let DeployedStatus { name, reference, digest, .. } = status.deployed.as_ref()?;
    let whole = CodeReference::parse(reference).ok().and_then(|parsed| {
        CodeReference::new(parsed.repository(), parsed.tag(), parsed.digest().or(digest.as_deref())).ok()
    });
    Some((whole.map_or_else(|| reference.clone(), |whole| whole.to_string()), name.clone()))
}

/// What a stage passed with last, and its tag or ten digits of its digest.
fn passed(status: &CodeSyncStatus, stage: &str) -> Option<(String, String)> {
    let reference = status.stages.iter().find(|one| one.name == stage)?.reference.clone()?;
    let short = CodeReference::parse(&reference).map_or_else(
        |_| reference.clone(),
        |it| it.tag().unwrap_or_else(|| it.digest().map_or("", short_digest)).to_owned(),
    );
    Some((reference, short))
}

/// Why a CodeSync must not follow another one: it would follow itself in the end.
fn circle(snapshot: &Snapshot, namespace: &str, code_sync: &CodeSync) -> Option<String> {
    let own = code_sync.metadata.name.as_deref().unwrap_or_default();
    let mut way = vec![own];
    let mut next = code_sync.spec.source.code_sync.as_ref()?.name.as_str();
    while !way.contains(&next) {
        way.push(next);
        if way.len() > CHAIN_LIMIT {
            return Some(format!(
                "source.codeSync.name: more than {CHAIN_LIMIT} CodeSyncs follow each other"
            ));
        }
        next = snapshot.code_sync(namespace, next)?.spec.source.code_sync.as_ref()?.name.as_str();
    }
    way.push(next);
    Some(format!(
        "source.codeSync.name: they follow each other in a circle ({}): let one of them have another source",
        way.join(" → ")
    ))
}

#[cfg(test)]
#[path = "upstream_tests.rs"]
mod tests;
