//! `reconcile`, `promote`, `resume` and `suspend`: each is one patch that `kubectl` could send as well.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use voxsync_crds::{
    CodeReference, CodeSync,
    annotations::{REQUESTED_AT, RESUME},
    reference::{is_digest, is_tag},
};

use crate::{
    arguments::{Connection, NamedOptions, PromoteOptions, SuspendOptions},
    connect::connect,
    output,
};

/// Names the command line as the writer, apart from the agent's `voxsync`.
const FIELD_MANAGER: &str = "voxsync-cli";

/// `voxsync reconcile NAME`
pub async fn reconcile(connection: &Connection, options: NamedOptions) -> anyhow::Result<ExitCode> {
    let (api, _) = find(connection, &options.name).await?;
    patch(&api, &options.name, &json!({"metadata": {"annotations": {REQUESTED_AT: token()}}})).await?;
    output::line(&format!("codesync {} looks at its source now", options.name));
    Ok(ExitCode::SUCCESS)
}

/// `voxsync promote NAME REFERENCE`
pub async fn promote(connection: &Connection, options: PromoteOptions) -> anyhow::Result<ExitCode> {
    let (api, code_sync) = find(connection, &options.name).await?;
    let reference = complete(&code_sync, &options.reference)?;
    let mut pin = json!({"reference": reference.to_string(), "reason": null});
    if let Some(reason) = &options.reason {
        pin["reason"] = json!(reason);
    }
    patch(&api, &options.name, &json!({"spec": {"pin": pin}})).await?;
    output::line(&format!(
        "codesync {} is pinned to {reference}; back to its source with `voxsync resume {}`",
        options.name, options.name
    ));
    Ok(ExitCode::SUCCESS)
}

/// `voxsync resume NAME`
pub async fn resume(connection: &Connection, options: NamedOptions) -> anyhow::Result<ExitCode> {
    let (api, code_sync) = find(connection, &options.name).await?;
    let mut undone = Vec::new();
    if code_sync.spec.suspend {
        undone.push("no longer suspended");
    }
    if code_sync.spec.pin.is_some() {
        undone.push("no longer pinned");
    }
    if code_sync.status.as_ref().is_some_and(|status| !status.holds.is_empty()) {
        undone.push("what was held may be written again");
    }
    let change = json!({
        "metadata": {"annotations": {RESUME: token()}},
        "spec": {"suspend": null, "suspendReason": null, "pin": null},
    });
    patch(&api, &options.name, &change).await?;
    let undone = if undone.is_empty() { "goes on".to_owned() } else { undone.join(", ") };
    output::line(&format!("codesync {}: {undone}", options.name));
    Ok(ExitCode::SUCCESS)
}

/// `voxsync suspend NAME`
pub async fn suspend(connection: &Connection, options: SuspendOptions) -> anyhow::Result<ExitCode> {
    let (api, _) = find(connection, &options.name).await?;
    let change = json!({"spec": {"suspend": true, "suspendReason": options.reason}});
    patch(&api, &options.name, &change).await?;
    output::line(&format!(
        "codesync {} is suspended: it looks and reports, and writes nothing until `voxsync resume {}`",
        options.name, options.name
    ));
    Ok(ExitCode::SUCCESS)
}

async fn find(connection: &Connection, name: &str) -> anyhow::Result<(Api<CodeSync>, CodeSync)> {
    let (client, namespace) = connect(connection).await?;
    let api: Api<CodeSync> = Api::namespaced(client, &namespace);
    let found = api.get_opt(name).await.with_context(|| format!("codesync {namespace}/{name}"))?;
    let Some(code_sync) = found else {
        bail!("there is no codesync {name:?} in namespace {namespace:?}: see `voxsync status -A`");
    };
    Ok((api, code_sync))
}

async fn patch(api: &Api<CodeSync>, name: &str, change: &Value) -> anyhow::Result<()> {
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    api.patch(name, &parameters, &Patch::Merge(change))
        .await
        .with_context(|| format!("codesync {name} could not be changed"))?;
    Ok(())
}

/// A value that the annotation has not had before.
fn token() -> String {
    Timestamp::now().to_string()
}

/// A whole reference, or a tag or digest of the repository that the CodeSync uses.
fn complete(code_sync: &CodeSync, text: &str) -> anyhow::Result<CodeReference> {
    let part = text.trim_start_matches('@');
    if !is_digest(part) && !is_tag(text) {
        return Ok(CodeReference::parse(text)?);
    }
    let followed = code_sync.spec.source.registry.as_ref().map(|registry| registry.repository.as_str());
    let seen = code_sync.status.as_ref().and_then(|status| status.candidate.as_ref());
    let Some(repository) = followed.or(seen.map(|candidate| candidate.repository.as_str())) else {
        bail!(
            "which repository is {text:?} of? Give a whole reference, for example ghcr.io/example/puppet-code:{text}"
        );
    };
    let (tag, digest) = if is_digest(part) { (None, Some(part)) } else { (Some(text), None) };
    Ok(CodeReference::new(repository, tag, digest)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_sync(source: Value) -> CodeSync {
        serde_json::from_value(json!({
            "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync", "metadata": {"name": "a"},
            "spec": {"source": source, "target": {"kind": "Config", "name": "production"}},
        }))
        .unwrap()
    }

    #[test]
    fn completes_a_tag_or_digest_with_the_repository_in_use() {
        let registry = code_sync(json!({"registry": {"repository": "ghcr.io/a/b", "tag": {"follow": "x"}}}));
        let file = code_sync(json!({"file": {"path": "x"}}));
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(complete(&registry, "v1.2.3").unwrap().to_string(), "ghcr.io/a/b:v1.2.3");
        assert_eq!(complete(&registry, &digest).unwrap().to_string(), format!("ghcr.io/a/b@{digest}"));
        assert_eq!(complete(&registry, "ghcr.io/c/d:1").unwrap().to_string(), "ghcr.io/c/d:1");
        assert!(complete(&file, "v1.2.3").unwrap_err().to_string().contains("which repository"));
        assert!(complete(&registry, "not a ref !!").is_err());
    }
}
