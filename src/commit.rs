//! The commit of an image, with what it stands on. Pure.

use voxsync_crds::{
    code_sync::{CandidateStatus, CodeSyncSpec},
    commit::short_commit,
};

use crate::output::harmless;

/// The commit of a candidate, and whether the image only claims it, or whoever signed the image says so. Where CI was to
/// build the image of another commit, that is said, too.
pub fn shown(candidate: &CandidateStatus, spec: &CodeSyncSpec) -> Option<String> {
    let commit = candidate.commit.as_deref()?;
    let is_built = spec.source.git.as_ref().is_some_and(|git| git.image.is_some());
    let built_of = candidate.named_by.as_ref().filter(|_| is_built).map(|named_by| &named_by.commit);
    let is_asked_for = built_of.is_some_and(|built_of| built_of.starts_with(commit));
    let has_signed_image = spec.verify.as_ref().is_some_and(|verify| verify.cosign.is_some());
    // A signature is of what the image says, not of the tag that it was pushed as.
    let is_signed = has_signed_image && candidate.verified.is_some() && !is_asked_for;
    let evidence = if is_signed { "signed" } else { "claimed" };
    let other = built_of.filter(|_| !is_asked_for);
    let other = other.map(|built_of| format!(", in the image of commit {}", short(built_of)));
    Some(format!("commit {} ({evidence}){}", short(commit), other.unwrap_or_default()))
}

/// A commit in its first digits; a tag as it is.
pub fn short(text: &str) -> String {
    harmless(short_commit(text))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn said(source: &Value, verify: &Value, candidate: &Value) -> Option<String> {
        let spec = json!({"source": source, "verify": verify, "target": {"kind": "Config", "name": "a"}});
        let (spec, candidate) = (serde_json::from_value(spec), serde_json::from_value(candidate.clone()));
        shown(&candidate.unwrap(), &spec.unwrap())
    }

    #[test]
    fn a_commit_is_said_with_what_it_stands_on() {
        let [one, two] = ["1a2b3c4d", "5e6f7a8b"].map(|digits| digits.repeat(5));
        let git = |meaning: &str, value: Value| {
            let mut git = json!({"url": "https://git.example/a.git", "ref": {"branch": "main"}});
            git[meaning] = value;
            json!({"git": git})
        };
        let (built, named) =
            (git("image", json!("r.io/code:{commit}")), git("reference", json!({"path": "v"})));
        let keys = json!({"secretRef": {"name": "keys"}});
        let (cosign, of_git) = (json!({"cosign": {"keys": keys}}), json!({"git": {"keys": keys}}));
        let verified = json!({"by": ["a key"], "rules": "r", "keys": "k"});
        let image = |commit: &str| json!({"commit": commit, "namedBy": {"commit": two}});
        let signed = |commit: &str| {
            let mut image = image(commit);
            image["verified"] = verified.clone();
            image
        };
        for (source, verify, candidate, wanted) in [
            (&named, Value::Null, image(&one), "commit 1a2b3c4 (claimed)"),
            (&named, cosign.clone(), signed(&one), "commit 1a2b3c4 (signed)"),
            (&named, cosign.clone(), image(&one), "commit 1a2b3c4 (claimed)"),
            (&named, of_git, signed(&one), "commit 1a2b3c4 (claimed)"),
            (&built, Value::Null, image(&two), "commit 5e6f7a8 (claimed)"),
            (&built, cosign.clone(), signed(&two), "commit 5e6f7a8 (claimed)"),
            (&built, Value::Null, image(&one), "commit 1a2b3c4 (claimed), in the image of commit 5e6f7a8"),
            (&built, cosign, signed(&one), "commit 1a2b3c4 (signed), in the image of commit 5e6f7a8"),
            (&named, Value::Null, image("r1\u{1b}"), "commit r1  (claimed)"),
        ] {
            assert_eq!(said(source, &verify, &candidate).as_deref(), Some(wanted), "{candidate}");
        }
        assert_eq!(said(&named, &Value::Null, &json!({})), None);
    }
}
