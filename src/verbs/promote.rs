//! `voxsync promote`: pins a reference, in an emergency without waiting for anything that can be skipped.

use std::process::ExitCode;

use anyhow::bail;
use serde_json::json;
use voxsync_crds::{
    CodeReference, CodeSync,
    code_sync::{Pin, Quarantined},
    reference::{is_digest, is_tag},
};

use super::{Subject, followed};
use crate::{
    arguments::{Connection, PromoteOptions},
    wait::Goal,
};

/// What an emergency does not wait for, and what holds all the same.
const EMERGENCY: &str = "it waits for no window, soak time, age, check or approval; signatures, the order of the stages, and that \
                         certificate authorities come last, hold all the same";

/// `voxsync promote NAME REFERENCE`
pub async fn promote(connection: &Connection, options: PromoteOptions) -> anyhow::Result<ExitCode> {
    let subject = Subject::find(connection, &options.name).await?;
    let code_sync = &subject.code_sync;
    let reference = complete(code_sync, &options.reference)?;
    let text = reference.to_string();
    let (reason, dropped) = reason(code_sync.spec.pin.as_ref(), &text, options.reason.as_deref());
    let emergency = options.now.then_some(true);
    let named = subject.named();
    let pin = Pin { reference: text.clone(), reason: reason.map(str::to_owned), emergency: options.now };
    if is_passed_over(code_sync, &pin) {
        bail!(
            "codesync {} is pinned to that already, and the rollback after it goes before it: give another --reason, or end \
             the rollback with `voxsync resume {named}` first",
            options.name
        );
    }
    let pin = json!({"reference": text, "reason": reason, "emergency": emergency});
    subject.patch(&json!({"spec": {"pin": pin}})).await?;
    subject.say(&format!("is pinned to {text}; back to its source with `voxsync resume {named}`"));
    if options.now {
        subject.say(&format!("has an emergency: {EMERGENCY}"));
    }
    if let Some(dropped) = dropped {
        subject.say(&format!(
            "lost the reason of the pin before it: {dropped:?}; --reason gives this one its own"
        ));
    }
    if let Some(kept) = in_quarantine(code_sync, &reference) {
        subject.say(&format!(
            "does not take {} as long as it is in quarantine ({}): `voxsync release-quarantine {named} {}`",
            kept.name, kept.reason, kept.digest
        ));
    }
    if code_sync.spec.suspend {
        subject.say(&format!("is suspended: nothing is written before `voxsync resume {named}`"));
    }
    if !options.follow.wait {
        subject.say(&format!("has not checked it yet; follow it with `voxsync wait {named}`"));
    }
    followed(connection, &options.name, Goal::Pin(text), options.follow).await
}

/// Whether a person went back after this very pin was set: to set it once more would change nothing.
fn is_passed_over(code_sync: &CodeSync, pin: &Pin) -> bool {
    let goes_back = code_sync.status.as_ref().is_some_and(|status| status.rollback.is_some());
    goes_back && code_sync.spec.pin.as_ref() == Some(pin)
}

/// The entry of quarantine that a reference is about, by its digest, or else by its tag.
fn in_quarantine<'a>(code_sync: &'a CodeSync, reference: &CodeReference) -> Option<&'a Quarantined> {
    let quarantine = &code_sync.status.as_ref()?.quarantine;
    quarantine.iter().find(|kept| match reference.digest() {
        Some(digest) => kept.digest == digest,
        None => reference.tag() == Some(kept.name.as_str()),
    })
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
    use serde_json::{Value, json};

    use super::*;
    use crate::verbs::fixtures::{self, quarantined};

    fn code_sync(source: &Value) -> CodeSync {
        fixtures::code_sync(&json!({"source": source}), &Value::Null)
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
    fn a_pin_from_before_a_rollback_is_not_set_once_more() {
        let rollback = json!({"rollback": {
            "candidate": {"reference": "r.io/a:1", "repository": "r.io/a", "name": "1", "digest": fixtures::digest('a'),
                "firstSeen": "2026-01-01T00:00:00Z"},
            "fromName": "2", "at": "2026-01-01T00:00:00Z",
        }});
        let spec = json!({"pin": {"reference": "r.io/a:2", "reason": "fix"}});
        let pin = |reason: &str| -> Pin {
            serde_json::from_value(json!({"reference": "r.io/a:2", "reason": reason})).unwrap()
        };
        let gone_back = fixtures::code_sync(&spec, &rollback);
        assert!(is_passed_over(&gone_back, &pin("fix")));
        assert!(!is_passed_over(&gone_back, &pin("fix, again")), "a person chose anew");
        assert!(!is_passed_over(&fixtures::code_sync(&spec, &Value::Null), &pin("fix")));
    }

    #[test]
    fn completes_a_tag_or_digest_with_the_repository_in_use() {
        let registry = code_sync(&json!({"registry": {"repository": "ghcr.io/a/b", "tag": {"follow": "x"}}}));
        let file = code_sync(&json!({"file": {"path": "x"}}));
        let digest = fixtures::digest('a');
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

    #[test]
    fn knows_what_is_in_quarantine_by_its_digest_or_else_its_tag() {
        let status = json!({"quarantine": [quarantined("v2", 'b')]});
        let code_sync = fixtures::code_sync(&Value::Null, &status);
        let is_in = |text: &str| in_quarantine(&code_sync, &complete(&code_sync, text).unwrap()).is_some();
        assert!(is_in("v2") && is_in(&fixtures::digest('b')));
        assert!(is_in(&format!("v9@{}", fixtures::digest('b'))));
        assert!(!is_in("v1") && !is_in(&format!("v2@{}", fixtures::digest('a'))), "the tag has moved");
    }
}
