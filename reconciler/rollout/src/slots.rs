//! Our elements in a list of a pod template that we share with others.
//!
//! Nothing but our own elements is ever written: the others may have fields that this program does not know.

use json_patch::{AddOperation, PatchOperation, RemoveOperation, ReplaceOperation, jsonptr::PointerBuf};
use serde::Serialize;
use serde_json::Value;

/// Which elements of a list are ours, and what they must be.
#[derive(Debug)]
pub(crate) struct Slots<'template, T> {
    /// The whole list as it is; `None` where the template has no such field.
    pub(crate) list: Option<&'template [T]>,
    /// The places of our elements, ascending.
    pub(crate) ours: Vec<usize>,
    /// What they must be.
    pub(crate) wanted: Vec<T>,
    /// Where they go if there are none of ours yet.
    pub(crate) new_place: usize,
}

impl<T: PartialEq + Serialize> Slots<'_, T> {
    /// Whether our elements are as they must be.
    pub(crate) fn are_right(&self) -> bool {
        self.present().eq(&self.wanted)
    }

    /// The fewest operations that make them so.
    pub(crate) fn operations(&self, list: &PointerBuf) -> Vec<PatchOperation> {
        if self.are_right() {
            return Vec::new();
        }
        let at = |place: usize| list.with_trailing_token(place);
        if self.list.is_none() {
            let value = self.wanted.iter().map(to_value).collect();
            return vec![PatchOperation::Add(AddOperation {
                path: list.clone(),
                value: Value::Array(value),
            })];
        }
        if self.ours.len() == self.wanted.len() {
            let pairs = self.ours.iter().zip(self.present().zip(&self.wanted));
            let changed = pairs.filter(|(_, (present, wanted))| present != wanted);
            return changed
                .map(|(place, (_, wanted))| {
                    PatchOperation::Replace(ReplaceOperation { path: at(*place), value: to_value(wanted) })
                })
                .collect();
        }
        // From the back, so that the places in front of it stay what they are.
        let removed =
            self.ours.iter().rev().map(|place| PatchOperation::Remove(RemoveOperation { path: at(*place) }));
        let first = self.ours.first().copied().unwrap_or(self.new_place);
        let added = self.wanted.iter().enumerate().map(|(offset, wanted)| {
            PatchOperation::Add(AddOperation { path: at(first + offset), value: to_value(wanted) })
        });
        removed.chain(added).collect()
    }

    fn present(&self) -> impl Iterator<Item = &T> {
        self.ours.iter().filter_map(|place| self.list?.get(*place))
    }
}

fn to_value<T: Serialize>(element: &T) -> Value {
    // Plain structs with string keys: there is nothing in them that JSON cannot say.
    serde_json::to_value(element).unwrap_or(Value::Null)
}
