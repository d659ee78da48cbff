//! What can be seen of a private key without using it. Pure.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

/// The keys of a Secret that may hold the private key: that of the type `kubernetes.io/ssh-auth`, and the one that other
/// tools use.
pub const PRIVATE_KEY_NAMES: [&str; 2] = ["ssh-privatekey", "identity"];
/// How the texts begin whose key a passphrase protects, in the formats older than OpenSSH's own.
const PROTECTED_MARKS: [&str; 2] = ["-----BEGIN ENCRYPTED PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED"];
/// Before a key in OpenSSH's own format.
const OPENSSH_MARK: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
/// What such a key begins with.
const OPENSSH_MAGIC: &[u8] = b"openssh-key-v1\0";
/// What it begins with where it has no passphrase: the cipher follows, as length and name (OpenSSH, `PROTOCOL.key`).
const OPENSSH_PLAIN: &[u8] = b"openssh-key-v1\0\0\0\0\x04none";
/// How much of the key in base64 has all of that: four characters are three bytes.
const OPENSSH_START_CHARACTERS: usize = 32;

/// Whether a private key is of no use without a passphrase, as far as its beginning says that.
pub fn has_passphrase(private_key_pem: &str) -> bool {
    if PROTECTED_MARKS.iter().any(|mark| private_key_pem.contains(mark)) {
        return true;
    }
    let Some((_, key)) = private_key_pem.split_once(OPENSSH_MARK) else { return false };
    let start = key.chars().filter(|character| !character.is_whitespace());
    let start: String = start.take(OPENSSH_START_CHARACTERS).collect();
    STANDARD_NO_PAD
        .decode(start)
        .is_ok_and(|start| start.starts_with(OPENSSH_MAGIC) && !start.starts_with(OPENSSH_PLAIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_that_it_has_a_passphrase() {
        let made_with = |passphrase: &str, format: &str| {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("key");
            let mut keygen = std::process::Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "rsa", "-b", "2048", "-N", passphrase, "-f"]).arg(&file);
            keygen.args(if format.is_empty() { vec![] } else { vec!["-m", format] });
            assert!(keygen.status().unwrap().success());
            std::fs::read_to_string(file).unwrap()
        };
        for format in ["", "PEM", "PKCS8"] {
            assert!(has_passphrase(&made_with("hunter2", format)), "{format}");
            assert!(!has_passphrase(&made_with("", format)), "{format}");
        }
        assert!(!has_passphrase("k"));
    }
}
