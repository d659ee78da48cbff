//! An object as the bytes of its JSON.
//!
//! Kubernetes' own types have room for every field there is: a volume takes 3 KB and a container 2 KB, whatever is in
//! them. What is many, and looked at one at a time, is kept packed.

use std::{fmt, marker::PhantomData};

use serde::{Serialize, de::DeserializeOwned};

/// An object as the bytes of its JSON.
pub(crate) struct Packed<T> {
    json: Box<[u8]>,
    of: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> Packed<T> {
    pub(crate) fn new(object: &T) -> Self {
        // Into memory, and with texts as the names of members, it cannot fail.
        Self { json: serde_json::to_vec(object).unwrap_or_default().into(), of: PhantomData }
    }

    /// The object. What was packed can be unpacked.
    pub(crate) fn unpack(&self) -> Option<T> {
        serde_json::from_slice(&self.json).ok()
    }
}

impl<T> Clone for Packed<T> {
    fn clone(&self) -> Self {
        Self { json: self.json.clone(), of: PhantomData }
    }
}

impl<T> fmt::Debug for Packed<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&String::from_utf8_lossy(&self.json))
    }
}
