//! A Sigstore of the test's own: an authority, a log of certificates and a log of signatures, all in one value.
//!
//! What is in it follows the specifications and no code of ours: RFC 5280 (certificates), RFC 6962 (their log),
//! Rekor's `hashedrekord` and its signed entry timestamp, and the checkpoints of transparency.dev.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use ring::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};

use super::der;

/// A key that signs with ECDSA on P-256.
pub struct Key(EcdsaKeyPair, SystemRandom);

impl Key {
    pub fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap(), random)
    }

    pub fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.0.sign(&self.1, bytes).unwrap().as_ref().to_vec()
    }

    fn spki(&self) -> Vec<u8> {
        let algorithm = der::sequence(&[&der::EC_PUBLIC_KEY, &der::P256]);
        der::sequence(&[&algorithm, &der::bit_string(self.0.public_key().as_ref())])
    }

    fn id(&self) -> Vec<u8> {
        sha256(&self.spki())
    }
}

/// The authority and its logs.
pub struct Sigstore {
    authority: Key,
    certificates: Key,
    signatures: Key,
}

/// A signature without a key of one's own, and what may be wrong with it.
pub struct Signing<'a> {
    pub issuer: &'a str,
    pub subject: &'a str,
    /// When the certificate begins; it lasts ten minutes.
    pub certified: Timestamp,
    /// When the log says that the signature was made.
    pub logged: Timestamp,
    pub with_sct: bool,
}

impl Default for Signing<'_> {
    fn default() -> Self {
        let certified: Timestamp = "2026-01-02T10:00:00Z".parse().unwrap();
        Self {
            issuer: "https://token.actions.githubusercontent.com",
            subject: "https://github.com/example/control-repo/.github/workflows/build.yaml@refs/heads/production",
            certified,
            logged: certified.checked_add(jiff::SignedDuration::from_secs(60)).unwrap(),
            with_sct: true,
        }
    }
}

/// A message that was signed.
pub struct Signed {
    pub certificate: Vec<u8>,
    pub signature: Vec<u8>,
    body: String,
    logged: i64,
    log_id: Vec<u8>,
    promise: Vec<u8>,
    checkpoint: String,
    root: Vec<u8>,
}

impl Sigstore {
    pub fn new() -> Self {
        Self { authority: Key::new(), certificates: Key::new(), signatures: Key::new() }
    }

    /// `trusted_root.json`.
    pub fn trusted_root(&self) -> String {
        let since = json!({"start": "2025-01-01T00:00:00Z"});
        let log = |key: &Key| {
            json!({
                "baseUrl": "https://log.example", "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": STANDARD.encode(key.spki()), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": since,
                },
                "logId": {"keyId": STANDARD.encode(key.id())},
            })
        };
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(&self.signatures)],
            "ctlogs": [log(&self.certificates)],
            "certificateAuthorities": [{
                "subject": {"organization": "example", "commonName": "root"}, "uri": "https://fulcio.example",
                "certChain": {"certificates": [{"rawBytes": STANDARD.encode(self.root())}]}, "validFor": since,
            }],
            "timestampAuthorities": [],
        })
        .to_string()
    }

    /// Certifies somebody for a moment, lets them sign a message, and logs that.
    pub fn sign(&self, message: &[u8], signing: &Signing<'_>) -> Signed {
        self.logged(message, signing, |signature, certificate| {
            let hash = json!({"algorithm": "sha256", "value": hex::encode(sha256(message))});
            let signature = json!({"content": signature, "publicKey": {"content": certificate}});
            json!({
                "apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {"data": {"hash": hash}, "signature": signature},
            })
        })
    }

    /// The same with a statement, in an envelope (DSSE).
    pub fn sign_statement(&self, statement: &str, signing: &Signing<'_>) -> Signed {
        let kind = "application/vnd.in-toto+json";
        let encoded = format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len());
        self.logged(encoded.as_bytes(), signing, |signature, certificate| {
            let hash = |bytes: &[u8]| json!({"algorithm": "sha256", "value": hex::encode(sha256(bytes))});
            let signatures = json!([{"signature": signature, "verifier": certificate}]);
            let payload = hash(statement.as_bytes());
            let spec = json!({"envelopeHash": hash(b"not looked at"), "payloadHash": payload, "signatures": signatures});
            json!({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec})
        })
    }

    fn logged(&self, message: &[u8], signing: &Signing<'_>, entry: impl Fn(&str, &str) -> Value) -> Signed {
        let key = Key::new();
        let certificate = self.certify(&key, signing);
        let signature = key.sign(message);
        let body = entry(&STANDARD.encode(&signature), &STANDARD.encode(pem(&certificate))).to_string();
        let (logged, log_id) = (signing.logged.as_second(), self.signatures.id());
        // Canonical JSON: the keys in their order, without blanks.
        let entry = format!(
            r#"{{"body":"{}","integratedTime":{logged},"logID":"{}","logIndex":0}}"#,
            STANDARD.encode(&body),
            hex::encode(&log_id)
        );
        // A log with this entry alone.
        let root = sha256(&[&[0], body.as_bytes()].concat());
        let note = format!("log.example\n1\n{}\n", STANDARD.encode(&root));
        let note_signature = [&log_id[..4], &self.signatures.sign(note.as_bytes())].concat();
        let checkpoint = format!("{note}\n\u{2014} log.example {}\n", STANDARD.encode(note_signature));
        let promise = self.signatures.sign(entry.as_bytes());
        Signed { certificate, signature, body, logged, log_id, promise, checkpoint, root }
    }

    fn root(&self) -> Vec<u8> {
        let begin: Timestamp = "2025-01-01T00:00:00Z".parse().unwrap();
        let end = "2035-01-01T00:00:00Z".parse().unwrap();
        let constraints =
            der::extension(&der::BASIC_CONSTRAINTS, true, &der::sequence(&[&[0x01, 0x01, 0xff]]));
        // keyCertSign and cRLSign.
        let usage = der::extension(&der::KEY_USAGE, true, &[0x03, 0x02, 0x01, 0x06]);
        let name = der::name("root");
        let certificate =
            der::to_be_signed(&name, &name, (begin, end), &self.authority.spki(), &[constraints, usage]);
        self.signed(&certificate)
    }

    fn certify(&self, key: &Key, signing: &Signing<'_>) -> Vec<u8> {
        let usage = der::extension(&der::KEY_USAGE, true, &[0x03, 0x02, 0x07, 0x80]);
        let purpose = der::extension(&der::EXTENDED_KEY_USAGE, false, &der::sequence(&[&der::CODE_SIGNING]));
        let subject = der::tlv(0x86, &[signing.subject.as_bytes()]);
        let subject = der::extension(&der::SUBJECT_ALT_NAME, true, &der::sequence(&[&subject]));
        let issuer =
            der::extension(&der::FULCIO_ISSUER, false, &der::tlv(0x0c, &[signing.issuer.as_bytes()]));
        let mut extensions = vec![usage, purpose, subject, issuer];
        let end = signing.certified.checked_add(jiff::SignedDuration::from_mins(10)).unwrap();
        let times = (signing.certified, end);
        let to_be_signed = |extensions: &[Vec<u8>]| {
            der::to_be_signed(&der::name("root"), &der::sequence(&[]), times, &key.spki(), extensions)
        };
        if signing.with_sct {
            let timestamp = signing.certified.as_millisecond().to_be_bytes();
            let unlogged = to_be_signed(&extensions);
            let length = u32::try_from(unlogged.len()).unwrap().to_be_bytes();
            // RFC 6962, 3.2: version, kind, time, entry of a precertificate, no extensions.
            let logged =
                [&[0, 0][..], &timestamp, &[0, 1], &self.authority.id(), &length[1..], &unlogged, &[0, 0]]
                    .concat();
            let signature = self.certificates.sign(&logged);
            let sct = [
                &[0][..],
                &self.certificates.id(),
                &timestamp,
                &[0, 0, 4, 3],
                &length16(&signature),
                &signature,
            ]
            .concat();
            let list = [&length16(&sct)[..], &sct].concat();
            let list = der::tlv(0x04, &[&length16(&list), &list]);
            extensions.push(der::extension(&der::SCT_LIST, false, &list));
        }
        self.signed(&to_be_signed(&extensions))
    }

    fn signed(&self, to_be_signed: &[u8]) -> Vec<u8> {
        let signature = der::bit_string(&self.authority.sign(to_be_signed));
        der::sequence(&[to_be_signed, &der::sequence(&[&der::ECDSA_WITH_SHA256]), &signature])
    }
}

impl Signed {
    /// What cosign keeps beside the signature in its old form.
    pub fn annotations(&self) -> [(String, String); 3] {
        let entry = json!({
            "SignedEntryTimestamp": STANDARD.encode(&self.promise),
            "Payload": {
                "body": STANDARD.encode(&self.body), "integratedTime": self.logged, "logIndex": 0,
                "logID": hex::encode(&self.log_id),
            },
        });
        [
            ("dev.cosignproject.cosign/signature".to_owned(), STANDARD.encode(&self.signature)),
            ("dev.sigstore.cosign/certificate".to_owned(), pem(&self.certificate)),
            ("dev.sigstore.cosign/bundle".to_owned(), entry.to_string()),
        ]
    }

    /// A bundle with this statement, which was signed in an envelope.
    pub fn bundle(&self, statement: &str) -> Value {
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": {"rawBytes": STANDARD.encode(&self.certificate)},
                "tlogEntries": [{
                    "logIndex": "0", "logId": {"keyId": STANDARD.encode(&self.log_id)},
                    "kindVersion": {"kind": "dsse", "version": "0.0.1"},
                    "integratedTime": self.logged.to_string(),
                    "inclusionPromise": {"signedEntryTimestamp": STANDARD.encode(&self.promise)},
                    "inclusionProof": {
                        "logIndex": "0", "treeSize": "1", "hashes": [], "rootHash": STANDARD.encode(&self.root),
                        "checkpoint": {"envelope": self.checkpoint},
                    },
                    "canonicalizedBody": STANDARD.encode(&self.body),
                }],
            },
            "dsseEnvelope": {
                "payload": STANDARD.encode(statement), "payloadType": "application/vnd.in-toto+json",
                "signatures": [{"sig": STANDARD.encode(&self.signature)}],
            },
        })
    }
}

fn length16(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).unwrap().to_be_bytes()
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

fn pem(der: &[u8]) -> String {
    let lines: Vec<String> = STANDARD
        .encode(der)
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
