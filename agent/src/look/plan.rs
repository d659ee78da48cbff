//! From a spec to looks: what a CodeSync wants to know of which place. Pure.
//!
//! What the API server cannot see in a spec is found here, and said with the name of the field.

use std::path::{Path, PathBuf};

use voxsync_crds::{
    CodeReference,
    code_sync::{
        CodeSyncSpec, FileSource, GitSource, ImageAccess, LocalReference, RegistrySource, WriteForm,
    },
    duration::DurationText,
};
use voxsync_policy::{TagPolicy, TagRule};
use voxsync_promotion::{RIPENING_LIMIT, check_windows};
use voxsync_source::{
    git::{Follows, GitUrl, ImageTemplate},
    registry::{Platform, Repository},
};

use super::{
    cadence::Cadence,
    looks::Order,
    place::{Access, FieldQuery, GitFollow, Place, TagQuery, Want},
    verify::VerifyQuery,
};
use crate::{checks::check_timeouts, notify, upstream::Upstream};

/// The part of a spec that says how images are got at.
const IMAGE: &str = "spec.image";

/// What a CodeSync looks for.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Candidates; none where another CodeSync is followed that has released nothing.
    pub(crate) source: Option<Order>,
    /// The image that a person pinned.
    pub(crate) pin: Option<Order>,
}

impl Plan {
    /// The same, if this process may look there: not in its own file system, unless it has a folder for that.
    pub(crate) fn allowed(self, git_file_root: Option<&Path>) -> Result<Self, String> {
        match self.source.as_ref().map(|source| &source.place) {
            Some(Place::Git { url, .. }) if url.is_file() && git_file_root.is_none() => Err(format!(
                "source.git.url: {url} is in the file system of voxsync, which reads no repositories there: give `voxsync run` \
                 and `voxsync check` the folder above it with `--git-file-root FOLDER`, or name a server"
            )),
            _ => Ok(self),
        }
    }
}

/// What a spec in a namespace asks for. `pull_secret` is the `imagePullSecret` of the first target, `upstream` what is found
/// at the CodeSync that it follows.
///
/// # Errors
/// A sentence that names the field and says what would be right.
pub(crate) fn plan(
    spec: &CodeSyncSpec,
    namespace: &str,
    pull_secret: Option<&str>,
    upstream: Option<&Upstream>,
) -> Result<Plan, String> {
    check_durations(spec)?;
    check_timeouts(spec)?;
    check_windows(spec)?;
    check_form(spec)?;
    notify::check(spec)?;
    let count = candidates(spec)?;
    let images = wanted_of_images(spec, count)?;
    let image = images(image_access(spec, namespace, pull_secret));
    let cadence = Cadence::of(&spec.source)?;
    let verify = spec.verify.as_ref().map(|verify| VerifyQuery::of(verify, namespace)).transpose()?;
    let source = &spec.source;
    let order = match (&source.registry, &source.git, &source.file, &source.code_sync) {
        (Some(registry), None, None, None) => {
            Some(of_registry(registry, images(registry_access(registry, namespace)), count)?)
        }
        (None, Some(git), None, None) => Some(of_git(git, namespace, image.clone())?),
        (None, None, Some(file), None) => Some(of_file(file, image.clone())),
        (None, None, None, Some(_)) => of_code_sync(upstream, image.clone())?,
        _ => return Err("source: give exactly one of registry, git, file and codeSync".to_owned()),
    };
    let pin = spec.pin.as_ref().map(|pin| {
        let reference =
            CodeReference::parse(&pin.reference).map_err(|error| format!("pin.reference: {error}"))?;
        let access = match &source.registry {
            Some(registry) if told(spec).is_none() && registry.repository == reference.repository() => {
                images(registry_access(registry, namespace))
            }
            Some(registry) if registry.repository == reference.repository() => image,
            _ => image.only_bound(),
        };
        let place = Place::Image { reference, access };
        Ok::<_, String>(Order {
            place,
            want: Want::Image,
            verify: verify.clone(),
            cadence: Cadence::UntilFound,
        })
    });
    let pin = pin.transpose()?;
    Ok(Plan { source: order.map(|(place, want)| Order { place, want, verify, cadence }), pin })
}

/// How many candidates are wanted, the best first: those that have to reach an age first, and what runs meanwhile.
fn candidates(spec: &CodeSyncSpec) -> Result<usize, String> {
    let age = spec.minimum_age.as_ref().map(DurationText::to_duration).transpose();
    let age = age.map_err(|error| format!("minimumAge: {error}"))?;
    Ok(if age.is_some_and(|age| !age.is_zero()) { RIPENING_LIMIT } else { 1 })
}

fn check_durations(spec: &CodeSyncSpec) -> Result<(), String> {
    for (number, stage) in spec.stages.iter().flatten().enumerate() {
        if let Some(soak) = &stage.soak {
            soak.to_duration().map_err(|error| format!("stages[{number}].soak: {error}"))?;
        }
    }
    if let Some(after) = spec.rollback.as_ref().and_then(|rollback| rollback.after_release.as_ref()) {
        let duration = after.duration.to_duration();
        duration.map_err(|error| format!("rollback.afterRelease.duration: {error}"))?;
    }
    let maximum_age = spec.history.as_ref().and_then(|history| history.maximum_age.as_ref());
    maximum_age.map_or(Ok(()), |age| {
        age.to_duration().map(drop).map_err(|error| format!("history.maximumAge: {error}"))
    })
}

/// The API server refuses this, too, by a schema that is as new as this.
fn check_form(spec: &CodeSyncSpec) -> Result<(), String> {
    if spec.verify.is_some() && spec.write_form() == WriteForm::Tag {
        return Err(
            "write.form: verify needs Digest or TagAndDigest: a tag alone can be pushed again, without a \
                    signature"
                .to_owned(),
        );
    }
    Ok(())
}

fn of_registry(registry: &RegistrySource, access: Access, count: usize) -> Result<(Place, Want), String> {
    let repository = &registry.repository;
    repository.parse::<Repository>().map_err(|error| format!("source.registry.repository: {error}"))?;
    TagPolicy::of(registry).map_err(|error| format!("source.registry.{error}"))?;
    let want = match &registry.tag.follow {
        Some(tag) => Want::Follow(tag.clone()),
        None => Want::Best(TagQuery {
            rule: TagRule::of(&registry.tag).map_err(|error| format!("source.registry.{error}"))?,
            matching: registry.matching.clone(),
            ignore: registry.ignore.clone(),
            count,
        }),
    };
    Ok((Place::Registry { repository: repository.clone(), access }, want))
}

fn of_git(git: &GitSource, namespace: &str, image: Access) -> Result<(Place, Want), String> {
    let url: GitUrl = git.url.parse().map_err(|error| format!("source.git.url {error}"))?;
    let (follow, follows) = match (&git.revision.branch, &git.revision.tag, &git.revision.commit) {
        (Some(branch), None, None) => (GitFollow::Branch(branch.clone()), Follows::Branch(branch)),
        (None, Some(tag), None) => {
            TagPolicy::of_git(tag).map_err(|error| {
                let error = error.to_string();
                format!("source.git.ref.tag.{}", error.strip_prefix("tag.").unwrap_or(&error))
            })?;
            (GitFollow::Tag(tag.clone()), Follows::Tag)
        }
        (None, None, Some(commit)) => (GitFollow::Commit(commit.clone()), Follows::Commit),
        _ => return Err("source.git.ref: give exactly one of branch, tag and commit".to_owned()),
    };
    let want = match (&git.reference, &git.image) {
        (Some(file), None) => {
            let field = FieldQuery {
                path: file.path.clone(),
                field: file.field.clone(),
                kind: file.kind.clone(),
                name: file.name.clone(),
            };
            Want::Named { field, image: image.only_bound() }
        }
        (None, Some(text)) => {
            let template = ImageTemplate::new(text, follows);
            Want::Built { template: template.map_err(|error| format!("source.git.image {error}"))?, image }
        }
        _ => return Err("source.git: give exactly one of reference and image".to_owned()),
    };
    let access =
        Access::new(namespace, name(git.secret_ref.as_ref()), name(git.cert_secret_ref.as_ref()), false)
            .with_authorities(namespace, name(git.cert_config_map_ref.as_ref()))
            .said_by("spec.source.git");
    Ok((Place::Git { url, follow, access }, want))
}

fn of_file(file: &FileSource, image: Access) -> (Place, Want) {
    let field = FieldQuery { field: file.field.clone(), ..FieldQuery::default() };
    (Place::File { path: PathBuf::from(&file.path) }, Want::Named { field, image: image.only_bound() })
}

fn of_code_sync(upstream: Option<&Upstream>, image: Access) -> Result<Option<(Place, Want)>, String> {
    match upstream {
        Some(Upstream::Released(released)) => {
            let (reference, access) = (released.reference.clone(), image.only_bound());
            Ok(Some((Place::Image { reference, access }, Want::Image)))
        }
        Some(Upstream::Circle(circle)) => Err(circle.clone()),
        Some(Upstream::Nothing(_)) | None => Ok(None),
    }
}

/// How a registry source gets in.
pub(crate) fn registry_access(registry: &RegistrySource, namespace: &str) -> Access {
    let (login, certificate) = (registry.secret_ref.as_ref(), registry.cert_secret_ref.as_ref());
    Access::new(namespace, name(login), name(certificate), registry.insecure)
        .with_authorities(namespace, name(registry.cert_config_map_ref.as_ref()))
}

/// How Git and file sources, and pins, look at the registry: as they are told, else as the target itself does.
fn image_access(spec: &CodeSyncSpec, namespace: &str, pull_secret: Option<&str>) -> Access {
    let Some(ImageAccess { secret_ref, cert_secret_ref, cert_config_map_ref, insecure, platform: _ }) =
        told(spec)
    else {
        let written = spec.write.as_ref().and_then(|write| write.image_pull_secret.as_deref());
        return Access::of_pull_secret(namespace, written.or(pull_secret)).said_by(IMAGE);
    };
    Access::new(namespace, name(secret_ref.as_ref()), name(cert_secret_ref.as_ref()), *insecure)
        .with_authorities(namespace, name(cert_config_map_ref.as_ref()))
        .said_by(IMAGE)
}

/// What `image` says about how to look; one that has only a platform says nothing about that.
fn told(spec: &CodeSyncSpec) -> Option<&ImageAccess> {
    let says_how =
        |image: &&ImageAccess| ImageAccess { platform: None, ..(*image).clone() } != ImageAccess::default();
    spec.image.as_ref().filter(says_how)
}

/// What is wanted of images, wherever they are named. Where an age is asked for, or the time at which an image was
/// built, that is to be found.
fn wanted_of_images(spec: &CodeSyncSpec, count: usize) -> Result<impl Fn(Access) -> Access, String> {
    let platform = spec.image.as_ref().and_then(|image| image.platform.as_ref());
    let platform: Option<Platform> =
        platform.map(|text| text.parse()).transpose().map_err(|error| format!("image.platform: {error}"))?;
    let newest_build =
        spec.source.registry.as_ref().is_some_and(|registry| registry.tag.newest_build.is_some());
    let dated = count > 1 || newest_build;
    Ok(move |access: Access| access.for_images(platform.clone(), dated))
}

fn name(reference: Option<&LocalReference>) -> Option<&str> {
    reference.map(|reference| reference.name.as_str())
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
