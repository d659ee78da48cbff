//! Reading of OpenPGP keys (RFC 9580, 10.1), armored or as they are in a keyring.
//!
//! A reader that skips what it does not understand may skip a revocation. So every packet has its place in a key, or the
//! file is refused; and a revocation counts wherever it is in any of the files, beside another copy of its key, too.

use std::io::{Cursor, Read as _};

use pgp::{
    armor::{BlockType, Dearmor},
    composed::{Deserializable as _, SignedPublicKey},
    errors::Error,
    packet::{Packet, PacketParser, PacketTrait as _, Signature, SignatureType},
    types::Tag,
};

use crate::{BadMaterial, text::shown};

/// How many keys a file may have.
const KEYS_LIMIT: usize = 500;
/// How many packets a file may have. Of each there is more in memory than in the file.
const PACKETS_LIMIT: usize = 10_000;
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";
const BEGIN: &str = super::PGP_KEY;

/// Keys, and what revokes some of them.
#[derive(Default)]
pub(super) struct Keyring {
    pub(super) keys: Vec<SignedPublicKey>,
    pub(super) revocations: Vec<Signature>,
}

impl Keyring {
    /// Adds armored keys, one block after the other.
    pub(super) fn add_armored(&mut self, file: &str, text: &str) -> Result<(), BadMaterial> {
        for block in text.split_inclusive(END) {
            let Some(begin) = block.find(BEGIN) else { continue };
            let block = block.get(begin..).unwrap_or(block);
            let mut armor = Dearmor::new(Cursor::new(block.as_bytes()));
            let mut bytes = Vec::new();
            armor.read_to_end(&mut bytes).map_err(|error| unreadable(file, &error))?;
            if armor.typ != Some(BlockType::PublicKey) {
                return Err(unreadable(file, &"it is armored as something else"));
            }
            self.add(file, &bytes)?;
        }
        Ok(())
    }

    /// Adds keys as they are in a keyring.
    pub(super) fn add(&mut self, file: &str, bytes: &[u8]) -> Result<(), BadMaterial> {
        let mut packets = Vec::new();
        for (number, packet) in PacketParser::new(Cursor::new(bytes)).enumerate() {
            match packet {
                _ if number >= PACKETS_LIMIT => {
                    return Err(BadMaterial::new(file, format!("has more than {PACKETS_LIMIT} packets")));
                }
                // What GnuPG notes for itself, and what says nothing (RFC 9580, 5.8, 5.10 and 5.14).
                Ok(Packet::Trust(_) | Packet::Marker(_) | Packet::Padding(_)) => {}
                Ok(packet) => packets.push(packet),
                Err(error) if is_of_another_time(&error) => {}
                Err(error) => return Err(unreadable(file, &error)),
            }
        }
        in_order(&packets).map_err(|problem| BadMaterial::new(file, problem))?;
        let revocations = packets.iter().filter_map(|packet| match packet {
            Packet::Signature(signature) if is_revocation(signature) => Some(signature.clone()),
            _ => None,
        });
        self.revocations.extend(revocations);
        let before = self.keys.len();
        for key in SignedPublicKey::from_packets(packets.into_iter().map(Ok).peekable()) {
            if self.keys.len() - before >= KEYS_LIMIT {
                return Err(BadMaterial::new(file, format!("has more than {KEYS_LIMIT} keys")));
            }
            self.keys.push(key.map_err(|error| unreadable(file, &error))?);
        }
        Ok(())
    }
}

fn is_revocation(signature: &Signature) -> bool {
    matches!(signature.typ(), Some(SignatureType::KeyRevocation | SignatureType::SubkeyRevocation))
}

/// Whether the packets are keys, each with its parts after it: only such are read whole.
fn in_order(packets: &[Packet]) -> Result<(), String> {
    let mut last = None;
    for packet in packets {
        let tag = packet.tag();
        match (tag, last) {
            (Tag::SecretKey | Tag::SecretSubkey, _) => {
                return Err("holds a private key: voxsync needs the public one alone".to_owned());
            }
            // A revocation on its own would be no key, and the key that it revokes would stay good.
            (Tag::Signature, None) => {
                return Err("begins with a signature; export the revoked key as a whole".to_owned());
            }
            (Tag::PublicKey, _) | (Tag::PublicSubkey, Some(_)) => last = Some(tag),
            (Tag::Signature, Some(_)) | (Tag::UserId | Tag::UserAttribute, Some(Tag::PublicKey)) => {}
            _ => return Err(format!("has a packet ({tag:?}) where none belongs; export the keys anew")),
        }
    }
    Ok(())
}

/// Whether a packet is of a version or an algorithm that is not known here: no key that is read made it.
fn is_of_another_time(error: &Error) -> bool {
    match error {
        Error::Unsupported { .. } => true,
        Error::InvalidPacketContent { source } => matches!(**source, Error::Unsupported { .. }),
        _ => false,
    }
}

fn unreadable(file: &str, error: &impl ToString) -> BadMaterial {
    BadMaterial::new(file, format!("holds no OpenPGP key that can be read: {}", shown(error)))
}
