//! Tags that tools put beside an image: signatures, attestations, bills of material and referrers.
//!
//! They name another image by its digest and are never code; no policy may take one.

const SHA256_HEX_DIGITS: usize = 64;
const SHA512_HEX_DIGITS: usize = 128;

/// Whether the tag belongs to another image: `sha256-<hex>`, with or without a suffix such as `.sig`, as cosign and the
/// fallback of the OCI referrers API write it.
pub(crate) fn is_attachment(tag: &str) -> bool {
    let (digits, length) = match (tag.strip_prefix("sha256-"), tag.strip_prefix("sha512-")) {
        (Some(digits), _) => (digits, SHA256_HEX_DIGITS),
        (_, Some(digits)) => (digits, SHA512_HEX_DIGITS),
        _ => return false,
    };
    let (digest, suffix) = digits.split_once('.').unwrap_or((digits, "suffix"));
    digest.len() == length && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) && !suffix.is_empty()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("sha256-{hex}.sig", true)]
    #[case("sha256-{hex}.att", true)]
    #[case("sha256-{hex}.sbom", true)]
    #[case("sha256-{hex}", true)]
    #[case("sha512-{hex}{hex}", true)]
    #[case("sha256-{hex}0", false)]
    #[case("sha256-abc.sig", false)]
    #[case("sha256-latest", false)]
    #[case("v1.2.3", false)]
    #[case("{hex}", false)]
    fn attachments(#[case] tag: &str, #[case] expected: bool) {
        assert_eq!(is_attachment(&tag.replace("{hex}", &"0f".repeat(32))), expected);
    }
}
