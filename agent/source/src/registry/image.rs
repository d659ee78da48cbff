//! What a manifest says, and whether it is that of an image at all. Pure; the text comes from outside and is believed in
//! nothing but its digest.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use voxsync_crds::reference::is_digest;

use super::{Platform, config::build_time};

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const IMAGE_CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// What to ask for: everything that can be an image.
pub(super) const ACCEPT_MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json";

const MAX_FACT_CHARACTERS: usize = 256;

/// A manifest of an image, or an index of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) media_type: String,
    pub(super) content: Content,
    pub(super) facts: Facts,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    Image {
        config_digest: String,
    },
    /// At least one.
    Index {
        images: Vec<Member>,
    },
}

/// An image of an index.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) digest: String,
    pub(super) platform: Option<Platform>,
}

/// The well-known annotations (OCI image specification, annotations).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) created: Option<Timestamp>,
    pub(super) revision: Option<String>,
    pub(super) source: Option<String>,
    pub(super) version: Option<String>,
}

/// Why a text is not the manifest of an image.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoImage {
    /// A good manifest of something else; what it is.
    Other(String),
    /// Not a manifest; why.
    Broken(&'static str),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    manifests: Option<Vec<Descriptor>>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    artifact_type: Option<String>,
    platform: Option<Platform>,
}

/// Reads a manifest. `content_type` counts where the manifest itself does not name its type.
pub(super) fn read(body: &[u8], content_type: Option<&str>) -> Result<Image, NoImage> {
    let manifest: Manifest = serde_json::from_slice(body)
        .map_err(|_| NoImage::Broken("its manifest is not JSON of the right shape"))?;
    let Manifest { media_type, artifact_type, config, manifests, annotations } = manifest;
    let media_type = media_type.or_else(|| content_type.map(str::to_owned)).unwrap_or_default();
    if let Some(kind) = artifact_type.filter(|kind| !kind.is_empty()) {
        return Err(NoImage::Other(named(&kind)));
    }
    let content = match (media_type.as_str(), config, manifests) {
        (OCI_MANIFEST | DOCKER_MANIFEST, Some(config), None) => image(config)?,
        (OCI_INDEX | DOCKER_LIST, None, Some(manifests)) => index(manifests)?,
        (OCI_MANIFEST | DOCKER_MANIFEST | OCI_INDEX | DOCKER_LIST, ..) => {
            return Err(NoImage::Broken("its manifest is neither that of an image nor an index"));
        }
        (other, ..) => return Err(NoImage::Other(named(other))),
    };
    Ok(Image { media_type, content, facts: Facts::of(&annotations.unwrap_or_default()) })
}

fn image(config: Descriptor) -> Result<Content, NoImage> {
    if !IMAGE_CONFIGS.contains(&config.media_type.as_str()) {
        return Err(NoImage::Other(named(&config.media_type)));
    }
    checked(config.digest).map(|config_digest| Content::Image { config_digest })
}

/// Builders put attestations beside the images.
fn index(manifests: Vec<Descriptor>) -> Result<Content, NoImage> {
    let is_image = |descriptor: &Descriptor| {
        [OCI_MANIFEST, DOCKER_MANIFEST].contains(&descriptor.media_type.as_str())
            && descriptor.artifact_type.is_none()
            && !descriptor.platform.as_ref().is_some_and(Platform::is_unknown)
    };
    let images = manifests
        .into_iter()
        .filter(is_image)
        .map(|Descriptor { digest, platform, .. }| checked(digest).map(|digest| Member { digest, platform }));
    let images: Vec<Member> = images.collect::<Result<_, _>>()?;
    if images.is_empty() {
        return Err(NoImage::Other("an index without an image in it".to_owned()));
    }
    Ok(Content::Index { images })
}

fn checked(digest: String) -> Result<String, NoImage> {
    if is_digest(&digest) {
        Ok(digest)
    } else {
        Err(NoImage::Broken("its manifest names a digest that is no sha256"))
    }
}

/// Artifacts that end up in the same registries.
fn named(media_type: &str) -> String {
    match media_type {
        "application/vnd.cncf.helm.config.v1+json" => "a Helm chart".to_owned(),
        "application/vnd.cncf.flux.config.v1+json" => "a Flux artifact".to_owned(),
        "application/vnd.docker.distribution.manifest.v1+prettyjws"
        | "application/vnd.docker.distribution.manifest.v1+json" => {
            "an image of Docker's schema 1, which containerd no longer pulls".to_owned()
        }
        other => format!("an artifact of type {:?}", bounded(other)),
    }
}

impl Facts {
    fn of(annotations: &BTreeMap<String, String>) -> Self {
        let fact = |name: &str| {
            let text = annotations.get(&format!("org.opencontainers.image.{name}"))?;
            Some(bounded(text)).filter(|text| !text.is_empty())
        };
        Self {
            created: fact("created").and_then(|text| build_time(&text)),
            revision: fact("revision"),
            source: fact("source"),
            version: fact("version"),
        }
    }

    /// What is known here, and for the rest what is known there.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            created: self.created.or(other.created),
            revision: self.revision.or(other.revision),
            source: self.source.or(other.source),
            version: self.version.or(other.version),
        }
    }
}

pub(super) fn bounded(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(MAX_FACT_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    const DIGEST: &str = "sha256:45b23dee08af5e43a7fea6c4cf9c25ccf269ee113168c19722f87876677c5cb2";
    const ATTESTATION: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

    fn descriptor(media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": DIGEST, "size": 1})
    }

    fn read_value(value: &Value, content_type: Option<&str>) -> Result<Image, NoImage> {
        read(value.to_string().as_bytes(), content_type)
    }

    #[rstest]
    #[case(OCI_MANIFEST, IMAGE_CONFIGS[0])]
    #[case(DOCKER_MANIFEST, IMAGE_CONFIGS[1])]
    fn images(#[case] media_type: &str, #[case] config: &str) {
        let typed =
            json!({"schemaVersion": 2, "mediaType": media_type, "config": descriptor(config), "layers": []});
        let untyped = json!({"schemaVersion": 2, "config": descriptor(config), "layers": []});
        for image in [read_value(&typed, None), read_value(&untyped, Some(media_type))] {
            let image = image.unwrap();
            assert_eq!(image.media_type, media_type);
            assert_eq!(image.content, Content::Image { config_digest: DIGEST.into() });
        }
    }

    #[rstest]
    #[case(OCI_INDEX, OCI_MANIFEST)]
    #[case(DOCKER_LIST, DOCKER_MANIFEST)]
    fn indexes_without_their_attestations(#[case] media_type: &str, #[case] manifest: &str) {
        let attestation = json!({"mediaType": manifest, "digest": ATTESTATION, "size": 1,
            "platform": {"os": "unknown", "architecture": "unknown"}});
        let index = json!({"mediaType": media_type, "manifests": [attestation, descriptor(manifest)]});
        assert_eq!(
            read_value(&index, None).unwrap().content,
            Content::Index { images: vec![Member { digest: DIGEST.into(), platform: None }] }
        );
    }

    #[test]
    fn facts_are_bounded() {
        let long = format!("a\n{}", "é".repeat(1000));
        let manifest = json!({"mediaType": OCI_MANIFEST, "config": descriptor(IMAGE_CONFIGS[0]), "annotations": {
            "org.opencontainers.image.created": "2026-01-02T03:04:05Z", "org.opencontainers.image.revision": long,
            "org.opencontainers.image.source": "", "org.opencontainers.image.version": "1.2",
        }});
        let facts = read_value(&manifest, None).unwrap().facts;
        assert_eq!(facts.created, Some("2026-01-02T03:04:05Z".parse().unwrap()));
        assert_eq!(facts.revision.unwrap(), format!("a{}", "é".repeat(255)));
        assert_eq!((facts.source, facts.version.as_deref()), (None, Some("1.2")));
    }

    #[rstest]
    #[case(json!({"mediaType": OCI_MANIFEST, "config": descriptor("application/vnd.cncf.helm.config.v1+json")}), "a Helm chart")]
    #[case(
        json!({"mediaType": OCI_MANIFEST, "artifactType": "application/x", "config": descriptor(IMAGE_CONFIGS[0])}),
        "an artifact of type \"application/x\""
    )]
    #[case(
        json!({"mediaType": OCI_MANIFEST, "config": descriptor("application/vnd.oci.empty.v1+json")}),
        "an artifact of type \"application/vnd.oci.empty.v1+json\""
    )]
    #[case(json!({"mediaType": OCI_INDEX, "manifests": []}), "an index without an image in it")]
    #[case(json!({"mediaType": OCI_INDEX, "manifests": [descriptor(OCI_INDEX)]}), "an index without an image in it")]
    #[case(
        json!({"mediaType": "application/vnd.docker.distribution.manifest.v1+prettyjws"}),
        "an image of Docker's schema 1, which containerd no longer pulls"
    )]
    #[case(json!({}), "an artifact of type \"\"")]
    fn other_things(#[case] manifest: Value, #[case] what: &str) {
        assert_eq!(read_value(&manifest, None), Err(NoImage::Other(what.to_owned())));
    }

    #[rstest]
    #[case(json!([]))]
    #[case(json!({"mediaType": OCI_MANIFEST}))]
    #[case(json!({"mediaType": OCI_INDEX, "config": descriptor(IMAGE_CONFIGS[0])}))]
    #[case(json!({"mediaType": OCI_INDEX, "config": descriptor(IMAGE_CONFIGS[0]), "manifests": [descriptor(OCI_MANIFEST)]}))]
    #[case(json!({"mediaType": OCI_MANIFEST, "config": {"mediaType": IMAGE_CONFIGS[0], "digest": "sha256:../../x"}}))]
    fn broken_ones(#[case] manifest: Value) {
        assert!(matches!(read_value(&manifest, None), Err(NoImage::Broken(_))));
    }
}
