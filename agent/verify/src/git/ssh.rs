//! Signatures by SSH keys (OpenSSH, `PROTOCOL.sshsig`).

use jiff::Timestamp;
use ssh_key::{HashAlg, SshSig};

use super::{Signers, allowed_signers::AllowedSigner, object::SignedObject};
use crate::{Refusal, text::shown};

/// What Git signs for; a signature for a file or an e-mail is none of a commit.
const NAMESPACE: &str = "git";

/// Judges a signature by the allowed signers; says who made it.
pub(super) fn judge(
    allowed: &[AllowedSigner],
    signature: &str,
    object: &SignedObject,
    signers: &Signers,
) -> Result<String, Refusal> {
    let signature = SshSig::from_pem(signature.trim_end())
        .map_err(|error| Refusal::Malformed(format!("a signature of SSH: {}", shown(&error))))?;
    let same_key = allowed.iter().filter(|signer| signer.key.key_data() == signature.public_key());
    let mut refusal = Refusal::Missing;
    for signer in same_key {
        match good(signer, &signature, object) {
            Ok(()) => return Ok(signer.to_string()),
            Err(other) => refusal = refusal.max(other),
        }
    }
    let found = signature.public_key().fingerprint(HashAlg::Sha256).to_string();
    Err(refusal.or_wrong_key(signers, Some(found)))
}

fn good(signer: &AllowedSigner, signature: &SshSig, object: &SignedObject) -> Result<(), Refusal> {
    if signature.namespace() != NAMESPACE {
        return Err(Refusal::OfAnother(format!("for {:?} instead of Git", shown(&signature.namespace()))));
    }
    signer
        .key
        .verify(NAMESPACE, &object.payload, signature)
        .map_err(|_| Refusal::Tampered("it does not fit what it signs".to_owned()))?;
    if !signer.is_for_git() {
        return Err(Refusal::OfAnother(format!("the namespaces of {signer} do not have git")));
    }
    is_in_time(signer, object.time)
}

/// The time is the one that the commit or tag says, as Git judges it: who signs can say any.
fn is_in_time(signer: &AllowedSigner, time: Option<Timestamp>) -> Result<(), Refusal> {
    if signer.valid_after.is_none() && signer.valid_before.is_none() {
        return Ok(());
    }
    let time = time.ok_or_else(|| Refusal::Malformed("it has no time that can be read".to_owned()))?;
    if signer.valid_after.is_some_and(|after| time < after) {
        return Err(Refusal::Expired(format!("made at {time}, before the key of {signer} was valid")));
    }
    if signer.valid_before.is_some_and(|before| time >= before) {
        return Err(Refusal::Expired(format!(
            "made at {time}, when the key of {signer} was not valid any more"
        )));
    }
    Ok(())
}
