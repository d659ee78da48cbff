//! Time zones by their names.

use jiff::tz::{TimeZone, TimeZoneDatabase};

/// The zone of an IANA name. The database is the one that is built in, never the machine's: an image may have none, and an
/// old one would answer otherwise.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    let zone = TimeZoneDatabase::bundled().get(name).ok()?;
    (!zone.is_unknown()).then_some(zone)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("Europe/Berlin")]
    #[case("europe/berlin")]
    #[case("Australia/Lord_Howe")]
    #[case("UTC")]
    #[case("Asia/Calcutta")]
    fn is_built_in(#[case] name: &str) {
        assert!(zone(name).is_some());
    }

    #[rstest]
    #[case("Mars/Olympus")]
    #[case("Etc/Unknown")]
    #[case("CET-1CEST")]
    #[case("../../etc/passwd")]
    #[case("")]
    fn is_no_zone(#[case] name: &str) {
        assert!(zone(name).is_none());
    }
}
