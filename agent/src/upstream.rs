//! What another CodeSync has released, where that is the source. Pure.
//!
//! Only what has a digest can be taken over: a tag alone may be something else by now.

use voxsync_cluster::Snapshot;
use voxsync_crds::{
    CodeReference, CodeSync,
    annotations::ACCEPTS_FROM,
    code_sync::{CodeSyncSource, CodeSyncStatus, DeployedStatus, known_as},
    reference::{is_only_tag, is_same_code, short_digest},
};
use voxsync_promotion::{SourceProblem, TargetProblem};

use crate::{elsewhere::followed, key::CodeSyncKey};

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
    if let Some(circle) = circle(snapshot, code_sync) {
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
    let CodeSyncSource { name, namespace: place, stage } = source;
    let own = namespace;
    let namespace = place.as_deref().unwrap_or(own);
    let found = snapshot.code_sync(namespace, name);
    if snapshot.shut_for(own, namespace, found.map(|found| &found.metadata)).is_some() {
        // Whether it is there is not for everybody.
        let message = format!(
            "CodeSync {namespace}/{name} does not let in CodeSyncs of namespace {own}, or does not exist: who may change it \
             lets them in with `kubectl annotate codesync {name} -n {namespace} {ACCEPTS_FROM}={own}`"
        );
        return Err(problem(TargetProblem::NO_CONSENT, message));
    }
    let Some(code_sync) = found else {
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

/// What a stage passed with last, by a promotion or as what is deployed, and its tag or ten digits of its digest.
fn passed(status: &CodeSyncStatus, stage: &str) -> Option<(String, String)> {
    let found = status.stages.iter().find(|one| one.name == stage)?;
    let reference = found.reference.clone()?;
    if found.promotion.is_none() && !is_deployed(status, &reference) {
        // What its targets were given back is nobody's release.
        return None;
    }
    let short = CodeReference::parse(&reference).map_or_else(
        |_| reference.clone(),
        |it| it.tag().unwrap_or_else(|| it.digest().map_or("", short_digest)).to_owned(),
    );
    Some((reference, short))
}

/// Whether a reference is what is deployed, which may be known by its tag alone.
fn is_deployed(status: &CodeSyncStatus, reference: &str) -> bool {
    let parsed = CodeReference::parse(reference).ok();
    let is_its_tag = |deployed: &str| {
        parsed.as_ref().is_some_and(|parsed| is_only_tag(deployed, parsed.repository(), parsed.tag()))
    };
    let whole = deployed(status).map(|(whole, _)| whole);
    whole.is_some_and(|whole| is_same_code(&whole, reference) || is_its_tag(&whole))
}

/// Why a CodeSync must not follow another one: it would follow itself in the end. What is shut for the one before it is not
/// followed any further, and a circle of others is theirs to hear of.
fn circle(snapshot: &Snapshot, code_sync: &CodeSync) -> Option<String> {
    let first = CodeSyncKey::of(code_sync);
    let mut last = code_sync;
    let mut way = vec![first.clone()];
    loop {
        let own = last.metadata.namespace.as_deref().unwrap_or_default();
        let next = followed(own, &last.spec)?;
        let found =
            if next == first { code_sync } else { snapshot.code_sync(&next.namespace, &next.name)? };
        if snapshot.shut_for(own, &next.namespace, Some(&found.metadata)).is_some() {
            return None;
        }
        if next == first {
            break;
        }
        if way.contains(&next) {
            return None;
        }
        way.push(next);
        if way.len() > CHAIN_LIMIT {
            return Some(format!(
                "source.codeSync.name: more than {CHAIN_LIMIT} CodeSyncs follow each other"
            ));
        }
        last = found;
    }
    way.push(first);
    let own = code_sync.metadata.namespace.as_deref().unwrap_or_default();
    // What lets this one in, it knows; what others follow is not told.
    let name = |key: &CodeSyncKey| {
        let metadata = snapshot.code_sync(&key.namespace, &key.name).map(|found| &found.metadata);
        match snapshot.shut_for(own, &key.namespace, metadata) {
            None => known_as(own, &key.namespace, &key.name).into_owned(),
            Some(_) => "…".to_owned(),
        }
    };
    let names: Vec<_> = way.iter().map(name).collect();
    Some(format!(
        "source.codeSync.name: they follow each other in a circle ({}): let one of them have another source",
        names.join(" → ")
    ))
}

#[cfg(test)]
#[path = "upstream_tests.rs"]
mod tests;
