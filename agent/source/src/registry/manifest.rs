//! From a tag to a digest, and to the certainty that the image behind it can be fetched.

use jiff::Timestamp;
use reqwest::{
    Method, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderName},
};
use sha2::{Digest, Sha256};
use voxsync_crds::reference::{is_digest, is_tag};

use super::{
    Attempt, Platform, Problem, RegistryClient, RegistryError, body,
    client::{Question, accepted},
    image::{self, ACCEPT_MANIFESTS, Content, Facts, Image, Member, NoImage, bounded},
};

const MAX_MANIFEST_BYTES: usize = 4 << 20;
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// What is known of an image that can be fetched. Texts come from its builder and are cut to 256 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestFacts {
    /// The digest of the index or manifest that the reference names.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// Whether it is an index of images for several platforms.
    pub is_index: bool,
    /// `org.opencontainers.image.created`, or where that is wanted the time in the configuration.
    pub created: Option<Timestamp>,
    /// `org.opencontainers.image.revision`: the commit.
    pub revision: Option<String>,
    /// `org.opencontainers.image.source`: the address of the repository with that commit.
    pub source: Option<String>,
    /// `org.opencontainers.image.version`.
    pub version: Option<String>,
    /// The digest of the configuration; of an index, that of its first image, or of the wanted platform's.
    pub config_digest: String,
}

/// What is wanted of an image besides that it can be fetched.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// An index must have an image for this platform, and another image must be for it.
    pub platform: Option<&'a Platform>,
    /// When it was made, even where only its configuration says that.
    pub created: bool,
}

impl RegistryClient {
    /// The digest that a tag has now, with one small request.
    pub async fn head(&self, tag: &str) -> Result<String, RegistryError> {
        self.digest_of(tag).await.map_err(|problem| self.read_error(tag, problem))
    }

    /// Reads the manifest of a tag or digest.
    ///
    /// # Guarantees
    /// What is returned was fetched and has the digest that it claims, and so has the first image of an index (or that
    /// of the wanted platform); it is an image and nothing else. Layers are not looked at.
    pub async fn resolve(&self, reference: &str) -> Result<ManifestFacts, RegistryError> {
        self.resolve_for(reference, Wanted::default()).await
    }

    /// The same, with what costs a request more where it is wanted.
    pub async fn resolve_for(
        &self,
        reference: &str,
        wanted: Wanted<'_>,
    ) -> Result<ManifestFacts, RegistryError> {
        self.facts_of(reference, wanted).await.map_err(|problem| self.read_error(reference, problem))
    }

    fn read_error(&self, reference: &str, problem: Problem) -> RegistryError {
        let reference = reference.chars().take(MAX_SHOWN_CHARACTERS).collect();
        self.error(Attempt::Read { reference }, problem)
    }

    async fn digest_of(&self, tag: &str) -> Result<String, Problem> {
        let (address, missing) = self.manifest_address(tag)?;
        let question =
            Question { method: Method::HEAD, address, accept: ACCEPT_MANIFESTS, if_none_match: None };
        let response = self.ask(&question).await?;
        let has_no_head =
            [StatusCode::METHOD_NOT_ALLOWED, StatusCode::NOT_IMPLEMENTED].contains(&response.status());
        let announced = if has_no_head {
            // Before the next question: until then the host counts as asked, and only so many may ask it at once.
            drop(response);
            None
        } else {
            announced_digest(accepted(response, missing).await?.headers())
        };
        if let Some(digest) = announced {
            return Ok(digest);
        }
        self.manifest(tag).await.map(|manifest| manifest.digest)
    }

    async fn facts_of(&self, reference: &str, wanted: Wanted<'_>) -> Result<ManifestFacts, Problem> {
        let Manifest { digest, body, content_type } = self.manifest(reference).await?;
        let Image { media_type, content, facts } = read_image(&body, content_type.as_deref())?;
        let (config_digest, facts, is_index) = match content {
            Content::Image { config_digest } => (config_digest, facts, false),
            Content::Index { images } => {
                let (config_digest, of_image) = self.of_index(&images, wanted.platform).await?;
                (config_digest, facts.or(of_image), true)
            }
        };
        let Facts { mut created, revision, source, version } = facts;
        let platform = wanted.platform.filter(|_| !is_index);
        if platform.is_some() || (wanted.created && created.is_none()) {
            let config = self.config(&config_digest).await?;
            if let Some(platform) = platform.filter(|platform| !config.platform.is_what(platform)) {
                return Err(platform_missing(platform, &[config.platform]));
            }
            created = created.or(config.created());
        }
        Ok(ManifestFacts { digest, media_type, is_index, created, revision, source, version, config_digest })
    }

    /// The image of an index that is for a platform, or its first. An index may leave open for what an image is: then the
    /// configuration says it (as for containerd, `images/image.go`).
    async fn of_index(
        &self,
        images: &[Member],
        wanted: Option<&Platform>,
    ) -> Result<(String, Facts), Problem> {
        let Some(wanted) = wanted else {
            return self.member(&images.first().ok_or_else(no_image_in_it)?.digest).await;
        };
        let is_for = |member: &&Member| member.platform.as_ref().is_some_and(|it| it.is_what(wanted));
        if let Some(member) = images.iter().find(is_for) {
            return self.member(&member.digest).await;
        }
        let mut present: Vec<Platform> = images.iter().filter_map(|member| member.platform.clone()).collect();
        let open = images.iter().filter(|member| member.platform.is_none());
        let mut unread = None;
        for member in open.take(MAX_OPENED_IMAGES) {
            match self.open_member(&member.digest).await {
                Ok((platform, config_digest, facts)) if platform.is_what(wanted) => {
                    return Ok((config_digest, facts));
                }
                Ok((platform, ..)) => present.push(platform),
                // A signature or a list of what is in an image may be listed as one.
                Err(Problem::NotAnImage { .. }) => {}
                Err(
                    problem @ (Problem::BrokenContent { .. }
                    | Problem::DigestMismatch { .. }
                    | Problem::DigestNotFound { .. }),
                ) => {
                    unread.get_or_insert(problem);
                }
                Err(problem) => return Err(problem),
            }
        }
        // One that could not be read may be for it.
        Err(match unread {
            Some(problem) => problem,
            None if present.is_empty() => no_image_in_it(),
            None => platform_missing(wanted, &present),
        })
    }

    /// For what an image of an index is, by its configuration.
    async fn open_member(&self, digest: &str) -> Result<(Platform, String, Facts), Problem> {
        let (config_digest, facts) = self.member(digest).await?;
        Ok((self.config(&config_digest).await?.platform, config_digest, facts))
    }

    async fn member(&self, digest: &str) -> Result<(String, Facts), Problem> {
        let Manifest { body, content_type, .. } = self.manifest(digest).await?;
        let image = read_image(&body, content_type.as_deref())?;
        match image.content {
            Content::Image { config_digest } => Ok((config_digest, image.facts)),
            Content::Index { .. } => Err(Problem::NotAnImage { what: "an index of indexes".to_owned() }),
        }
    }

    pub(super) async fn manifest(&self, reference: &str) -> Result<Manifest, Problem> {
        let (address, missing) = self.manifest_address(reference)?;
        let question =
            Question { method: Method::GET, address, accept: ACCEPT_MANIFESTS, if_none_match: None };
        let response = accepted(self.ask(&question).await?, missing).await?;
        let expected = if is_digest(reference) {
            Some(reference.to_owned())
        } else {
            announced_digest(response.headers())
        };
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type =
            content_type.and_then(|value| value.split(';').next()).map(|value| value.trim().to_owned());
        let body = body::content(response, MAX_MANIFEST_BYTES).await?;
        let digest = sha256_digest(&body);
        match expected {
            Some(expected) if expected != digest => Err(Problem::DigestMismatch { expected, actual: digest }),
            _ => Ok(Manifest { digest, body, content_type }),
        }
    }

    /// Where a manifest is, and what it means if it is not there.
    fn manifest_address(&self, reference: &str) -> Result<(Url, Problem), Problem> {
        let missing = if is_digest(reference) {
            Problem::DigestNotFound { digest: reference.to_owned() }
        } else if is_tag(reference) {
            Problem::TagNotFound { tag: reference.to_owned() }
        } else {
            return Err(Problem::NotAReference);
        };
        let mut address = self.base.clone();
        address.set_path(&format!("{}manifests/{reference}", self.base.path()));
        Ok((address, missing))
    }
}

const MAX_SHOWN_CHARACTERS: usize = 150;
const MAX_SHOWN_PLATFORMS: usize = 10;
/// How many images of an index are opened to see for what they are.
const MAX_OPENED_IMAGES: usize = 10;

/// A manifest as it came, with its true digest.
pub(super) struct Manifest {
    digest: String,
    pub(super) body: Vec<u8>,
    content_type: Option<String>,
}

fn platform_missing(wanted: &Platform, present: &[Platform]) -> Problem {
    let present: Vec<String> = present.iter().take(MAX_SHOWN_PLATFORMS).map(ToString::to_string).collect();
    Problem::PlatformMissing { wanted: wanted.to_string(), present: bounded(&present.join(", ")) }
}

fn no_image_in_it() -> Problem {
    Problem::NotAnImage { what: "an index without an image in it".to_owned() }
}

fn read_image(body: &[u8], content_type: Option<&str>) -> Result<Image, Problem> {
    image::read(body, content_type).map_err(|fault| match fault {
        NoImage::Other(what) => Problem::NotAnImage { what },
        NoImage::Broken(detail) => Problem::BrokenContent { detail: detail.to_owned() },
    })
}

fn announced_digest(headers: &HeaderMap) -> Option<String> {
    let digest = headers.get(CONTENT_DIGEST)?.to_str().ok()?;
    is_digest(digest).then(|| digest.to_owned())
}

pub(super) fn sha256_digest(body: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(body)))
}
