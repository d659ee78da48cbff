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
    code_sync::{Outcome, Pin},
    reference::{is_digest, is_tag},
};

use crate::{
    arguments::{Connection, NamedOptions, PromoteOptions, SuspendOptions},
    connect::connect,
    kinds, output,
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
    let reference = reference.to_string();
    let (reason, dropped) = reason(code_sync.spec.pin.as_ref(), &reference, options.reason.as_deref());
    let pin = json!({"reference": reference, "reason": reason});
    patch(&api, &options.name, &json!({"spec": {"pin": pin}})).await?;
    let name = &options.name;
    output::line(&format!(
        "codesync {name} is pinned to {reference}; back to its source with `voxsync resume {name}`"
    ));
    if let Some(dropped) = dropped {
        let dropped = output::harmless(dropped);
        output::line(&format!(
            "codesync {name}: the reason of the pin before it is gone: {dropped:?}; --reason gives this one its own"
        ));
    }
    output::line(&format!("codesync {name}: it is not checked yet; follow it with `voxsync wait {name}`"));
    Ok(ExitCode::SUCCESS)
}

/// The reason of a new pin, and the one that is lost with the pin before it. The same pin once more keeps its reason; of
/// another reference it would be a lie.
fn reason<'a>(
    before: Option<&'a Pin>,
    reference: &str,
    given: Option<&'a str>,
) -> (Option<&'a str>, Option<&'a str>) {
    let old = before.and_then(|pin| pin.reason.as_deref());
    match given {
        Some(_) => (given, None),
        None if before.is_some_and(|pin| pin.reference == reference) => (old, None),
        None => (None, old),
    }
}

/// `voxsync resume NAME`: undoes what stops it, the innermost thing only, so that going on after a hold does not
/// throw away a pin that somebody set on purpose.
pub async fn resume(connection: &Connection, options: NamedOptions) -> anyhow::Result<ExitCode> {
    let (api, code_sync) = find(connection, &options.name).await?;
    let stop = innermost_stop(&code_sync);
    let change = match stop {
        Stop::Suspended => json!({"spec": {"suspend": null, "suspendReason": null}}),
        Stop::Pinned => json!({"spec": {"pin": null}}),
        Stop::Held | Stop::Failed | Stop::Nothing => json!({"metadata": {"annotations": {RESUME: token()}}}),
    };
    patch(&api, &options.name, &change).await?;
    let what = match stop {
        Stop::Suspended => "no longer suspended",
        Stop::Pinned => "no longer pinned: it follows its source again",
        Stop::Held => "what somebody else changed may be written over",
        Stop::Failed => "the candidate that failed is tried again",
        Stop::Nothing => "nothing held it up",
    };
    output::line(&format!("codesync {}: {what}", options.name));
    let rest = match stop {
        Stop::Held | Stop::Failed | Stop::Suspended if code_sync.spec.pin.is_some() => {
            "it is still pinned: `voxsync resume` once more removes the pin"
        }
        _ => return Ok(ExitCode::SUCCESS),
    };
    output::line(&format!("codesync {}: {rest}", options.name));
    Ok(ExitCode::SUCCESS)
}

/// What keeps a CodeSync from going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Suspended,
    Held,
    Failed,
    Pinned,
    Nothing,
}

fn innermost_stop(code_sync: &CodeSync) -> Stop {
    let status = code_sync.status.as_ref();
    let is_held = status.is_some_and(|status| status.holds.iter().any(|hold| !hold.resumed));
    let promotion = status.and_then(|status| status.promotion.as_ref());
    let has_failed = promotion
        .and_then(|promotion| promotion.outcome.or(promotion.ending))
        .is_some_and(Outcome::is_failure);
    match () {
        // Nothing else has an effect while it is suspended.
        () if code_sync.spec.suspend => Stop::Suspended,
        () if is_held => Stop::Held,
        () if has_failed => Stop::Failed,
        () if code_sync.spec.pin.is_some() => Stop::Pinned,
        () => Stop::Nothing,
    }
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
    let code_sync = kinds::code_sync(&api, &namespace, name).await?;
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

/// A whole reference; or a tag, a digest or both of the repository that the CodeSync uses.
fn complete(code_sync: &CodeSync, text: &str) -> anyhow::Result<CodeReference> {
    let (tag, digest) = match text.split_once('@') {
        Some((tag, digest)) => (tag, Some(digest)),
        None if is_digest(text) => ("", Some(text)),
        None => (text, None),
    };
    let is_short = (tag.is_empty() || is_tag(tag)) && digest.is_none_or(is_digest);
    if !is_short {
        // Without a host it would mean an image of docker.io, which nobody who leaves it out here means.
        if !text.contains('/') {
            bail!("{text:?} is neither a tag, nor a digest (sha256: and 64 digits), nor a whole reference");
        }
        return Ok(CodeReference::parse(text)?);
    }
    let followed = code_sync.spec.source.registry.as_ref().map(|registry| registry.repository.as_str());
    let seen = code_sync.status.as_ref().and_then(|status| status.candidate.as_ref());
    let Some(repository) = followed.or(seen.map(|candidate| candidate.repository.as_str())) else {
        bail!(
            "which repository is {text:?} of? Give a whole reference, for example ghcr.io/example/puppet-code:{text}"
        );
    };
    Ok(CodeReference::new(repository, Some(tag).filter(|tag| !tag.is_empty()), digest)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_sync(source: &Value) -> CodeSync {
        serde_json::from_value(json!({
            "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync", "metadata": {"name": "a"},
            "spec": {"source": source, "target": {"kind": "Config", "name": "production"}},
        }))
        .unwrap()
    }

    #[test]
    fn resumes_the_innermost_stop_only() {
        let pinned = |status: Value, suspend: bool| -> CodeSync {
            let mut value = serde_json::to_value(code_sync(&json!({"file": {"path": "x"}}))).unwrap();
            value["spec"]["pin"] = json!({"reference": "r.io/a:1"});
            value["spec"]["suspend"] = json!(suspend);
            value["status"] = status;
            serde_json::from_value(value).unwrap()
        };
        let held = json!({"holds": [{"target": "Config/production"}]});
        let resumed = json!({"holds": [{"target": "Config/production", "resumed": true}]});
        assert_eq!(innermost_stop(&pinned(held.clone(), true)), Stop::Suspended);
        assert_eq!(innermost_stop(&pinned(held, false)), Stop::Held);
        assert_eq!(innermost_stop(&pinned(resumed, false)), Stop::Pinned);
        assert_eq!(innermost_stop(&code_sync(&json!({"file": {"path": "x"}}))), Stop::Nothing);
    }

    #[test]
    fn another_pin_does_not_take_over_the_reason() {
        let before: Pin =
            serde_json::from_value(json!({"reference": "r.io/a:1", "reason": "freeze"})).unwrap();
        let of = |reference, given| reason(Some(&before), reference, given);
        assert_eq!(of("r.io/a:1", None), (Some("freeze"), None), "the same once more");
        assert_eq!(of("r.io/a:2", None), (None, Some("freeze")));
        assert_eq!(of("r.io/a:2", Some("new")), (Some("new"), None));
        assert_eq!(reason(None, "r.io/a:2", None), (None, None));
    }

    #[test]
    fn completes_a_tag_or_digest_with_the_repository_in_use() {
        let registry = code_sync(&json!({"registry": {"repository": "ghcr.io/a/b", "tag": {"follow": "x"}}}));
        let file = code_sync(&json!({"file": {"path": "x"}}));
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(complete(&registry, "v1.2.3").unwrap().to_string(), "ghcr.io/a/b:v1.2.3");
        assert_eq!(complete(&registry, &digest).unwrap().to_string(), format!("ghcr.io/a/b@{digest}"));
        let both = format!("v1.2.3@{digest}");
        assert_eq!(complete(&registry, &both).unwrap().to_string(), format!("ghcr.io/a/b:{both}"));
        assert_eq!(complete(&registry, "ghcr.io/c/d:1").unwrap().to_string(), "ghcr.io/c/d:1");
        assert!(complete(&file, "v1.2.3").unwrap_err().to_string().contains("which repository"));
        for odd in ["not a ref !!", "sha256:abc", "v1@sha256:abc", "busybox:1", "", "@"] {
            assert!(complete(&registry, odd).is_err(), "{odd:?}");
        }
    }
}
