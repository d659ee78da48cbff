//! What a server sends, written by the specifications and not by gix.

use gix::ObjectId;

use super::ID;

/// Stands for the end of a list (a flush packet), in lines that are not packed yet.
pub(super) const FLUSH: &str = "~";
/// Between two sections of an answer (a delimiter packet).
pub(super) const DELIMITER: &str = "^";
const LONGEST_PACKET_BYTES: usize = 0xfff0;

/// Lines as packets (<https://git-scm.com/docs/gitprotocol-common>, "pkt-line Format").
pub(super) fn packets(lines: &[u8]) -> Vec<u8> {
    let lines = lines.split_inclusive(|byte| *byte == b'\n');
    lines
        .flat_map(|line| match line.trim_ascii_end() {
            end if end == FLUSH.as_bytes() => b"0000".to_vec(),
            end if end == DELIMITER.as_bytes() => b"0001".to_vec(),
            _ => packet(&[], line),
        })
        .collect()
}

pub(super) fn packet(band: &[u8], data: &[u8]) -> Vec<u8> {
    let data = &data[..data.len().min(LONGEST_PACKET_BYTES - 4 - band.len())];
    [format!("{:04x}", 4 + band.len() + data.len()).as_bytes(), band, data].concat()
}

/// An object of a pack (<https://git-scm.com/docs/gitformat-pack>): its type, the size that it says, and its content.
pub(super) fn entry(kind: u8, size: usize, content: &[u8]) -> Vec<u8> {
    let mut rest = size >> 4;
    let mut bytes = vec![kind << 4 | u8::try_from(size & 15).unwrap()];
    while rest > 0 {
        *bytes.last_mut().unwrap() |= 0x80;
        bytes.push(u8::try_from(rest & 0x7f).unwrap());
        rest >>= 7;
    }
    match kind {
        // The base of a delta is so far before, or has this id.
        6 => bytes.push(22),
        7 => bytes.extend(ObjectId::from_hex(ID.as_bytes()).unwrap().as_bytes()),
        _ => {}
    }
    bytes.extend(zlib(content));
    bytes
}

/// Not compressed at all (RFC 1950, RFC 1951).
fn zlib(content: &[u8]) -> Vec<u8> {
    let content = &content[..content.len().min(usize::from(u16::MAX))];
    let length = u16::try_from(content.len()).unwrap();
    let (low, high) = content.iter().fold((1_u32, 0), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    [
        &[0x78, 0x01, 0x01][..],
        &length.to_le_bytes(),
        &(!length).to_le_bytes(),
        content,
        &(high << 16 | low).to_be_bytes(),
    ]
    .concat()
}

/// Objects in a pack with its hash, which says that there are so many.
pub(super) fn pack(count: u32, objects: &[Vec<u8>]) -> Vec<u8> {
    let pack = [&b"PACK\0\0\0\x02"[..], &count.to_be_bytes(), &objects.concat()].concat();
    let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
    hasher.update(&pack);
    [pack.as_slice(), hasher.try_finalize().unwrap().as_bytes()].concat()
}
