//! Where in an object a value is, written as the API server writes it: `spec.stages[0].targets[1].name`.
//!
//! Pure. A path is a chain on the stack, and becomes text only where it is shown.

use std::fmt;

/// A place in an object.
#[derive(Clone, Copy)]
pub(crate) enum FieldPath<'a> {
    Root,
    Member(&'a FieldPath<'a>, &'a str),
    /// A key of a free map, shown in brackets.
    MapKey(&'a FieldPath<'a>, &'a str),
    Item(&'a FieldPath<'a>, usize),
}

impl fmt::Display for FieldPath<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(Self::Root, name) => formatter.write_str(name),
            Self::Member(parent, name) => write!(formatter, "{parent}.{name}"),
            Self::MapKey(parent, name) => write!(formatter, "{parent}[{name}]"),
            Self::Item(parent, index) => write!(formatter, "{parent}[{index}]"),
        }
    }
}
