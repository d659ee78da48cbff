//! The signatures of an image that cosign put beside it. They are only read here; whether they are good is not asked.
//!
//! Three places are looked at, in this order: the tag `sha256-<digest>.sig` (cosign, `SIGNATURE_SPEC.md`), the referrers of
//! the image (OCI distribution specification 1.1, "Listing Referrers"), and where the registry has no such list, the tag
//! `sha256-<digest>` ("Referrers Tag Schema").

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode, Url, header::LINK};
use serde::Deserialize;
use voxsync_crds::reference::is_digest;

use super::{
    Attempt, Problem, RegistryClient, RegistryError, body,
    client::{Question, accepted},
    found::{Found, FoundSignature},
    link::next_page,
    transport,
};

/// How many artifacts beside an image are opened to look for them.
const ARTIFACTS_LIMIT: usize = 64;
/// The largest signature: a bundle with its proofs has about 10 KiB.
const SIGNATURE_LIMIT_BYTES: usize = 1 << 20;
/// The largest page of a list of what refers to an image.
const PAGE_LIMIT_BYTES: usize = 4 << 20;
/// How many of its pages are read; some registries give a hundred entries a page.
const PAGES_LIMIT: usize = 50;
const SIMPLE_LAYER: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIMPLE_ARTIFACT: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
/// Bundles of all versions: `application/vnd.dev.sigstore.bundle.v0.3+json`, `…bundle+json;version=0.1`.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
const PREDICATE: &str = "dev.sigstore.bundle.predicateType";
const SIGNATURE_PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    layers: Vec<Descriptor>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Index {
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    artifact_type: Option<String>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

impl RegistryClient {
    /// The signatures of the image with this digest; none where there are none (yet).
    pub async fn signatures(&self, digest: &str) -> Result<Vec<FoundSignature>, RegistryError> {
        let shown = || Attempt::Read { reference: format!("signatures of {digest}") };
        self.found_signatures(digest).await.map_err(|problem| self.error(shown(), problem))
    }

    async fn found_signatures(&self, digest: &str) -> Result<Vec<FoundSignature>, Problem> {
        let hexadecimal = digest.strip_prefix("sha256:").filter(|_| is_digest(digest));
        let beside = format!("sha256-{}", hexadecimal.ok_or(Problem::NotAReference)?);
        let mut found = Found::default();
        self.add_artifact(&format!("{beside}.sig"), &mut found).await?;
        let artifacts = match self.referrers(digest).await? {
            Some(artifacts) => artifacts,
            None => match self.artifact(&beside).await? {
                Some(index) => listed(&index).ok_or_else(|| self.no_list())?,
                None => Vec::new(),
            },
        };
        for artifact in artifacts.into_iter().take(ARTIFACTS_LIMIT) {
            self.add_artifact(&artifact.digest, &mut found).await?;
        }
        Ok(found.signatures)
    }

    /// The signatures that an artifact holds, where there is one.
    async fn add_artifact(&self, reference: &str, found: &mut Found) -> Result<(), Problem> {
        match self.artifact(reference).await {
            Ok(Some(manifest)) => self.add_layers(&manifest, found).await,
            Ok(None) => Ok(()),
            // No registry takes a broken manifest: what came was made on the way.
            Err(problem @ Problem::BrokenContent { .. }) => {
                found.add(0, FoundSignature::Damaged(problem.to_string()));
                Ok(())
            }
            Err(problem) => found.add_unreadable(problem),
        }
    }

    async fn add_layers(&self, manifest: &[u8], found: &mut Found) -> Result<(), Problem> {
        let Ok(Manifest { layers, annotations }) = serde_json::from_slice(manifest) else {
            found.add(0, FoundSignature::Damaged(self.no_manifest().to_string()));
            return Ok(());
        };
        if !is_approval(annotations.as_ref()) {
            return Ok(());
        }
        for layer in layers {
            let is_simple = layer.media_type == SIMPLE_LAYER;
            if !(is_simple || layer.media_type.starts_with(BUNDLE)) || found.is_full() {
                continue;
            }
            let content = if is_digest(&layer.digest) {
                self.blob(&layer.digest, SIGNATURE_LIMIT_BYTES).await
            } else {
                Err(self.no_manifest())
            };
            match content {
                Ok(payload) if is_simple => {
                    let annotations = layer.annotations.unwrap_or_default();
                    found.add(payload.len(), FoundSignature::Simple { payload, annotations });
                }
                Ok(bundle) => found.add(bundle.len(), FoundSignature::Bundle(bundle)),
                Err(problem) => found.add_unreadable(problem)?,
            }
        }
        Ok(())
    }

    /// The manifest of a tag or digest, where there is one.
    async fn artifact(&self, reference: &str) -> Result<Option<Vec<u8>>, Problem> {
        match self.manifest(reference).await {
            Ok(manifest) => Ok(Some(manifest.body)),
            Err(Problem::TagNotFound { .. } | Problem::DigestNotFound { .. }) => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// The signatures among what refers to the image; none where the registry does not know such lists. It ends where
    /// enough are found.
    async fn referrers(&self, digest: &str) -> Result<Option<Vec<Descriptor>>, Problem> {
        let mut address = self.base.clone();
        address.set_path(&format!("{}referrers/{digest}", self.base.path()));
        let mut found = Vec::new();
        for number in 0..PAGES_LIMIT {
            let Some((page, next)) = self.page_of_referrers(&address, digest).await? else {
                // A part of a list is not a list.
                return if number == 0 { Ok(None) } else { Err(self.no_list()) };
            };
            found.extend(listed(&page).ok_or_else(|| self.no_list())?);
            match next.filter(|_| found.len() < ARTIFACTS_LIMIT) {
                Some(next) => address = next,
                None => break,
            }
        }
        Ok(Some(found))
    }

    /// A page, and where the next one is.
    async fn page_of_referrers(
        &self,
        address: &Url,
        digest: &str,
    ) -> Result<Option<(Vec<u8>, Option<Url>)>, Problem> {
        let question = Question {
            method: Method::GET,
            address: address.clone(),
            accept: OCI_INDEX,
            if_none_match: None,
        };
        let response = self.ask(&question).await?;
        let status = response.status();
        let is_unknown = matches!(
            status,
            StatusCode::NOT_FOUND
                | StatusCode::BAD_REQUEST
                | StatusCode::METHOD_NOT_ALLOWED
                | StatusCode::NOT_ACCEPTABLE
                | StatusCode::NOT_IMPLEMENTED
        );
        if is_unknown || status.is_redirection() {
            // Read to its end, the connection can be used again.
            body::error_code(response).await;
            return Ok(None);
        }
        let missing = Problem::DigestNotFound { digest: digest.to_owned() };
        let response = accepted(response, missing).await?;
        let links = response.headers().get_all(LINK).iter().filter_map(|link| link.to_str().ok());
        let next = next_page(address, links)?;
        Ok(Some((body::read(response, PAGE_LIMIT_BYTES).await?, next)))
    }

    fn no_manifest(&self) -> Problem {
        let host = transport::host_and_port(&self.base);
        Problem::InvalidAnswer { host, detail: "the manifest of a signature is none".to_owned() }
    }

    fn no_list(&self) -> Problem {
        let host = transport::host_and_port(&self.base);
        Problem::InvalidAnswer { host, detail: "the list of an image's signatures is none".to_owned() }
    }
}

/// The signatures that an index lists. What is no index does not say that there are none.
fn listed(index: &[u8]) -> Option<Vec<Descriptor>> {
    let index: Index = serde_json::from_slice(index).ok()?;
    Some(index.manifests.into_iter().flatten().filter(is_signature).collect())
}

/// Whether an entry of a list of referrers may be a signature. Attestations are not: they say something about an image,
/// not that it is good.
fn is_signature(descriptor: &Descriptor) -> bool {
    let kind = descriptor.artifact_type.as_deref().unwrap_or_default();
    is_digest(&descriptor.digest)
        && (kind.is_empty() || kind == SIMPLE_ARTIFACT || kind.starts_with(BUNDLE))
        && is_approval(descriptor.annotations.as_ref())
}

/// Whether annotations say nothing else of a bundle.
fn is_approval(annotations: Option<&BTreeMap<String, String>>) -> bool {
    let predicate = annotations.and_then(|annotations| annotations.get(PREDICATE));
    predicate.is_none_or(|predicate| predicate == SIGNATURE_PREDICATE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use voxsync_hostile::{fuzz, near};

    use super::*;

    #[test]
    fn fuzz_list_of_referrers() {
        let digest = format!("sha256:{}", "0f".repeat(32));
        let manifest = "application/vnd.oci.image.manifest.v1+json";
        let bundle = json!({
            "mediaType": manifest, "digest": digest, "size": 1, "artifactType": format!("{BUNDLE}.v0.3+json"),
            "annotations": {PREDICATE: SIGNATURE_PREDICATE, "org.opencontainers.image.created": "2026-01-02T03:04:05Z"},
        });
        let attestation = json!({"mediaType": manifest, "digest": digest, "annotations": {PREDICATE: "https://slsa.dev/provenance/v1"}});
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [bundle, attestation]});
        let layer = json!({"mediaType": SIMPLE_LAYER, "digest": digest, "annotations": {"a": "b"}});
        let signed = json!({"layers": [layer], "annotations": null, "manifests": []});
        fuzz(near([index, signed].map(|sample| sample.to_string())), |body| {
            let listed = listed(&body).unwrap_or_default();
            assert!(listed.iter().all(is_signature));
            let manifest = serde_json::from_slice::<Manifest>(&body);
            !listed.is_empty() || manifest.is_ok_and(|manifest| !manifest.layers.is_empty())
        });
    }
}
