//! Who is owned by whom: the dependents of an owner, without a look at all objects.
//!
//! Told of every change by the store, and of nothing else. Owners are known by their uid, there or gone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    json::{list, text},
    resource::Bucket,
    store::Key,
};

/// Where an object is: its bucket, and its key in there.
pub(crate) type Place = (Bucket, Key);

/// The places of all objects that have an owner, by the owner's uid.
#[derive(Default)]
pub(crate) struct Owners(BTreeMap<String, BTreeSet<Place>>);

impl Owners {
    /// Takes note of a change at a place, from the object before it to the one after it.
    pub(crate) fn note(&mut self, bucket: &Bucket, key: &Key, before: Option<&Value>, after: Option<&Value>) {
        let [old, new] = [before, after].map(|object| object.map(owners).unwrap_or_default());
        if old == new {
            return;
        }
        let place = (bucket.clone(), key.clone());
        for owner in old.difference(&new) {
            if let Some(places) = self.0.get_mut(*owner) {
                places.remove(&place);
                if places.is_empty() {
                    self.0.remove(*owner);
                }
            }
        }
        for owner in new.difference(&old) {
            self.0.entry((*owner).to_owned()).or_default().insert(place.clone());
        }
    }

    /// The places of an owner's dependents, in the order of the store.
    pub(crate) fn dependents(&self, owner: &str) -> impl Iterator<Item = &Place> {
        self.0.get(owner).into_iter().flatten()
    }
}

/// The uids of an object's owners.
fn owners(object: &Value) -> BTreeSet<&str> {
    list(object, "/metadata/ownerReferences").iter().filter_map(|reference| text(reference, "/uid")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*};
    use serde_json::json;

    use super::*;
    use crate::store::Store;

    const BUCKETS: usize = 2;
    const NAMES: u8 = 4;
    const OWNERS: u8 = 3;

    /// One write: in which bucket, under which name, and with which owners; none where the object is taken away.
    type Action = (usize, u8, Option<Vec<u8>>);

    fn actions() -> impl Strategy<Value = Vec<Action>> {
        vec((0..BUCKETS, 0..NAMES, option::of(vec(0..OWNERS, 0..3))), 1..40)
    }

    fn bucket(number: usize) -> Bucket {
        ("apps".to_owned(), number.to_string())
    }

    fn object(name: u8, owners: &[u8]) -> Value {
        let references: Vec<Value> =
            owners.iter().map(|owner| json!({"uid": owner.to_string(), "controller": true})).collect();
        let mut metadata = json!({"name": name.to_string(), "namespace": (name % 2).to_string()});
        if !references.is_empty() {
            metadata["ownerReferences"] = json!(references);
        }
        json!({"metadata": metadata})
    }

    fn act(store: &mut Store, (place, name, owners): &Action) {
        let anew = object(*name, owners.as_deref().unwrap_or_default());
        if owners.is_some() {
            store.put(&bucket(*place), anew);
        } else {
            store.remove(&bucket(*place), &Key::of(&anew));
        }
    }

    proptest! {
        /// What the index says is what a look at all objects says, after each write.
        #[test]
        fn it_is_in_step_with_every_write(actions in actions()) {
            let mut store = Store::new(8);
            for action in &actions {
                act(&mut store, action);
                for owner in 0..OWNERS {
                    let owner = owner.to_string();
                    let found: Vec<_> = store.dependents(&owner).collect();
                    let all = store.everything();
                    let slow: Vec<_> = all.filter(|(_, _, object)| owners(object).contains(owner.as_str())).collect();
                    prop_assert_eq!(found, slow);
                }
            }
        }

        /// Owners without dependents are forgotten, whatever was written before.
        #[test]
        fn nothing_of_what_is_gone_is_kept(actions in actions()) {
            let mut index = Owners::default();
            let mut present = BTreeMap::<Place, Value>::new();
            for (place, name, owners) in &actions {
                let after = owners.as_ref().map(|owners| object(*name, owners));
                let place = (bucket(*place), Key::of(&object(*name, &[])));
                index.note(&place.0, &place.1, present.get(&place), after.as_ref());
                match after {
                    Some(after) => present.insert(place, after),
                    None => present.remove(&place),
                };
            }
            for ((bucket, key), object) in &present {
                index.note(bucket, key, Some(object), None);
            }
            prop_assert!(index.0.is_empty(), "{:?}", index.0);
        }
    }
}
