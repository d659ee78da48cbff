//! What the registry holds.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::body::Bytes;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// All that one demo may push, in bytes: more is refused instead of eating the machine's memory.
pub const STORE_LIMIT_BYTES: usize = 512 << 20;

/// The registry's content; clones share it.
#[derive(Clone, Default)]
pub struct Store(Arc<Mutex<Content>>);

#[derive(Default)]
pub struct Content {
    pub blobs: HashMap<String, Bytes>,
    pub uploads: HashMap<String, Vec<u8>>,
    pub repositories: BTreeMap<String, Repository>,
    next_upload: u64,
}

#[derive(Default)]
pub struct Repository {
    pub tags: BTreeMap<String, String>,
    pub manifests: HashMap<String, Manifest>,
}

#[derive(Clone)]
pub struct Manifest {
    pub media_type: String,
    pub body: Bytes,
}

impl Store {
    pub fn lock(&self) -> MutexGuard<'_, Content> {
        // Each change is one insert: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores an image that was made here, under a tag; gives its digest.
    pub fn push(
        &self,
        repository: &str,
        tag: &str,
        blobs: &[Vec<u8>],
        manifest: Vec<u8>,
        media_type: &str,
    ) -> String {
        let mut content = self.lock();
        for blob in blobs {
            content.blobs.insert(digest(blob), Bytes::from(blob.clone()));
        }
        content.put_manifest(repository, tag, media_type.to_owned(), Bytes::from(manifest))
    }

    /// Lets the blobs of an image's layers disappear, as a careless clean-up does: the tag stays, and cannot be
    /// pulled any more.
    pub fn lose_layers(&self, repository: &str, reference: &str) {
        let mut content = self.lock();
        let layers = content
            .manifest(repository, reference)
            .map(|(_, manifest)| layers(&manifest))
            .unwrap_or_default();
        for layer in layers {
            content.blobs.remove(&layer);
        }
    }

    /// What a node says that cannot pull a reference; `None` where it can.
    pub fn pull_problem(&self, repository: &str, reference: &str) -> Option<String> {
        let content = self.lock();
        let Some((_, manifest)) = content.manifest(repository, reference) else {
            return Some(format!("{repository}:{reference}: not found"));
        };
        let missing = layers(&manifest).into_iter().find(|layer| !content.blobs.contains_key(layer))?;
        Some(format!("manifest for {repository}:{reference} has a layer that is not there: {missing}"))
    }
}

impl Content {
    /// A manifest by tag or digest, with its digest.
    pub fn manifest(&self, repository: &str, reference: &str) -> Option<(String, Manifest)> {
        let repository = self.repositories.get(repository)?;
        let digest = repository.tags.get(reference).map_or(reference, String::as_str);
        repository.manifests.get(digest).map(|manifest| (digest.to_owned(), manifest.clone()))
    }

    pub fn put_manifest(
        &mut self,
        repository: &str,
        reference: &str,
        media_type: String,
        body: Bytes,
    ) -> String {
        let digest = digest(&body);
        let repository = self.repositories.entry(repository.to_owned()).or_default();
        repository.manifests.insert(digest.clone(), Manifest { media_type, body });
        if !reference.contains(':') {
            repository.tags.insert(reference.to_owned(), digest.clone());
        }
        digest
    }

    pub fn start_upload(&mut self) -> String {
        self.next_upload += 1;
        let id = format!("{:08x}", self.next_upload);
        self.uploads.insert(id.clone(), Vec::new());
        id
    }

    pub fn size_bytes(&self) -> usize {
        self.blobs.values().map(Bytes::len).chain(self.uploads.values().map(Vec::len)).sum()
    }
}

/// `sha256:` and the hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn layers(manifest: &Manifest) -> Vec<String> {
    let value: Value = serde_json::from_slice(&manifest.body).unwrap_or_default();
    let layers = value["layers"].as_array().cloned().unwrap_or_default();
    layers.iter().filter_map(|layer| layer["digest"].as_str().map(str::to_owned)).collect()
}
