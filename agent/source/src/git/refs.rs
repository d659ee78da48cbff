//! One look: which commit a branch or the best tag has now. Names only; no object moves.
//!
//! Protocol: `ls-refs` of <https://git-scm.com/docs/gitprotocol-v2>, with prefixes, so that the server sends only
//! what was asked for. Older servers send all their references at once; that is bounded, too.

use gix::{
    bstr::{BString, ByteSlice as _},
    protocol::{LsRefsCommand, handshake::Ref, ls_refs::RefPrefixes, transport::Protocol},
};
use voxsync_policy::TagPolicy;

use super::{
    GitProblem,
    connect::of_protocol,
    error::clean,
    fetch::{AGENT, Server},
    read::object_id,
};

/// Where branches are.
pub(super) const BRANCHES: &str = "refs/heads/";
/// Where tags are.
pub(super) const TAGS: &str = "refs/tags/";
/// The most references looked at.
pub(super) const MAX_REFERENCES: usize = 100_000;
/// The most bytes taken for them.
pub(super) const MAX_LOOK_BYTES: u64 = 32 << 20;
/// How many names a message offers instead of one that is not there.
const MAX_SIMILAR: usize = 3;
/// The longest name that is compared letter by letter.
const MAX_COMPARED_CHARACTERS: usize = 100;

/// What to follow in a repository.
#[derive(Debug, Clone)]
pub enum GitRef {
    /// The head of a branch.
    Branch(String),
    /// The best tag by a policy. The policy sees the short names, `v1.2.0`.
    Tag(TagPolicy),
    /// This commit, by its full id. A look only shows the login to the server: whether the commit is there, a read says.
    Commit(String),
}

/// Where a [`GitRef`] stood at a look.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Revision {
    /// The full id of the commit; an annotated tag is followed to it.
    pub commit: String,
    /// `refs/heads/…` or `refs/tags/…`, or the commit itself.
    pub reference: String,
    /// The short name of the tag, if it was a tag.
    pub tag: Option<String>,
    /// The full id of the tag's own object, if it is an annotated one.
    pub tag_object: Option<String>,
}

/// A reference of a server or local repository, followed to its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Advertised {
    pub(super) name: String,
    pub(super) object: String,
    /// The annotated tag that led to it.
    pub(super) tag_object: Option<String>,
}

/// What to ask for; none where no name is.
pub(super) fn prefix(wanted: &GitRef) -> Result<Option<String>, GitProblem> {
    match wanted {
        GitRef::Branch(branch) => {
            let name = format!("{BRANCHES}{branch}");
            match gix::validate::reference::name(name.as_bytes().as_bstr()) {
                Ok(_) => Ok(Some(name)),
                Err(_) => Err(GitProblem::BranchName(branch.clone())),
            }
        }
        GitRef::Tag(_) => Ok(Some(TAGS.to_owned())),
        GitRef::Commit(_) => Ok(None),
    }
}

/// Asks a server. A second question is asked only to say which branches there are instead.
pub(super) fn look(mut server: Server, wanted: &GitRef) -> Result<Revision, GitProblem> {
    let Some(prefix) = prefix(wanted)? else {
        server.leave();
        return choose(Vec::new(), wanted);
    };
    let found = if server.handshake.server_protocol_version == Protocol::V2 {
        list(&mut server, &prefix).and_then(|found| {
            let is_there = found.iter().any(|found| found.unpack().0 == prefix.as_str());
            if is_there || prefix.ends_with('/') { Ok(found) } else { list(&mut server, BRANCHES) }
        })
    } else {
        Ok(server.handshake.refs.take().unwrap_or_default())
    };
    match found {
        Ok(references) if references.len() > MAX_REFERENCES => {
            Err(GitProblem::TooManyReferences(MAX_REFERENCES))
        }
        Ok(references) => {
            server.leave();
            choose(references.iter().filter_map(advertised).collect(), wanted)
        }
        Err(error) => Err(server.connected.end.problem().unwrap_or_else(|| of_protocol(&error))),
    }
}

fn list(server: &mut Server, prefix: &str) -> gix::Result<Vec<Ref>> {
    let mut prefixes = RefPrefixes::new();
    prefixes.extend([BString::from(prefix)]);
    let agent = (AGENT.0, AGENT.1.map(Into::into));
    LsRefsCommand::new(Some(prefixes), &server.handshake.capabilities, agent).invoke_blocking(
        &mut server.connected.transport,
        &mut gix::progress::Discard,
        false,
    )
}

/// A reference that points to something; names that are not UTF-8 are nobody's branch here.
fn advertised(reference: &Ref) -> Option<Advertised> {
    let (name, target, peeled) = reference.unpack();
    let object = peeled.or(target)?.to_string();
    let tag_object = peeled.and(target).map(|tag| tag.to_string());
    Some(Advertised { name: name.to_str().ok()?.to_owned(), object, tag_object })
}

/// Which of the references is meant.
pub(super) fn choose(references: Vec<Advertised>, wanted: &GitRef) -> Result<Revision, GitProblem> {
    match wanted {
        GitRef::Branch(branch) => {
            let name = format!("{BRANCHES}{branch}");
            let names = references.iter().filter_map(|reference| reference.name.strip_prefix(BRANCHES));
            let missing =
                || GitProblem::BranchMissing { branch: branch.clone(), similar: similar(branch, names) };
            let found = references.iter().find(|reference| reference.name == name).ok_or_else(missing)?;
            Ok(Revision { commit: found.object.clone(), reference: name, tag: None, tag_object: None })
        }
        GitRef::Tag(policy) => {
            let tags = references.iter().filter_map(|reference| reference.name.strip_prefix(TAGS));
            let election = policy.elect(tags);
            let no_tag = || GitProblem::NoTag(election.to_string());
            let tag = election.chosen.as_ref().ok_or_else(no_tag)?.tag.clone();
            let reference = format!("{TAGS}{tag}");
            let found = references.into_iter().find(|found| found.name == reference).ok_or_else(no_tag)?;
            Ok(Revision { commit: found.object, reference, tag: Some(tag), tag_object: found.tag_object })
        }
        GitRef::Commit(commit) => {
            let commit = object_id(commit)?.to_string();
            Ok(Revision { reference: commit.clone(), commit, tag: None, tag_object: None })
        }
    }
}

/// The names nearest to the one that was asked for, nearest first.
fn similar<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let short = |name: &&str| name.len() <= MAX_COMPARED_CHARACTERS;
    let mut names: Vec<(usize, &str)> =
        names.filter(short).map(|name| (distance(wanted, name), name)).collect();
    names.sort_unstable();
    names.into_iter().take(MAX_SIMILAR).map(|(_, name)| clean(name)).collect()
}

/// How many letters have to change (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, letter) in left.chars().take(MAX_COMPARED_CHARACTERS).enumerate() {
        let mut line = vec![row + 1];
        for ((other, diagonal), up) in right.iter().zip(&above).zip(above.iter().skip(1)) {
            let before = line.last().copied().unwrap_or_default();
            line.push((diagonal + usize::from(letter != *other)).min(up + 1).min(before + 1));
        }
        above = line;
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use voxsync_policy::TagRule;

    use super::*;

    fn references(names: &[&str]) -> Vec<Advertised> {
        let numbered = names.iter().enumerate();
        numbered
            .map(|(n, name)| Advertised { name: (*name).to_owned(), object: n.to_string(), tag_object: None })
            .collect()
    }

    fn semver(range: &str) -> GitRef {
        GitRef::Tag(TagPolicy::new(TagRule::semver(range).unwrap(), None, &[]).unwrap())
    }

    fn branch(name: &str) -> GitRef {
        GitRef::Branch(name.to_owned())
    }

    #[rstest]
    #[case(branch("main"), "0", "refs/heads/main", None)]
    #[case(branch("a/b"), "2", "refs/heads/a/b", None)]
    #[case(semver("*"), "5", "refs/tags/v1.10.0", Some("v1.10.0"))]
    #[case(semver("1.2"), "4", "refs/tags/v1.2.0", Some("v1.2.0"))]
    fn is_chosen(
        #[case] wanted: GitRef,
        #[case] commit: &str,
        #[case] reference: &str,
        #[case] tag: Option<&str>,
    ) {
        let all = ["refs/heads/main", "refs/heads/main2", "refs/heads/a/b", "refs/tags/main"];
        let all =
            [&all[..], &["refs/tags/v1.2.0", "refs/tags/v1.10.0", "refs/heads/v9.0.0", "HEAD"]].concat();
        let revision = choose(references(&all), &wanted).unwrap();
        assert_eq!(
            (revision.commit.as_str(), revision.reference.as_str(), revision.tag.as_deref()),
            (commit, reference, tag)
        );
    }

    #[rstest]
    #[case(branch("prodction"), "there is no branch `prodction`; similar: production, productive, staging")]
    #[case(semver(">=3"), "no tag fits (1 out of range, 1 not versions, 0 ignored)")]
    fn is_missing(#[case] wanted: GitRef, #[case] message: &str) {
        let names = ["staging", "production", "productive", "feature/very-long-name-of-a-branch"];
        let mut all: Vec<String> = names.iter().map(|name| format!("refs/heads/{name}")).collect();
        all.extend(["refs/tags/v1.0.0", "refs/tags/latest"].map(str::to_owned));
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        assert_eq!(choose(references(&all), &wanted).unwrap_err().to_string(), message);
    }

    #[test]
    fn nothing_is_similar_to_nothing() {
        let error = choose(Vec::new(), &branch("main")).unwrap_err().to_string();
        assert_eq!(error, "there is no branch `main`");
    }

    #[rstest]
    #[case("a b")]
    #[case("a..b")]
    #[case("a\nref-prefix refs/")]
    #[case("")]
    #[case("a:b")]
    #[case("*")]
    fn is_no_branch_name(#[case] name: &str) {
        assert_eq!(prefix(&branch(name)), Err(GitProblem::BranchName(name.to_owned())));
    }
}
