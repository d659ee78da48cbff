//! Which text in a file is the code reference. Pure.
//!
//! A file is plain text with one line that is the reference, or YAML (JSON is YAML) with a field that holds it, whole or
//! in parts. In a Config or Server manifest the field is known; elsewhere `field` says where it is. The file is hostile input: its
//! documents are parsed under the budgets of serde-saphyr, a key that is there twice is refused, and no value of
//! the file is ever in an error. Names of keys are kept apart from the message, see [`FieldError::with_names`].
//!
//! Whether the text is a reference is judged by `voxsync_crds::reference`, not here.

mod image;
mod path;

use std::fmt;

use serde_json::Value;
use thiserror::Error;

use self::{
    image::PartsProblem,
    path::{Step, Walk},
};

/// The longest text that is taken for a reference.
pub const MAX_REFERENCE_CHARACTERS: usize = 512;
/// The most documents in one file.
const MAX_DOCUMENTS: usize = 256;
/// The most YAML nodes in one file, aliases followed.
const MAX_NODES: usize = 100_000;
/// How many names of keys an error carries.
const MAX_NAMES: usize = 10;
/// The longest name of a key in an error.
const MAX_NAME_CHARACTERS: usize = 64;
/// The API group of the manifests whose field is known.
const GROUP: &str = "openvox.voxpupuli.org/";

/// Where in a file to look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Selection<'a> {
    /// `spec.code.image`, `spec.code[0].image`, `spec.code[environment=production].image`; or an image that is named in
    /// parts, `images[name=ghcr.io/example/puppet-code]` of a kustomization, `image` of Helm values. Without it, the code
    /// image of the Config or Server in the file, or the one line of a plain text file.
    pub field: Option<&'a str>,
    /// Only documents of this kind.
    pub kind: Option<&'a str>,
    /// Only documents with this `metadata.name`.
    pub name: Option<&'a str>,
}

/// Why there is no reference to be taken from a file. Shows nothing of the file's own text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// What is wrong.
    pub problem: FieldProblem,
    /// The names that are there instead, bounded. For messages about repositories only: see [`Self::with_names`].
    pub names: Vec<String>,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FieldProblem {
    /// Not text.
    #[error("the file is not UTF-8 text")]
    NotText,
    /// Not YAML, or YAML that costs too much, or a key twice.
    #[error("the file is not sound YAML or JSON{0}")]
    NotYaml(Place),
    /// Nothing in it.
    #[error("the file is empty")]
    Empty,
    /// Plain text of more than one line.
    #[error("the file is plain text of {0} lines: it must have one, which is the reference")]
    ManyLines(usize),
    /// Neither plain text nor a known manifest, and nobody says which field.
    #[error("the file has no Config or Server with a code image: say in `field` where the reference is")]
    NoField,
    /// `field` is no path.
    #[error(
        "field `{0}` is not a path; for example spec.code.image or spec.code[environment=production].image"
    )]
    PathMalformed(String),
    /// `field` is given and the file is plain text.
    #[error("field `{0}` is given, but the file is plain text: leave `field` out")]
    PlainText(String),
    /// No document of the kind and name that were asked for.
    #[error("the file has no {0}")]
    NoObject(String),
    /// The path ends before its end.
    #[error("field `{field}` is not in the file: {}", as_far_as(reached))]
    Missing {
        /// The whole path.
        field: String,
        /// As far as it goes.
        reached: String,
    },
    /// Something else than a text is there.
    #[error("field `{field}` is {what}, not a text")]
    NotString {
        /// The path.
        field: String,
        /// What kind of value it is.
        what: &'static str,
    },
    /// An image that is named in parts has a repository alone.
    #[error("field `{field}` has `{repository}`, but neither `{}` nor `{}`", .missing[0], .missing[1])]
    OnlyRepository {
        /// The path.
        field: String,
        /// The key of the repository.
        repository: &'static str,
        /// The keys of which one must be there.
        missing: [&'static str; 2],
    },
    /// The text is empty.
    #[error("field `{0}` is empty")]
    EmptyString(String),
    /// The text cannot be a reference, for its length or for a space in it.
    #[error("the text at `{0}` is no reference: it is longer than 512 characters or has a space in it")]
    NoReference(String),
    /// More than one document has the field.
    #[error("{0} documents in the file have a reference: choose one with `kind` and `name`")]
    ManyDocuments(usize),
    /// `spec.code` is a list of several entries.
    #[error(
        "spec.code has {0} entries with an image: choose one, for instance with the field \
         spec.code[environment=production].image"
    )]
    ManyEntries(usize),
}

/// Where in a text, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(Option<(u64, u64)>);

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((line, column)) => write!(formatter, " (line {line}, column {column})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(formatter)
    }
}

impl std::error::Error for FieldError {}

impl FieldError {
    /// The message with the names that are there: for files of a repository, never for files of this machine.
    pub fn with_names(&self) -> String {
        if self.names.is_empty() {
            self.to_string()
        } else {
            format!("{self}; there: {}", self.names.join(", "))
        }
    }
}

impl From<FieldProblem> for FieldError {
    fn from(problem: FieldProblem) -> Self {
        Self { problem, names: Vec::new() }
    }
}

fn as_far_as(reached: &str) -> String {
    if reached.is_empty() {
        "nothing of it is".to_owned()
    } else {
        format!("`{reached}` is the last part that is")
    }
}

/// The reference in a file, trimmed, at most [`MAX_REFERENCE_CHARACTERS`] long, without a space in it.
pub fn reference_in(bytes: &[u8], selection: Selection<'_>) -> Result<String, FieldError> {
    let text = std::str::from_utf8(bytes).map_err(|_| FieldProblem::NotText)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let documents = documents(text)?;
    if documents.is_empty() {
        return Err(FieldProblem::Empty.into());
    }
    if let [Value::String(_) | Value::Number(_) | Value::Bool(_)] = documents.as_slice() {
        return match selection.field {
            Some(field) => Err(FieldProblem::PlainText(field.to_owned()).into()),
            None => plain(text, documents.first()),
        };
    }
    let wanted = wanted(&documents, selection)?;
    match selection.field {
        Some(field) => at_path(&wanted, field),
        None => in_manifests(&wanted),
    }
}

fn documents(text: &str) -> Result<Vec<Value>, FieldProblem> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_documents: MAX_DOCUMENTS, max_nodes: MAX_NODES },
        with_snippet: false,
    };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
        let place = error.location().map(|place| (place.line(), place.column()));
        FieldProblem::NotYaml(Place(place))
    })
}

/// The one line of a plain text file. YAML has taken quotes and comments off a text; what it takes for a number is
/// read as it stands.
fn plain(text: &str, value: Option<&Value>) -> Result<String, FieldError> {
    let lines = text.lines().map(str::trim).filter(|line| !matches!(*line, "" | "---" | "..."));
    let lines: Vec<&str> = lines.filter(|line| !line.starts_with('#')).collect();
    match (lines.as_slice(), value) {
        ([_], Some(Value::String(text))) => reference(text, "the line"),
        ([line], _) => reference(line, "the line"),
        (lines, _) => Err(FieldProblem::ManyLines(lines.len()).into()),
    }
}

/// The documents of the kind and name that are asked for.
fn wanted<'a>(documents: &'a [Value], selection: Selection<'_>) -> Result<Vec<&'a Value>, FieldError> {
    let fits = |document: &&Value| {
        selection.kind.is_none_or(|kind| text_at(document, "/kind") == Some(kind))
            && selection.name.is_none_or(|name| text_at(document, "/metadata/name") == Some(name))
    };
    let wanted: Vec<&Value> = documents.iter().filter(fits).collect();
    if wanted.is_empty() {
        let asked = match (selection.kind, selection.name) {
            (Some(kind), Some(name)) => format!("{kind} `{name}`"),
            (Some(kind), None) => kind.to_owned(),
            (None, name) => format!("object `{}`", name.unwrap_or_default()),
        };
        return Err(FieldError { problem: FieldProblem::NoObject(asked), names: objects(documents) });
    }
    Ok(wanted)
}

fn at_path(documents: &[&Value], field: &str) -> Result<String, FieldError> {
    let steps = path::parse(field).ok_or_else(|| FieldProblem::PathMalformed(field.to_owned()))?;
    let walks: Vec<Walk<'_>> = documents.iter().map(|document| path::walk(document, &steps)).collect();
    let found: Vec<&Value> = walks.iter().filter_map(|walk| walk.found(&steps)).collect();
    match found.as_slice() {
        [value] => string(value, field),
        [] => Err(furthest(&walks, &steps, field)),
        several => Err(FieldProblem::ManyDocuments(several.len()).into()),
    }
}

/// The error of the document in which the path goes furthest: that is the one that was meant.
fn furthest(walks: &[Walk<'_>], steps: &[Step<'_>], field: &str) -> FieldError {
    let best = walks.iter().max_by_key(|walk| walk.depth);
    let reached = best.and_then(|walk| steps.get(..walk.depth)).map(path::render).unwrap_or_default();
    let names = best.map(|walk| names_in(walk.last)).unwrap_or_default();
    FieldError { problem: FieldProblem::Missing { field: field.to_owned(), reached }, names }
}

/// The code image of the one Config or Server that has one.
fn in_manifests(documents: &[&Value]) -> Result<String, FieldError> {
    let known = |document: &&&Value| {
        text_at(document, "/apiVersion").is_some_and(|version| version.starts_with(GROUP))
            && matches!(text_at(document, "/kind"), Some("Config" | "Server"))
    };
    let codes = documents.iter().filter(known).filter_map(|document| document.pointer("/spec/code"));
    let images: Vec<Vec<&Value>> = codes.map(images).filter(|images| !images.is_empty()).collect();
    match images.as_slice() {
        [one] => match one.as_slice() {
            [image] => string(image, "spec.code.image"),
            entries => Err(FieldProblem::ManyEntries(entries.len()).into()),
        },
        [] => {
            let names = documents.iter().copied().flat_map(object).take(MAX_NAMES).collect();
            Err(FieldError { problem: FieldProblem::NoField, names })
        }
        several => Err(FieldProblem::ManyDocuments(several.len()).into()),
    }
}

/// The images of `spec.code`, whichever of its two shapes it has.
fn images(code: &Value) -> Vec<&Value> {
    match code {
        Value::Array(entries) => entries.iter().filter_map(|entry| entry.get("image")).collect(),
        other => other.get("image").into_iter().collect(),
    }
}

fn string(value: &Value, field: &str) -> Result<String, FieldError> {
    match value {
        Value::String(text) => reference(text, field),
        Value::Null => Err(FieldProblem::EmptyString(field.to_owned()).into()),
        Value::Object(map) => match image::in_parts(map) {
            Ok(Some(text)) => reference(&text, field),
            Ok(None) => Err(not_string(value, field.to_owned())),
            Err(PartsProblem::NotText(key, part)) => Err(not_string(part, format!("{field}.{key}"))),
            Err(PartsProblem::OnlyRepository(repository, missing)) => {
                Err(FieldProblem::OnlyRepository { field: field.to_owned(), repository, missing }.into())
            }
        },
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => Err(not_string(value, field.to_owned())),
    }
}

fn not_string(value: &Value, field: String) -> FieldError {
    let what = match value {
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number (put it in quotes)",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
        Value::String(_) | Value::Null => "empty",
    };
    FieldError { problem: FieldProblem::NotString { field, what }, names: names_in(value) }
}

fn reference(text: &str, place: &str) -> Result<String, FieldError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(FieldProblem::EmptyString(place.to_owned()).into());
    }
    let unfit = |character: char| character.is_whitespace() || character.is_control();
    if text.chars().count() > MAX_REFERENCE_CHARACTERS || text.contains(unfit) {
        return Err(FieldProblem::NoReference(place.to_owned()).into());
    }
    Ok(text.to_owned())
}

fn text_at<'a>(document: &'a Value, pointer: &str) -> Option<&'a str> {
    document.pointer(pointer)?.as_str()
}

fn objects(documents: &[Value]) -> Vec<String> {
    documents.iter().flat_map(object).take(MAX_NAMES).collect()
}

/// Kind and name of an object; of what is none, its keys.
fn object(document: &Value) -> Vec<String> {
    if text_at(document, "/kind").is_none() {
        return names_in(document);
    }
    let part = |pointer| name(text_at(document, pointer).unwrap_or("?"));
    vec![format!("{}/{}", part("/kind"), part("/metadata/name"))]
}

fn names_in(value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) => map.keys().map(|key| name(key)).take(MAX_NAMES).collect(),
        Value::Array(entries) => vec![format!("a list of {}", entries.len())],
        _ => Vec::new(),
    }
}

/// A name from the file, fit for a message.
fn name(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(MAX_NAME_CHARACTERS).collect()
}

#[cfg(test)]
mod tests;
