//! Signatures of Git on commits and annotated tags, of SSH and of OpenPGP.
//!
//! The commit is judged, and where a tag is followed and the commit is not signed (or not by the right one), its
//! annotated tag. A tag counts only under the name that it was signed with.

mod allowed_signers;
mod object;
mod openpgp;
mod ssh;

use std::fmt;

use jiff::Timestamp;

use self::{allowed_signers::AllowedSigner, object::SignedObject, openpgp::PgpKey};
use crate::{BadMaterial, Refusal, text::shown};

/// The largest file of signers.
const FILE_LIMIT_BYTES: usize = 1 << 20;
/// How many signers are taken, of all files together.
const SIGNERS_LIMIT: usize = 500;
const SSH_SIGNATURE: &str = "-----BEGIN SSH SIGNATURE-----";
const PGP_SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const PGP_KEY: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
/// The bit that each packet of OpenPGP begins with (RFC 9580, 4.2), and no text.
const PGP_PACKET: u8 = 0x80;

/// Whose signature is enough.
#[derive(Default)]
pub struct Signers {
    ssh: Vec<AllowedSigner>,
    openpgp: Vec<PgpKey>,
}

/// What a reference of a repository is now: the raw objects, whose ids were checked by who read them.
#[derive(Clone, Copy, Debug)]
pub struct SignedRevision<'o> {
    /// The id of the commit.
    pub id: &'o str,
    /// The commit.
    pub commit: &'o [u8],
    /// Where a tag was followed: its short name, and the tag object, which a lightweight tag has not.
    pub tag: Option<(&'o str, Option<&'o [u8]>)>,
}

impl Signers {
    /// Reads the files of a Secret: allowed signers of SSH, and OpenPGP public keys, armored or not.
    pub fn parse<'f>(files: impl IntoIterator<Item = (&'f str, &'f [u8])>) -> Result<Self, BadMaterial> {
        let mut signers = Self::default();
        for (file, bytes) in files {
            let bad = |problem: String| BadMaterial::new(file, problem);
            if bytes.len() > FILE_LIMIT_BYTES {
                return Err(bad(format!("is larger than {FILE_LIMIT_BYTES} bytes")));
            }
            let text = std::str::from_utf8(bytes);
            if text.is_ok_and(|text| text.contains("PRIVATE KEY")) {
                return Err(bad("holds a private key: voxsync needs the public one alone".to_owned()));
            }
            let is_packets = bytes.first().is_some_and(|first| first & PGP_PACKET != 0);
            match text {
                Ok(text) if text.contains(PGP_KEY) => signers.openpgp.extend(openpgp::armored(file, text)?),
                _ if is_packets => signers.openpgp.extend(openpgp::binary(file, bytes)?),
                Ok(text) => signers.ssh.extend(allowed_signers::parse(file, text)?),
                Err(_) => return Err(bad("is neither allowed signers of SSH nor an OpenPGP key".to_owned())),
            }
            if signers.ssh.len() + signers.openpgp.len() > SIGNERS_LIMIT {
                return Err(bad(format!("has one signer too many: at most {SIGNERS_LIMIT} are taken")));
            }
        }
        if signers.ssh.is_empty() && signers.openpgp.is_empty() {
            return Err(BadMaterial::new("the Secret", "names no signers"));
        }
        Ok(signers)
    }

    fn judge(&self, object: &SignedObject, now: Timestamp) -> Result<String, Refusal> {
        let Some(signature) = object.signature.as_deref() else { return Err(Refusal::Missing) };
        let signature =
            std::str::from_utf8(signature).map_err(|_| Refusal::Malformed("it is not text".to_owned()))?;
        if signature.starts_with(SSH_SIGNATURE) {
            ssh::judge(&self.ssh, signature, object, self)
        } else if signature.starts_with(PGP_SIGNATURE) {
            openpgp::judge(&self.openpgp, signature, &object.payload, now, self)
        } else {
            let first = signature.lines().next().unwrap_or_default();
            Err(Refusal::Unsupported(format!("it begins with {:?}", shown(&first))))
        }
    }
}

/// Judges what a reference is now; says who signed it.
pub fn judge_revision(
    signers: &Signers,
    revision: &SignedRevision<'_>,
    now: Timestamp,
) -> Result<String, Refusal> {
    // Who signed the commit never said that it is this version: whoever may push could say so of any old one.
    if let Some((name, tag)) = revision.tag {
        let tag = tag.ok_or(Refusal::Missing)?;
        let of_tag = SignedObject::tag(tag, name, revision.id).and_then(|tag| signers.judge(&tag, now));
        return of_tag.map(|by| format!("{by}, on the tag {}", shown(&name)));
    }
    let of_commit = SignedObject::commit(revision.commit).and_then(|commit| signers.judge(&commit, now));
    of_commit.map(|by| format!("{by}, on the commit"))
}

/// The signers by name.
impl fmt::Display for Signers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMED_LIMIT: usize = 4;
        let of_ssh = self.ssh.iter().map(ToString::to_string);
        let mut names: Vec<String> = of_ssh.chain(self.openpgp.iter().map(ToString::to_string)).collect();
        let more = names.len().saturating_sub(NAMED_LIMIT);
        names.truncate(NAMED_LIMIT);
        formatter.write_str(&names.join(" or "))?;
        if more > 0 { write!(formatter, " or {more} more") } else { Ok(()) }
    }
}
