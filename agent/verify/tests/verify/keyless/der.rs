//! Just enough DER (X.690) to write a certificate.

use jiff::Timestamp;

pub const EC_PUBLIC_KEY: [u8; 9] = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
pub const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
pub const ECDSA_WITH_SHA256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
pub const BASIC_CONSTRAINTS: [u8; 5] = [0x06, 0x03, 0x55, 0x1d, 0x13];
pub const KEY_USAGE: [u8; 5] = [0x06, 0x03, 0x55, 0x1d, 0x0f];
pub const EXTENDED_KEY_USAGE: [u8; 5] = [0x06, 0x03, 0x55, 0x1d, 0x25];
pub const SUBJECT_ALT_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x1d, 0x11];
pub const CODE_SIGNING: [u8; 10] = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];
/// 1.3.6.1.4.1.57264.1.8
pub const FULCIO_ISSUER: [u8; 12] = [0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xbf, 0x30, 0x01, 0x08];
/// 1.3.6.1.4.1.11129.2.4.2
pub const SCT_LIST: [u8; 12] = [0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xd6, 0x79, 0x02, 0x04, 0x02];
const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];

/// Tag, length and value.
pub fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    let length = match value.len() {
        0..0x80 => vec![length[1]],
        0x80..0x100 => vec![0x81, length[1]],
        _ => vec![0x82, length[0], length[1]],
    };
    [&[tag][..], &length, &value].concat()
}

pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

pub fn bit_string(bytes: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], bytes])
}

/// A distinguished name of a common name alone.
pub fn name(common_name: &str) -> Vec<u8> {
    sequence(&[&tlv(0x31, &[&sequence(&[&COMMON_NAME, &tlv(0x0c, &[common_name.as_bytes()])])])])
}

pub fn extension(id: &[u8], is_critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if is_critical { &[0x01, 0x01, 0xff] } else { &[] };
    sequence(&[id, critical, &tlv(0x04, &[value])])
}

/// A certificate of version 3 before it is signed.
pub fn to_be_signed(
    issuer: &[u8],
    subject: &[u8],
    (begin, end): (Timestamp, Timestamp),
    spki: &[u8],
    extensions: &[Vec<u8>],
) -> Vec<u8> {
    let time = |time: Timestamp| tlv(0x17, &[time.strftime("%y%m%d%H%M%SZ").to_string().as_bytes()]);
    let version = tlv(0xa0, &[&[0x02, 0x01, 0x02]]);
    let extensions: Vec<&[u8]> = extensions.iter().map(Vec::as_slice).collect();
    sequence(&[
        &version,
        &[0x02, 0x01, 0x2a],
        &sequence(&[&ECDSA_WITH_SHA256]),
        issuer,
        &sequence(&[&time(begin), &time(end)]),
        subject,
        spki,
        &tlv(0xa3, &[&sequence(&extensions)]),
    ])
}
