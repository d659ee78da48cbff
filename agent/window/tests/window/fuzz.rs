//! What somebody may write.

use proptest::prelude::*;
use voxsync_hostile::{fuzz, near_text};
use voxsync_window::{Standing, Windows};

use crate::spec::{again, allow, deny, spec};

#[test]
fn fuzz_windows() {
    let crons = [
        "0 8 * * mon-thu",
        "*/5 1-23/2 1,15 jan-mar 0",
        "30 2 29 2 ?",
        "0 0 l * 5#2",
        "15 10 15w * *",
        "@daily",
    ];
    let zones = ["Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"];
    let durations = ["8h", "1h30m", "8760h", "59m59s999ms"];
    let moments = any::<i64>().prop_map(|second| {
        let (least, most) = (jiff::Timestamp::MIN.as_second(), jiff::Timestamp::MAX.as_second());
        jiff::Timestamp::from_second(second.clamp(least, most)).unwrap()
    });
    let recent =
        (1_700_000_000_i64..2_000_000_000).prop_map(|second| jiff::Timestamp::from_second(second).unwrap());
    let now = prop_oneof![1 => moments, 4 => recent];
    let zones = prop_oneof![3 => proptest::sample::select(zones.to_vec()).prop_map(str::to_owned), 1 => near_text(zones)];
    fuzz((near_text(crons), zones, near_text(durations), now), |(cron, zone, duration, now)| {
        let period = again(&cron, &duration, &zone);
        for window in [allow("it", period.clone()), deny("it", period)] {
            match Windows::of(&spec(vec![window], &["it"])) {
                Ok(windows) => match windows.standing(&["it".to_owned()], now) {
                    Standing::Open { until } => assert!(until.is_none_or(|until| until > now), "{until:?}"),
                    Standing::Closed(closed) => {
                        assert!(closed.opens.is_none_or(|opens| opens > now), "{closed}");
                        assert!(closed.to_string().len() < 300, "{closed}");
                    }
                },
                Err(error) => {
                    assert!(error.to_string().len() < 1000, "{error}");
                    return false;
                }
            }
        }
        true
    });
}
