//! What is in quarantine, and which references name it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::CodeSyncStatus;
use crate::time::Time;

/// A digest that is not taken again until a person releases it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quarantined {
    /// The digest; or the reference, where no digest is known.
    pub digest: String,
    /// The short name that it had.
    pub name: String,
    /// Why, with the pod's own message where there is one.
    #[schemars(length(max = 512))]
    pub reason: String,
    /// Since when.
    pub since: Time,
}

impl Quarantined {
    /// Whether a reference says that it is this.
    pub fn bans(&self, reference: &str) -> bool {
        let (name, digest) =
            reference.split_once('@').map_or((reference, None), |(name, digest)| (name, Some(digest)));
        name == self.digest || digest == Some(&self.digest)
    }
}

impl CodeSyncStatus {
    /// Whether a reference names what is in quarantine.
    pub fn bans(&self, reference: &str) -> bool {
        self.banned_as(reference).is_some()
    }

    /// What of the quarantine a reference names. A tag without a digest names what it is known to stand for.
    pub fn banned_as(&self, reference: &str) -> Option<&Quarantined> {
        let digests = self.digests_of(reference);
        self.quarantine.iter().find(|it| it.bans(reference) || digests.contains(&it.digest.as_str()))
    }

    /// What a reference without a digest is known to stand for. Its tag may have been pushed again: the first counts that
    /// knows that very form, of what is promoted, what is deployed, and what ran, the last first. Where none does, all that
    /// had its tag.
    fn digests_of(&self, reference: &str) -> Vec<&str> {
        if reference.contains('@') {
            return Vec::new();
        }
        let promoted = self.promotion.iter().map(|promotion| &promotion.candidate);
        let promoted = promoted.map(|it| Known::of(&it.reference, it.tag.as_ref(), Some(&it.digest)));
        let deployed = self.deployed.iter();
        let deployed = deployed.map(|it| Known::of(&it.reference, it.tag.as_ref(), it.digest.as_ref()));
        let ended = self.history.iter().flat_map(|it| {
            let from = it.from.iter().map(|from| Known::of(from, None, it.from_digest.as_ref()));
            [Known::of(&it.reference, Some(&it.name), it.digest.as_ref())].into_iter().chain(from)
        });
        let known = promoted.chain(deployed).chain(ended);
        let mut in_that_form = known.clone().filter(|known| known.reference == reference);
        match in_that_form.find_map(Known::digest) {
            Some(digest) => vec![digest],
            None => known.filter(|known| known.has_tag(reference)).filter_map(Known::digest).collect(),
        }
    }
}

/// What the status knows of a reference.
#[derive(Clone, Copy)]
struct Known<'s> {
    reference: &'s str,
    /// Its tag, which it has only in some forms.
    tag: Option<&'s String>,
    /// Its digest, where it does not name it.
    digest: Option<&'s String>,
}

impl<'s> Known<'s> {
    fn of(reference: &'s str, tag: Option<&'s String>, digest: Option<&'s String>) -> Self {
        Self { reference, tag, digest }
    }

    fn digest(self) -> Option<&'s str> {
        let named = self.reference.split_once('@').map(|(_, digest)| digest);
        named.or(self.digest.map(String::as_str)).filter(|digest| !digest.is_empty())
    }

    /// Whether it had the tag of `repository:tag`.
    fn has_tag(self, reference: &str) -> bool {
        let name = self.reference.split_once('@').map_or(self.reference, |(name, _)| name);
        let tag = || reference.strip_prefix(name).and_then(|rest| rest.strip_prefix(':'));
        name == reference || self.tag.is_some_and(|known| tag() == Some(known))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    const GOOD: &str = "sha256:aa";
    const BAD: &str = "sha256:bb";

    fn released(reference: &str, digest: Option<&str>) -> Value {
        json!({"id": "p", "name": "v1", "reference": reference, "digest": digest, "outcome": "Released",
               "endedAt": "2026-11-22T14:00:00Z"})
    }

    fn promoted(reference: &str, digest: &str) -> Value {
        json!({"id": "p", "startedAt": "2026-11-22T14:00:00Z", "trigger": "Source",
               "candidate": {"name": "v1", "reference": reference, "repository": "r", "tag": "v1", "digest": digest}})
    }

    fn deployed(reference: &str, digest: Option<&str>) -> Value {
        json!({"name": "v1", "reference": reference, "tag": "v1", "digest": digest})
    }

    #[rstest]
    #[case::it_says_so(json!({}), "r:v1@sha256:bb", true)]
    #[case::in_another_repository(json!({}), "other/r@sha256:bb", true)]
    #[case::it_says_something_else(json!({"history": [released("r:v1", Some(BAD))]}), "r:v1@sha256:aa", false)]
    #[case::nothing_is_known(json!({}), "r:v1", false)]
    #[case::it_ran(json!({"history": [released("r:v1", Some(BAD))]}), "r:v1", true)]
    #[case::it_ran_and_is_good(json!({"history": [released("r:v1", Some(GOOD))]}), "r:v1", false)]
    #[case::it_is_deployed(json!({"deployed": deployed("r:v1", Some(BAD))}), "r:v1", true)]
    #[case::with_its_digest(json!({"history": [released("r:v1@sha256:bb", None)]}), "r:v1", true)]
    #[case::by_its_digest_alone(json!({"history": [released("r@sha256:bb", None)]}), "r:v1", true)]
    #[case::another_tag(json!({"history": [released("r@sha256:bb", None)]}), "r:v2", false)]
    #[case::another_repository(json!({"history": [released("r:v1", Some(BAD))]}), "other/r:v1", false)]
    #[case::a_longer_tag(json!({"history": [released("r:v1", Some(BAD))]}), "r:v10", false)]
    #[case::it_was_replaced(
        json!({"history": [{"from": "r:v1", "fromDigest": BAD, "id": "p", "name": "v2", "reference": "r:v2",
               "outcome": "Released", "endedAt": "2026-11-22T14:00:00Z"}]}), "r:v1", true)]
    #[case::the_tag_moved_to_it_and_what_ran_is_good(
        json!({"promotion": promoted("r:v1@sha256:bb", BAD), "deployed": deployed("r:v1", Some(GOOD))}), "r:v1", false)]
    #[case::what_is_promoted_is_pushed_again(
        json!({"promotion": promoted("r:v1", GOOD), "history": [released("r:v1", Some(BAD))]}), "r:v1", false)]
    #[case::what_is_deployed_was_pushed_again(
        json!({"promotion": promoted("r:v2", GOOD), "deployed": deployed("r:v1", Some(GOOD)),
               "history": [released("r:v1", Some(BAD))]}), "r:v1", false)]
    #[case::it_was_pushed_again_after_it_failed(
        json!({"history": [released("r:v1", Some(GOOD)), released("r:v1", Some(BAD))]}), "r:v1", false)]
    #[case::it_failed_after_it_was_pushed_again(
        json!({"history": [released("r:v1", Some(BAD)), released("r:v1", Some(GOOD))]}), "r:v1", true)]
    #[case::what_replaced_it_has_the_same_tag(
        json!({"history": [{"from": "r:v1", "fromDigest": BAD, "id": "p", "name": "v1", "reference": "r:v1",
               "digest": GOOD, "outcome": "Released", "endedAt": "2026-11-22T14:00:00Z"}]}), "r:v1", false)]
    fn a_tag_alone_names_what_it_is_known_to_stand_for(
        #[case] known: Value,
        #[case] reference: &str,
        #[case] is_banned: bool,
    ) {
        let mut status: CodeSyncStatus = serde_json::from_value(known).unwrap();
        let bad = json!({"digest": BAD, "name": "bad", "reason": "", "since": "2026-11-22T14:00:00Z"});
        status.quarantine = vec![serde_json::from_value(bad).unwrap()];
        assert_eq!(status.bans(reference), is_banned);
    }

    #[test]
    fn what_has_no_known_digest_is_named_by_its_reference() {
        let bad = json!({"digest": "r:v1", "name": "v1", "reason": "", "since": "2026-11-22T14:00:00Z"});
        let bad: Quarantined = serde_json::from_value(bad).unwrap();
        assert!(bad.bans("r:v1") && bad.bans("r:v1@sha256:aa") && !bad.bans("r:v2"));
    }
}
