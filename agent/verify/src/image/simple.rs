//! The old form: a payload in a blob, the rest in annotations of its layer.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::json;
use sigstore_verify::types::{Bundle, SignatureBytes};

use super::{Keyless, PublicKeys, keyless::Sealed, payload};
use crate::{Refusal, text::shown};

const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const CHAIN: &str = "dev.sigstore.cosign/chain";
const LOG_ENTRY: &str = "dev.sigstore.cosign/bundle";
/// The longest annotation.
const ANNOTATION_LIMIT_BYTES: usize = 64 << 10;
/// The most certificates of a chain.
const CHAIN_LIMIT: usize = 8;

/// A signature in the old form of cosign.
#[derive(Clone, Debug)]
pub struct SimpleSignature {
    /// The payload.
    pub payload: Vec<u8>,
    /// The annotations of the layer that names it.
    pub annotations: BTreeMap<String, String>,
}

/// The entry of the log, as cosign keeps it (`RekorBundle`).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LogEntry {
    signed_entry_timestamp: String,
    payload: LogPayload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogPayload {
    body: String,
    integrated_time: i64,
    log_index: i64,
    #[serde(rename = "logID")]
    log_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogBody {
    kind: String,
    api_version: String,
}

impl SimpleSignature {
    pub(super) fn by_key(&self, keys: &PublicKeys, digest: &str) -> Result<String, Refusal> {
        let signature = SignatureBytes::new(self.signature()?);
        let wrong = || Refusal::WrongKey { trusted: keys.to_string(), found: None };
        let signer = keys.signer(&self.payload, &signature).ok_or_else(wrong)?;
        payload::check_simple(&self.payload, digest)?;
        Ok(signer.to_owned())
    }

    pub(super) fn by_identity(&self, keyless: &Keyless, digest: &str) -> Result<String, Refusal> {
        let by = keyless.signer(&self.as_bundle()?, Sealed::Message(&self.payload))?;
        payload::check_simple(&self.payload, digest)?;
        Ok(by)
    }

    fn signature(&self) -> Result<Vec<u8>, Refusal> {
        let text =
            self.annotation(SIGNATURE)?.ok_or_else(|| malformed("it has no annotation with a signature"))?;
        STANDARD.decode(text.trim()).map_err(|_| malformed("its signature is not Base64"))
    }

    fn annotation(&self, name: &str) -> Result<Option<&str>, Refusal> {
        match self.annotations.get(name) {
            Some(text) if text.len() > ANNOTATION_LIMIT_BYTES => {
                Err(malformed(&format!("its {name} is longer than {ANNOTATION_LIMIT_BYTES} bytes")))
            }
            annotation => Ok(annotation.map(String::as_str).filter(|text| !text.is_empty())),
        }
    }

    /// The same as a bundle 0.1, which has the same parts.
    fn as_bundle(&self) -> Result<Bundle, Refusal> {
        let lacks = |what: &str| {
            Refusal::Unsupported(format!("it has no {what}, so it is by a key and not by an identity"))
        };
        let certificate = self.annotation(CERTIFICATE)?.ok_or_else(|| lacks("certificate"))?;
        let chain = self.annotation(CHAIN)?.unwrap_or_default();
        let certificates: Vec<_> = certificates(certificate)?
            .into_iter()
            .chain(certificates_of_chain(chain)?)
            .map(|der| json!({"rawBytes": der}))
            .collect();
        let entry = self.annotation(LOG_ENTRY)?.ok_or_else(|| {
            Refusal::Unsupported("it has no proof of a log, so nobody knows when it was made".to_owned())
        })?;
        let entry: LogEntry = serde_json::from_str(entry).map_err(|error| malformed(&shown(&error)))?;
        let LogEntry { signed_entry_timestamp, payload } = entry;
        let body = STANDARD.decode(&payload.body).map_err(|_| malformed("the body of its log entry"))?;
        let body: LogBody = serde_json::from_slice(&body).map_err(|error| malformed(&shown(&error)))?;
        let log_id = hex::decode(&payload.log_id).map_err(|_| malformed("the id of its log"))?;
        let bundle = json!({
            "mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.1",
            "verificationMaterial": {
                "x509CertificateChain": {"certificates": certificates},
                "tlogEntries": [{
                    "logIndex": payload.log_index.to_string(),
                    "logId": {"keyId": STANDARD.encode(log_id)},
                    "kindVersion": {"kind": body.kind, "version": body.api_version},
                    "integratedTime": payload.integrated_time.to_string(),
                    "inclusionPromise": {"signedEntryTimestamp": signed_entry_timestamp},
                    "canonicalizedBody": payload.body,
                }],
            },
            "messageSignature": {"signature": STANDARD.encode(self.signature()?)},
        });
        serde_json::from_value(bundle).map_err(|error| malformed(&shown(&error)))
    }
}

fn certificates_of_chain(pem: &str) -> Result<Vec<String>, Refusal> {
    if pem.is_empty() { Ok(Vec::new()) } else { certificates(pem) }
}

/// The certificates of a PEM text, each in Base64 without line breaks.
fn certificates(pem: &str) -> Result<Vec<String>, Refusal> {
    let blocks = pem.split("-----BEGIN CERTIFICATE-----").skip(1).take(CHAIN_LIMIT);
    let body = |block: &str| {
        let (body, _) = block.split_once("-----END CERTIFICATE-----")?;
        Some(body.split_whitespace().collect::<String>())
    };
    let certificates: Option<Vec<String>> = blocks.map(body).collect();
    certificates
        .filter(|certificates| !certificates.is_empty())
        .ok_or_else(|| malformed("its certificate is not PEM"))
}

fn malformed(what: &str) -> Refusal {
    Refusal::Malformed(what.to_owned())
}
