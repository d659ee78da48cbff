//! Which image CI built of a commit: a reference with placeholders in its tag. Pure.
//!
//! Each commit must have an image of its own, or code of an older commit would pass for that of a newer one: a template
//! without `{commit}`, `{shortCommit}` or `{tag}` is refused. A name that a tag cannot hold is made to fit: each run
//! of characters that a tag cannot have becomes one `-`, and dots and dashes at its beginning are left out
//! (`feature/x` is `feature-x`). Two names may become one so; two commits never do.

use std::iter;

use thiserror::Error;
use voxsync_crds::CodeReference;

use super::Revision;

/// How many digits of a commit `{shortCommit}` has, as the tools that build images do it.
const SHORT_COMMIT_DIGITS: usize = 7;
/// A commit to try a template with.
const SAMPLE_COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// How much of a text a message quotes.
const QUOTED_CHARACTERS: usize = 80;

/// What a template is filled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows<'a> {
    /// The commits of this branch.
    Branch(&'a str),
    /// Tags.
    Tag,
    /// One commit.
    Commit,
}

/// The image of any commit: `ghcr.io/example/puppet-code:{shortCommit}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageTemplate {
    /// With the colon after it, and with what stands before the first placeholder.
    start: String,
    /// Placeholders, each with the text after it.
    rest: Vec<(Placeholder, String)>,
}

/// What is put in for a commit. A branch is put in at once: it stays the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Placeholder {
    Commit,
    ShortCommit,
    Tag,
}

/// Why a text is no template; to be read after the name of its field.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// A brace without its partner.
    #[error(
        "has a brace without its partner: placeholders are {{commit}}, {{shortCommit}}, {{branch}} and {{tag}}"
    )]
    Brace,
    /// Not a placeholder.
    #[error(
        "has {{{0}}}, which is no placeholder: those are {{commit}}, {{shortCommit}}, {{branch}} and {{tag}}"
    )]
    Unknown(String),
    /// A placeholder before the tag.
    #[error("has a placeholder in its repository: it may stand in the tag, after the colon")]
    Repository,
    /// No tag, or something that is no reference.
    #[error("makes no image reference: {0}")]
    Reference(String),
    /// A digest.
    #[error("has a digest, which would be one image for all commits: leave it out")]
    Digest,
    /// The same for every commit.
    #[error(
        "names the same image for every commit, so that old code would pass for new: put {{commit}} or {{shortCommit}} \
         into its tag (or follow a tag that moves with source.registry.tag.follow)"
    )]
    SameForAll,
    /// `{branch}` where no branch is followed.
    #[error("has {{branch}}, but source.git.ref names no branch")]
    NoBranch,
    /// `{tag}` where no tag is followed.
    #[error("has {{tag}}, but source.git.ref names no tag")]
    NoTag,
}

impl ImageTemplate {
    /// Takes a template apart, and tries it.
    pub fn new(text: &str, follows: Follows<'_>) -> Result<Self, TemplateError> {
        if text.contains('@') {
            return Err(TemplateError::Digest);
        }
        let (start, mut remaining) =
            text.split_once('{').map_or((text, None), |(start, rest)| (start, Some(rest)));
        if start.contains('}') {
            return Err(TemplateError::Brace);
        }
        let mut template = Self { start: start.to_owned(), rest: Vec::new() };
        while let Some(rest) = remaining {
            let (name, after) = rest.split_once('}').ok_or(TemplateError::Brace)?;
            let (text, next) = after.split_once('{').map_or((after, None), |(text, rest)| (text, Some(rest)));
            if name.contains('{') || text.contains('}') {
                return Err(TemplateError::Brace);
            }
            match (name, follows) {
                ("commit", _) => template.rest.push((Placeholder::Commit, text.to_owned())),
                ("shortCommit", _) => template.rest.push((Placeholder::ShortCommit, text.to_owned())),
                ("tag", Follows::Tag) => template.rest.push((Placeholder::Tag, text.to_owned())),
                ("tag", _) => return Err(TemplateError::NoTag),
                ("branch", Follows::Branch(branch)) => {
                    template.push(&[&fit_for_a_tag(branch), text].concat());
                }
                ("branch", _) => return Err(TemplateError::NoBranch),
                _ => return Err(TemplateError::Unknown(name.chars().take(QUOTED_CHARACTERS).collect())),
            }
            remaining = next;
        }
        let after_slash = start.rsplit('/').next().unwrap_or(start);
        if !after_slash.contains(':') && text.contains('{') {
            return Err(TemplateError::Repository);
        }
        template.fill(SAMPLE_COMMIT, Some("v0"))?;
        if template.rest.is_empty() { Err(TemplateError::SameForAll) } else { Ok(template) }
    }

    /// The image of a commit.
    pub fn image(&self, revision: &Revision) -> Result<CodeReference, TemplateError> {
        self.fill(&revision.commit, revision.tag.as_deref())
    }

    /// The repository of all its images.
    pub fn repository(&self) -> &str {
        self.start.rsplit_once(':').map_or(&self.start, |(repository, _)| repository)
    }

    fn push(&mut self, text: &str) {
        self.rest.last_mut().map_or(&mut self.start, |(_, after)| after).push_str(text);
    }

    fn fill(&self, commit: &str, tag: Option<&str>) -> Result<CodeReference, TemplateError> {
        let filled = self.rest.iter().flat_map(|(placeholder, after)| {
            let value = match placeholder {
                Placeholder::Commit => commit.to_owned(),
                Placeholder::ShortCommit => commit.chars().take(SHORT_COMMIT_DIGITS).collect(),
                Placeholder::Tag => fit_for_a_tag(tag.unwrap_or_default()),
            };
            [value, after.clone()]
        });
        let text: String = iter::once(self.start.clone()).chain(filled).collect();
        CodeReference::parse(&text).map_err(|error| TemplateError::Reference(error.to_string()))
    }
}

/// The name of a branch or Git tag in characters that an image's tag can have.
fn fit_for_a_tag(name: &str) -> String {
    let mut fit = String::new();
    for character in name.chars() {
        if character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '-') {
            fit.push(character);
        } else if !fit.ends_with('-') {
            fit.push('-');
        }
    }
    fit.trim_start_matches(['.', '-']).to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;
    use voxsync_crds::reference::is_tag;
    use voxsync_hostile::{fuzz, near_text};

    use super::*;

    const COMMIT: &str = "89abcdef0123456789abcdef0123456789abcdef";

    fn revision(tag: Option<&str>) -> Revision {
        Revision {
            commit: COMMIT.to_owned(),
            reference: String::new(),
            tag: tag.map(str::to_owned),
            tag_object: None,
        }
    }

    #[rstest]
    #[case("ghcr.io/a/b:{shortCommit}", Follows::Commit, "ghcr.io/a/b:89abcde")]
    #[case("h:5000/a:{commit}", Follows::Branch("main"), "h:5000/a:89abcdef0123456789abcdef0123456789abcdef")]
    #[case("h.x/a:{branch}-{shortCommit}", Follows::Branch("feature/x"), "h.x/a:feature-x-89abcde")]
    #[case("h.x/a:r-{shortCommit}.{branch}.z", Follows::Branch("ä//ö"), "h.x/a:r-89abcde..z")]
    #[case("h.x/a:{branch}{shortCommit}", Follows::Branch("-/.x y"), "h.x/a:x-y89abcde")]
    #[case("h.x/a:{tag}", Follows::Tag, "h.x/a:v1.2.0-b.1")]
    #[case("h.x/a:sha-{shortCommit}", Follows::Tag, "h.x/a:sha-89abcde")]
    fn is_filled(#[case] template: &str, #[case] follows: Follows<'_>, #[case] image: &str) {
        let template = ImageTemplate::new(template, follows).unwrap();
        let tag = (follows == Follows::Tag).then_some("v1.2.0+b.1");
        let filled = template.image(&revision(tag)).unwrap();
        assert_eq!((filled.to_string().as_str(), filled.repository()), (image, template.repository()));
    }

    #[rstest]
    #[case("ghcr.io/a/b", Follows::Commit, "no image reference")]
    #[case("ghcr.io/a/b:v1", Follows::Commit, "the same image for every commit")]
    #[case("ghcr.io/a/b:{branch}", Follows::Branch("main"), "the same image for every commit")]
    #[case("ghcr.io/a/b:{commit}@sha256:00", Follows::Commit, "has a digest")]
    #[case("ghcr.io/a/b@sha256:{commit}", Follows::Commit, "has a digest")]
    #[case("ghcr.io/a/b:{sha}", Follows::Commit, "has {sha}, which is no placeholder")]
    #[case("ghcr.io/a/b:{Commit}", Follows::Commit, "has {Commit}")]
    #[case("ghcr.io/a/b:{}", Follows::Commit, "has {}, which")]
    #[case("ghcr.io/a/b:{commit", Follows::Commit, "brace")]
    #[case("ghcr.io/a/b:{{commit}}", Follows::Commit, "brace")]
    #[case("ghcr.io/a/b:commit}", Follows::Commit, "brace")]
    #[case("ghcr.io/{branch}/b:{commit}", Follows::Branch("main"), "in its repository")]
    #[case("ghcr.io/a/b{commit}", Follows::Commit, "in its repository")]
    #[case("h:5000/{commit}", Follows::Commit, "in its repository")]
    #[case("ghcr.io/a/b:{tag}", Follows::Branch("main"), "names no tag")]
    #[case("ghcr.io/a/b:{branch}-{commit}", Follows::Tag, "names no branch")]
    #[case("ghcr.io/A/b:{commit}", Follows::Commit, "no image reference")]
    #[case("ghcr.io/a/b:{commit}/x", Follows::Commit, "no image reference")]
    #[case("ghcr.io/a/b:-{commit}", Follows::Commit, "no image reference")]
    #[case("ghcr.io/a/b:{branch}-{commit}", Follows::Branch("日本"), "no image reference")]
    #[case("{commit}", Follows::Commit, "in its repository")]
    #[case("", Follows::Commit, "no image reference")]
    fn is_refused(#[case] template: &str, #[case] follows: Follows<'_>, #[case] reason: &str) {
        let error = ImageTemplate::new(template, follows).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn a_tag_has_a_length() {
        let of = |branch: &str| ImageTemplate::new("h.x/a:{branch}-{commit}", Follows::Branch(branch));
        assert!(of(&"a".repeat(87)).is_ok());
        assert!(of(&"a".repeat(88)).is_err());
    }

    proptest! {
        #[test]
        fn any_name_fits(name in "\\PC{0,60}") {
            let fit = fit_for_a_tag(&name);
            prop_assert!(fit.is_empty() || is_tag(&fit), "{}", fit);
            prop_assert_eq!(fit_for_a_tag(&fit), fit.clone());
            if is_tag(&name) {
                prop_assert_eq!(fit, name);
            }
        }
    }

    #[test]
    fn fuzz_template_of_an_image() {
        let samples = [
            "ghcr.io/a/b:{shortCommit}",
            "h:5000/a:r-{commit}.{branch}.z",
            "h.x/a:{branch}-{shortCommit}{commit}",
            "h.x/a:{tag}@x",
        ];
        let branches = ["feature/x", "main", "-/.x y", "release_1.2"];
        fuzz((near_text(samples), near_text(branches)), |(text, branch)| {
            match ImageTemplate::new(&text, Follows::Branch(&branch)) {
                Ok(template) => {
                    let one = template.image(&revision(None)).unwrap();
                    let other = Revision { commit: SAMPLE_COMMIT.to_owned(), ..revision(None) };
                    assert_ne!(one, template.image(&other).unwrap(), "each commit has an image of its own");
                    true
                }
                Err(error) => {
                    assert!(error.to_string().len() < 1000, "{error}");
                    false
                }
            }
        });
    }
}
