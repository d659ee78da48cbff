//! Signatures of Git on commits and annotated tags, of SSH and of OpenPGP.
//!
//! The commit is judged, and where a tag is followed and the commit is not signed (or not by the right one), its
//! annotated tag. A tag counts only under the name that it was signed with.

mod allowed_signers;
mod keyring;
mod object;
mod openpgp;
mod ssh;

use std::fmt;

use jiff::Timestamp;

use self::{allowed_signers::AllowedSigner, keyring::Keyring, object::SignedObject};
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
    openpgp: Keyring,
}

/// Who signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The signer, for people.
    pub by: String,
    /// Until when that counts, where it stands on a key that expires.
    pub until: Option<Timestamp>,
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
                Ok(text) if text.contains(PGP_KEY) => signers.openpgp.add_armored(file, text)?,
                _ if is_packets => signers.openpgp.add(file, bytes)?,
                Ok(text) => signers.ssh.extend(allowed_signers::parse(file, text)?),
                Err(_) => return Err(bad("is neither allowed signers of SSH nor an OpenPGP key".to_owned())),
            }
            if signers.ssh.len() + signers.openpgp.keys.len() > SIGNERS_LIMIT {
                return Err(bad(format!("has one signer too many: at most {SIGNERS_LIMIT} are taken")));
            }
        }
        if signers.ssh.is_empty() && signers.openpgp.keys.is_empty() {
            return Err(BadMaterial::new("the Secret", "names no signers"));
        }
        Ok(signers)
    }

    fn judge(&self, object: &SignedObject, unsigned: Refusal, now: Timestamp) -> Result<Signed, Refusal> {
        let Some(signature) = object.signature.as_deref() else { return Err(unsigned) };
        let signature =
            std::str::from_utf8(signature).map_err(|_| Refusal::Malformed("it is not text".to_owned()))?;
        if signature.starts_with(SSH_SIGNATURE) {
            // Its times are held against that of the commit, which does not change.
            let by = ssh::judge(&self.ssh, signature, object, self)?;
            Ok(Signed { by, until: None })
        } else if signature.starts_with(PGP_SIGNATURE) {
            openpgp::judge(&self.openpgp, signature, &object.payload, now, self)
        } else {
            let first = signature.lines().next().unwrap_or_default();
            Err(Refusal::Unsupported(format!("it begins with {:?}", shown(&first))))
        }
    }
}

impl Signed {
    fn on(self, what: &str) -> Self {
        Self { by: format!("{}, on {what}", self.by), ..self }
    }
}

/// Judges what a reference is now; says who signed it.
pub fn judge_revision(
    signers: &Signers,
    revision: &SignedRevision<'_>,
    now: Timestamp,
) -> Result<Signed, Refusal> {
    // Who signed the commit never said that it is this version: whoever may push could say so of any old one.
    if let Some((name, tag)) = revision.tag {
        let unsigned = |what| Refusal::Unsigned { what, command: "git tag -s" };
        let tag = tag.ok_or_else(|| unsigned("a lightweight tag"))?;
        let of_tag = SignedObject::tag(tag, name, revision.id)
            .and_then(|tag| signers.judge(&tag, unsigned("this annotated tag"), now));
        return of_tag.map(|signed| signed.on(&format!("the tag {}", shown(&name))));
    }
    let unsigned = Refusal::Unsigned { what: "this commit", command: "git commit -S" };
    let of_commit =
        SignedObject::commit(revision.commit).and_then(|commit| signers.judge(&commit, unsigned, now));
    of_commit.map(|signed| signed.on("the commit"))
}

/// The signers by name.
impl fmt::Display for Signers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMED_LIMIT: usize = 4;
        let of_ssh = self.ssh.iter().map(ToString::to_string);
        let mut names: Vec<String> = of_ssh.chain(self.openpgp.keys.iter().map(openpgp::named)).collect();
        let more = names.len().saturating_sub(NAMED_LIMIT);
        names.truncate(NAMED_LIMIT);
        formatter.write_str(&names.join(" or "))?;
        if more > 0 { write!(formatter, " or {more} more") } else { Ok(()) }
    }
}
