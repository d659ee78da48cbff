//! Making a small code image: one layer with one environment.

use serde_json::json;

use super::store::{Store, digest};

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// Makes a code image whose `production` environment says `text`, pushes it under a tag, gives its digest.
///
/// The layer is an uncompressed tar (which the image specification allows), so no compressor is needed.
pub fn code_image(store: &Store, repository: &str, tag: &str, commit: &str, text: &str) -> String {
    let site = format!("node default {{ notify {{ '{text}': }} }}\n");
    let layer = tar("production/manifests/site.pp", site.as_bytes());
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "config": {"Labels": {"org.opencontainers.image.revision": commit}},
        "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
    })
    .to_string()
    .into_bytes();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(&config), "size": config.len()},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest(&layer), "size": layer.len()}],
        "annotations": {"org.opencontainers.image.revision": commit, "org.opencontainers.image.version": tag},
    });
    store.push(repository, tag, &[config, layer], manifest.to_string().into_bytes(), MANIFEST_TYPE)
}

/// A tar archive (POSIX ustar) with one file.
fn tar(path: &str, content: &[u8]) -> Vec<u8> {
    const BLOCK_BYTES: usize = 512;
    let mut header = [0_u8; BLOCK_BYTES];
    let mut put = |at: usize, bytes: &[u8]| {
        for (place, byte) in header.iter_mut().skip(at).zip(bytes) {
            *place = *byte;
        }
    };
    put(0, path.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", content.len()).as_bytes());
    put(136, b"00000000000\0");
    // The checksum counts its own field as spaces.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let checksum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    for (place, byte) in header.iter_mut().skip(148).zip(format!("{checksum:06o}\0 ").bytes()) {
        *place = byte;
    }
    let mut archive = header.to_vec();
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(BLOCK_BYTES) + 2 * BLOCK_BYTES, 0);
    archive
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_packs_the_real_tar_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("layer.tar");
        std::fs::write(&archive, tar("production/manifests/site.pp", b"node default { }\n")).unwrap();
        let listed = std::process::Command::new("tar").arg("-xOf").arg(&archive).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&listed.stdout), "node default { }\n", "{listed:?}");
    }
}
