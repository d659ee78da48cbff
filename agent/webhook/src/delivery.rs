//! A request as it came, and the secret that its sender must know. Neither can be shown: both may hold the secret.

use http::{HeaderMap, HeaderName, header::AUTHORIZATION};

/// A request as it came.
#[derive(Clone, Copy)]
pub struct Delivery<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body, byte for byte: signatures are over that.
    pub body: &'a [u8],
    /// What the address has behind the name of the CodeSync: the token of senders that cannot prove themselves
    /// otherwise.
    pub last_segment: Option<&'a str>,
}

impl Delivery<'_> {
    /// A header's value. One that is there twice says nothing, and what is no text neither.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().filter(|_| values.next().is_none())?;
        value.to_str().ok()
    }

    pub(crate) fn authorization(&self) -> Option<&str> {
        self.header(AUTHORIZATION.as_str())
    }
}

/// What a sender signs with, or sends along.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The secret of these bytes, without the line break at its end that `echo` leaves. There is no empty secret.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'))?;
        bytes.get(..=end).map(|bytes| Self(bytes.to_vec()))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_secret_is_not_empty_and_ends_before_a_line_break() {
        for (given, wanted) in [
            (&b"s3cret\r\n"[..], Some(&b"s3cret"[..])),
            (b" a\nb ", Some(b" a\nb ")),
            (b"\n\n", None),
            (b"", None),
        ] {
            assert_eq!(Secret::new(given).as_ref().map(Secret::bytes), wanted);
        }
    }

    #[test]
    fn a_header_that_is_there_twice_says_nothing() {
        let mut headers = HeaderMap::new();
        headers.append("x-hub-signature-256", HeaderValue::from_static("one"));
        let one = headers.clone();
        headers.append("x-hub-signature-256", HeaderValue::from_static("two"));
        let of = |headers: &HeaderMap| {
            let delivery = Delivery { headers, body: b"", last_segment: None };
            delivery.header("X-Hub-Signature-256").map(str::to_owned)
        };
        assert_eq!((of(&one).as_deref(), of(&headers)), (Some("one"), None));
    }
}
