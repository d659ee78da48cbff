//! Which resources are served now: the built-in ones and those of the CRDs.
//!
//! Plain values; changed only when a CRD is written.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    built_in::built_in,
    resource::{Bucket, Family, Resource},
};

/// All resources, by group, version and plural.
pub(crate) struct Catalog {
    resources: BTreeMap<(String, String, String), Arc<Resource>>,
}

impl Catalog {
    pub(crate) fn built_in() -> Self {
        let mut catalog = Self { resources: BTreeMap::new() };
        built_in().for_each(|resource| catalog.add(resource));
        catalog
    }

    fn add(&mut self, resource: Resource) {
        let key = (resource.group.clone(), resource.version.clone(), resource.plural.clone());
        self.resources.insert(key, Arc::new(resource));
    }

    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        self.resources.get(&(group.to_owned(), version.to_owned(), plural.to_owned())).cloned()
    }

    /// Any version of the resource whose objects are in a bucket.
    pub(crate) fn of_bucket(&self, bucket: &Bucket) -> Option<Arc<Resource>> {
        self.resources.values().find(|resource| resource.bucket() == *bucket).cloned()
    }

    /// The resource of a kind in a group and version.
    pub(crate) fn of_kind(&self, api_version: &str, kind: &str) -> Option<Arc<Resource>> {
        self.resources
            .values()
            .find(|resource| resource.kind == kind && resource.api_version() == api_version)
            .cloned()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values()
    }

    /// Puts the resources of a CRD in the place of those that it had.
    pub(crate) fn replace_custom(&mut self, bucket: &Bucket, with: Vec<Resource>) {
        self.resources.retain(|_, resource| {
            resource.bucket() != *bucket || matches!(resource.family, Family::BuiltIn(_))
        });
        for resource in with {
            self.add(resource);
        }
    }
}
