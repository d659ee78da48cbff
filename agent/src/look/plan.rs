//! From a spec to looks: what a CodeSync wants to know of which place. Pure.
//!
//! What the API server cannot see in a spec is found here, and said with the name of the field.

use std::path::PathBuf;

use voxsync_crds::{
    CodeReference,
    code_sync::{CodeSyncSpec, FileSource, GitSource, ImageAccess, LocalReference, RegistrySource},
};
use voxsync_policy::TagRule;
use voxsync_source::{git::GitUrl, registry::Repository};

use super::{
    cadence::Cadence,
    looks::Order,
    place::{Access, FieldQuery, GitFollow, Place, TagQuery, Want},
};

/// What a CodeSync looks for.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Candidates.
    pub(crate) source: Order,
    /// The image that a person pinned.
    pub(crate) pin: Option<Order>,
}

/// What a spec in a namespace asks for. `pull_secret` is the `imagePullSecret` of the first target.
///
/// # Errors
/// A sentence that names the field and says what would be right.
pub(crate) fn plan(spec: &CodeSyncSpec, namespace: &str, pull_secret: Option<&str>) -> Result<Plan, String> {
    check_durations(spec)?;
    let image = image_access(spec, namespace, pull_secret);
    let cadence = Cadence::of(&spec.source)?;
    let source = &spec.source;
    let (place, want) = match (&source.registry, &source.git, &source.file) {
        (Some(registry), None, None) => of_registry(registry, namespace)?,
        (None, Some(git), None) => of_git(git, namespace, image.clone())?,
        (None, None, Some(file)) => of_file(file, image.clone()),
        _ => return Err("source: give exactly one of registry, git and file".to_owned()),
    };
    let pin = spec.pin.as_ref().map(|pin| {
        let reference =
            CodeReference::parse(&pin.reference).map_err(|error| format!("pin.reference: {error}"))?;
        let access = match &source.registry {
            Some(registry) if spec.image.is_none() && registry.repository == reference.repository() => {
                registry_access(registry, namespace)
            }
            Some(registry) if registry.repository == reference.repository() => image,
            _ => image.only_bound(),
        };
        let place = Place::Image { reference, access };
        Ok::<_, String>(Order { place, want: Want::Image, cadence: Cadence::UntilFound })
    });
    Ok(Plan { source: Order { place, want, cadence }, pin: pin.transpose()? })
}

fn check_durations(spec: &CodeSyncSpec) -> Result<(), String> {
    for (number, stage) in spec.stages.iter().flatten().enumerate() {
        if let Some(soak) = &stage.soak {
            soak.to_duration().map_err(|error| format!("stages[{number}].soak: {error}"))?;
        }
    }
    let maximum_age = spec.history.as_ref().and_then(|history| history.maximum_age.as_ref());
    maximum_age.map_or(Ok(()), |age| {
        age.to_duration().map(drop).map_err(|error| format!("history.maximumAge: {error}"))
    })
}

fn of_registry(registry: &RegistrySource, namespace: &str) -> Result<(Place, Want), String> {
    let repository = &registry.repository;
    repository.parse::<Repository>().map_err(|_| {
        format!(
            "source.registry.repository: {repository:?} is not a repository (host and path, without a tag); for \
             example ghcr.io/example/puppet-code"
        )
    })?;
    let want = match (&registry.tag.semver, &registry.tag.follow) {
        (Some(semver), None) => {
            let query = TagQuery {
                semver: semver.clone(),
                matching: registry.matching.clone(),
                ignore: registry.ignore.clone(),
            };
            query.policy().map_err(|error| format!("source.registry.{error}"))?;
            Want::Highest(query)
        }
        (None, Some(tag)) => {
            TagRule::follow(tag).map_err(|error| format!("source.registry.{error}"))?;
            Want::Follow(tag.clone())
        }
        _ => return Err("source.registry.tag: give exactly one of semver and follow".to_owned()),
    };
    let place =
        Place::Registry { repository: repository.clone(), access: registry_access(registry, namespace) };
    Ok((place, want))
}

fn of_git(git: &GitSource, namespace: &str, image: Access) -> Result<(Place, Want), String> {
    let url: GitUrl = git.url.parse().map_err(|error| format!("source.git.url {error}"))?;
    let follow = match (&git.revision.branch, &git.revision.tag) {
        (Some(branch), None) => GitFollow::Branch(branch.clone()),
        (None, Some(tag)) => {
            TagRule::semver(&tag.semver).map_err(|error| format!("source.git.ref.{error}"))?;
            GitFollow::Tag(tag.semver.clone())
        }
        _ => return Err("source.git.ref: give exactly one of branch and tag".to_owned()),
    };
    let file = &git.reference;
    let field = FieldQuery {
        path: file.path.clone(),
        field: file.field.clone(),
        kind: file.kind.clone(),
        name: file.name.clone(),
    };
    let access =
        Access::new(namespace, name(git.secret_ref.as_ref()), name(git.cert_secret_ref.as_ref()), false);
    Ok((Place::Git { url, follow, access }, Want::Named { field, image: image.only_bound() }))
}

fn of_file(file: &FileSource, image: Access) -> (Place, Want) {
    let field = FieldQuery { field: file.field.clone(), ..FieldQuery::default() };
    (Place::File { path: PathBuf::from(&file.path) }, Want::Named { field, image: image.only_bound() })
}

fn registry_access(registry: &RegistrySource, namespace: &str) -> Access {
    let (login, certificate) = (registry.secret_ref.as_ref(), registry.cert_secret_ref.as_ref());
    Access::new(namespace, name(login), name(certificate), registry.insecure)
}

/// How Git and file sources, and pins, look at the registry: as they are told, else as the target itself does.
fn image_access(spec: &CodeSyncSpec, namespace: &str, pull_secret: Option<&str>) -> Access {
    let Some(ImageAccess { secret_ref, cert_secret_ref, insecure }) = &spec.image else {
        let written = spec.write.as_ref().and_then(|write| write.image_pull_secret.as_deref());
        return Access::of_pull_secret(namespace, written.or(pull_secret));
    };
    Access::new(namespace, name(secret_ref.as_ref()), name(cert_secret_ref.as_ref()), *insecure)
}

fn name(reference: Option<&LocalReference>) -> Option<&str> {
    reference.map(|reference| reference.name.as_str())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn planned(spec: Value) -> Result<Plan, String> {
        let mut spec = spec;
        spec["target"] = json!({"kind": "Config", "name": "production"});
        plan(&serde_json::from_value(spec).unwrap(), "puppet", Some("pull"))
    }

    #[rstest]
    #[case::range(
        json!({"source": {"registry": {"repository": "ghcr.io/a/b", "tag": {"semver": ">=1.x.y"}}}}),
        "source.registry.tag.semver: "
    )]
    #[case::regex(
        json!({"source": {"registry": {"repository": "ghcr.io/a/b", "tag": {"semver": "*"}, "match": "("}}}),
        "source.registry.match: "
    )]
    #[case::ignored(
        json!({"source": {"registry": {"repository": "ghcr.io/a/b", "tag": {"semver": "*"}, "ignore": ["a", "["]}}}),
        "source.registry.ignore[1]: "
    )]
    #[case::repository(
        json!({"source": {"registry": {"repository": "ghcr.io/a/b:v1", "tag": {"semver": "*"}}}}),
        "source.registry.repository: \"ghcr.io/a/b:v1\" is not a repository"
    )]
    #[case::password_in_url(
        json!({"source": {"git": {"url": "https://me:hunter2@git.example/a.git", "ref": {"branch": "main"}, "reference": {"path": "x"}}}}),
        "source.git.url "
    )]
    #[case::git_range(
        json!({"source": {"git": {"url": "https://git.example/a.git", "ref": {"tag": {"semver": "latest"}}, "reference": {"path": "x"}}}}),
        "source.git.ref.tag.semver: "
    )]
    #[case::pin(
        json!({"pin": {"reference": "not a ref !!"}, "source": {"file": {"path": "/etc/voxsync/x"}}}),
        "pin.reference: "
    )]
    #[case::age(
        json!({"history": {"maximumAge": "90d"}, "source": {"file": {"path": "/etc/voxsync/x"}}}),
        "history.maximumAge: "
    )]
    fn what_is_wrong_is_said_with_the_field(#[case] spec: Value, #[case] wanted: &str) {
        let error = planned(spec).map(drop).unwrap_err();
        assert!(error.starts_with(wanted) && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_git_source_and_the_image_have_logins_of_their_own() {
        let git = json!({"url": "https://git.example/a.git", "ref": {"branch": "main"},
                         "secretRef": {"name": "git"}, "reference": {"path": "x"}});
        let plan_of = |spec| planned(spec).unwrap().source;
        let told = plan_of(json!({"source": {"git": git}, "image": {"secretRef": {"name": "registry"}}}));
        let Place::Git { access, .. } = &told.place else { panic!("{:?}", told.place) };
        assert_eq!(access.login().unwrap().name, "git");
        let Want::Named { image, .. } = &told.want else { panic!("{:?}", told.want) };
        assert_eq!((image.login().unwrap().name, image.lenient, image.only_bound), ("registry", false, true));

        let untold = plan_of(json!({"source": {"git": git}}));
        let Want::Named { image, .. } = &untold.want else { panic!("{:?}", untold.want) };
        assert_eq!((image.login().unwrap().name, image.lenient, image.only_bound), ("pull", true, true));
    }

    #[test]
    fn a_pin_in_the_followed_repository_is_looked_at_like_it() {
        let registry =
            json!({"repository": "ghcr.io/a/b", "tag": {"semver": "*"}, "secretRef": {"name": "r"}});
        for (reference, secret, foreign) in
            [("ghcr.io/a/b:v1", "r", false), ("ghcr.io/other/b:v1", "pull", true)]
        {
            let plan = planned(json!({"pin": {"reference": reference}, "source": {"registry": registry}}));
            let Place::Image { access, .. } = plan.unwrap().pin.unwrap().place else { panic!("no image") };
            assert_eq!((access.login().unwrap().name, access.only_bound), (secret, foreign));
        }
    }
}
