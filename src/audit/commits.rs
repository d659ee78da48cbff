//! Which commits images claim to be of. Images are not asked here: what CodeSyncs and CodeReleases say of them is known.

use std::collections::BTreeMap;

use kube::{Client, ResourceExt as _, api::ListParams};
use voxsync_cluster::{Scope, Snapshot};
use voxsync_crds::{
    CodeReference, CodeRelease, CodeSync, code_sync::CandidateStatus, reference::is_same_code,
};

/// How many CodeReleases are read at once.
const PAGE_OBJECTS: u32 = 500;

/// Commits by namespace and code: its digest, or its whole reference where that is a tag only.
#[derive(Debug, Default)]
pub struct Commits(BTreeMap<(String, String), String>);

impl Commits {
    /// Those that the CodeSyncs of a snapshot know: of what they deploy now, and of what they deployed last.
    pub fn of_code_syncs(snapshot: &Snapshot) -> Self {
        let mut commits = Self::default();
        snapshot.code_syncs().for_each(|code_sync| commits.add_code_sync(code_sync));
        commits
    }

    /// Adds those of the CodeReleases: of what was deployed at any time before. Without our kinds there are none.
    pub async fn add_releases(&mut self, client: Client, scope: &Scope) -> kube::Result<()> {
        let api = scope.api::<CodeRelease>(client);
        let mut parameters = ListParams::default().limit(PAGE_OBJECTS);
        loop {
            let page = match api.list(&parameters).await {
                Ok(page) => page,
                Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
                Err(error) => return Err(error),
            };
            for release in page.items {
                let namespace = release.namespace().unwrap_or_default();
                self.add_candidate(&namespace, &release.spec.candidate);
            }
            let Some(next) = page.metadata.continue_.filter(|token| !token.is_empty()) else { return Ok(()) };
            parameters = parameters.continue_token(&next);
        }
    }

    fn add_code_sync(&mut self, code_sync: &CodeSync) {
        let Some(status) = &code_sync.status else { return };
        let namespace = code_sync.namespace().unwrap_or_default();
        let promoted = status.promotion.as_ref().map(|promotion| &promotion.candidate);
        for candidate in status.candidate.iter().chain(promoted) {
            self.add_candidate(&namespace, candidate);
        }
        if let Some(deployed) = &status.deployed {
            self.add(&namespace, &deployed.reference, deployed.digest.as_ref(), deployed.commit.as_ref());
        }
    }

    fn add_candidate(&mut self, namespace: &str, candidate: &CandidateStatus) {
        self.add(namespace, &candidate.reference, Some(&candidate.digest), candidate.commit.as_ref());
    }

    fn add(&mut self, namespace: &str, reference: &str, digest: Option<&String>, commit: Option<&String>) {
        let Some(commit) = commit else { return };
        for key in digest.map(String::as_str).into_iter().chain([reference]) {
            // What a CodeSync says is newer than what a CodeRelease says of a tag that was pushed again.
            self.0.entry((namespace.to_owned(), key.to_owned())).or_insert_with(|| commit.clone());
        }
    }

    /// The commit of what is declared.
    pub fn of_declared(&self, namespace: &str, references: &[String]) -> Option<String> {
        let reference = the_one(references)?;
        let digest = digest(reference).unwrap_or_else(|| reference.to_owned());
        self.0.get(&(namespace.to_owned(), digest)).cloned()
    }

    /// The commit of what runs: by the digest only, for what a tag meant when a pod started is not known.
    pub fn of_running(&self, namespace: &str, references: &[String]) -> Option<String> {
        let digest = digest(the_one(references)?)?;
        self.0.get(&(namespace.to_owned(), digest)).cloned()
    }
}

/// The reference, if all of them name the same code.
fn the_one(references: &[String]) -> Option<&str> {
    let (first, others) = references.split_first()?;
    others.iter().all(|other| is_same_code(first, other)).then_some(first)
}

/// The digest in a reference.
pub fn digest(reference: &str) -> Option<String> {
    CodeReference::parse(reference).ok()?.digest().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(tag: &str, digit: &str) -> String {
        format!("r.io/a:{tag}@{}", sha(digit))
    }

    fn sha(digit: &str) -> String {
        format!("sha256:{}", digit.repeat(64))
    }

    fn candidate(reference: &str, digit: &str, commit: &str) -> CandidateStatus {
        CandidateStatus {
            reference: reference.to_owned(),
            digest: sha(digit),
            commit: Some(commit.to_owned()),
            ..CandidateStatus::default()
        }
    }

    #[test]
    fn what_runs_has_the_commit_of_its_own_digest() {
        let (old, new) = (reference("v1", "a"), reference("v2", "b"));
        let mut commits = Commits::default();
        commits.add_candidate("puppet", &candidate(&new, "b", "newer"));
        commits.add_candidate("puppet", &candidate(&old, "a", "older"));
        let declared = [new.clone()];
        let running = |references: &[&String]| {
            commits.of_running("puppet", &references.iter().map(|it| (*it).clone()).collect::<Vec<_>>())
        };
        assert_eq!(running(&[&old]).as_deref(), Some("older"));
        assert_eq!(commits.of_declared("puppet", &declared).as_deref(), Some("newer"));
        assert_eq!(running(&[&old, &new]), None, "several versions");
        assert_eq!(running(&[&old, &reference("latest", "a")]).as_deref(), Some("older"), "one by two names");
        assert_eq!(running(&[]), None, "nothing");
        assert_eq!(running(&[&reference("v3", "c")]), None, "nobody knows it");
        assert_eq!(commits.of_running("other", &[old]), None, "what another namespace says");
    }

    #[test]
    fn a_tag_without_a_digest_says_what_is_declared_and_not_what_runs() {
        let tag = "r.io/a:v1".to_owned();
        let mut commits = Commits::default();
        commits.add_candidate("puppet", &candidate(&tag, "a", "newest"));
        commits.add_candidate("puppet", &candidate(&tag, "b", "before it was pushed again"));
        let references = [tag];
        assert_eq!(commits.of_declared("puppet", &references).as_deref(), Some("newest"));
        assert_eq!(commits.of_running("puppet", &references), None);
    }
}
