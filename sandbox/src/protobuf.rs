//! The little of Kubernetes' protobuf encoding that `kubectl create namespace|secret|configmap|serviceaccount`
//! sends. Everything else is asked for as JSON.
//!
//! Pure. Field numbers are those of `k8s.io/api/core/v1/generated.proto` and
//! `k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto`. Reads hostile bytes: every length is checked.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use crate::json::{member_mut, metadata_mut, object_mut};

const MAGIC: &[u8] = b"k8s\0";

/// How the content of a field becomes JSON.
#[derive(Clone, Copy)]
enum Content {
    Text,
    /// An entry of a map of texts.
    TextEntry,
    /// An entry of a map of bytes, which JSON carries in base64.
    BytesEntry,
}

type Fields = &'static [(u64, &'static str, Content)];

const METADATA: Fields = &[
    (1, "name", Content::Text),
    (2, "generateName", Content::Text),
    (3, "namespace", Content::Text),
    (11, "labels", Content::TextEntry),
    (12, "annotations", Content::TextEntry),
];

fn fields_of(kind: &str) -> Option<Fields> {
    match kind {
        "Namespace" | "ServiceAccount" => Some(&[]),
        "Secret" => Some(&[
            (2, "data", Content::BytesEntry),
            (3, "type", Content::Text),
            (4, "stringData", Content::TextEntry),
        ]),
        "ConfigMap" => Some(&[(2, "data", Content::TextEntry), (3, "binaryData", Content::BytesEntry)]),
        _ => None,
    }
}

/// Reads an object; nothing if it is of a kind that is only read as JSON, or malformed.
pub(crate) fn read(bytes: &[u8]) -> Option<Value> {
    let mut kind = (String::new(), String::new());
    let mut raw: &[u8] = &[];
    for (number, content) in messages(bytes.strip_prefix(MAGIC)?)? {
        match number {
            1 => {
                for (number, content) in messages(content)? {
                    match number {
                        1 => kind.0 = text(content)?,
                        2 => kind.1 = text(content)?,
                        _ => {}
                    }
                }
            }
            2 => raw = content,
            _ => {}
        }
    }
    let mut object = json!({"apiVersion": kind.0, "kind": kind.1});
    let fields = fields_of(&kind.1)?;
    for (number, content) in messages(raw)? {
        if number == 1 {
            for (number, content) in messages(content)? {
                put(metadata_mut(&mut object), METADATA, number, content)?;
            }
        } else {
            put(object_mut(&mut object), fields, number, content)?;
        }
    }
    Some(object)
}

fn put(members: &mut Map<String, Value>, fields: Fields, number: u64, content: &[u8]) -> Option<()> {
    let Some((_, name, kind)) = fields.iter().find(|(known, _, _)| *known == number) else { return Some(()) };
    match kind {
        // Protobuf knows no absent text, only an empty one.
        Content::Text if content.is_empty() => {}
        Content::Text => {
            members.insert((*name).to_owned(), json!(text(content)?));
        }
        Content::TextEntry | Content::BytesEntry => {
            let (mut key, mut value): (String, &[u8]) = (String::new(), &[]);
            for (number, content) in messages(content)? {
                match number {
                    1 => key = text(content)?,
                    _ => value = content,
                }
            }
            let value = match kind {
                Content::BytesEntry => STANDARD.encode(value),
                _ => text(value)?,
            };
            let mut map = Value::Object(std::mem::take(members));
            member_mut(&mut map, name).insert(key, json!(value));
            std::mem::swap(members, object_mut(&mut map));
        }
    }
    Some(())
}

fn text(content: &[u8]) -> Option<String> {
    String::from_utf8(content.to_vec()).ok()
}

/// The fields of a message that have a length: texts, bytes and messages. Numbers are skipped.
fn messages(mut bytes: &[u8]) -> Option<Vec<(u64, &[u8])>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (tag, rest) = variable_length_number(bytes)?;
        bytes = match tag & 7 {
            0 => variable_length_number(rest)?.1,
            1 => rest.get(8..)?,
            2 => {
                let (length, rest) = variable_length_number(rest)?;
                let (content, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                found.push((tag >> 3, content));
                rest
            }
            5 => rest.get(4..)?,
            _ => return None,
        };
    }
    Some(found)
}

fn variable_length_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f).checked_shl(u32::try_from(index).ok()? * 7)?;
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(index + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `kubectl create secret generic s --from-literal=a=b` sends, without its empty fields.
    const SECRET: &[u8] = b"k8s\x00\x0a\x0c\x0a\x02v1\x12\x06Secret\x12\x18\x0a\x06\x0a\x01s\x1a\x01n\x12\x06\x0a\x01a\x12\x01b\x1a\x06Opaque";

    #[test]
    fn reads_a_secret() {
        let expected = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"},
                              "data": {"a": "Yg=="}, "type": "Opaque"});
        assert_eq!(read(SECRET), Some(expected));
    }

    #[test]
    fn every_shortened_message_is_refused_or_read_without_panic() {
        for length in 0..SECRET.len() {
            let _ = read(&SECRET[..length]);
        }
        assert_eq!(read(b"k8s\0\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), None);
    }
}
