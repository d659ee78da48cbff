//! Specs with windows.

use jiff::Timestamp;
use voxsync_crds::{
    code_sync::{CodeSyncSpec, Period, Source, Stage, Window},
    duration::DurationText,
};
use voxsync_window::{Standing, Windows};

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn again(cron: &str, duration: &str, zone: &str) -> Period {
    Period {
        cron: Some(cron.to_owned()),
        duration: Some(DurationText::from(duration)),
        time_zone: Some(zone.to_owned()),
        ..Period::default()
    }
}

pub fn once(from: &str, to: &str) -> Period {
    Period { from: Some(at(from).into()), to: Some(at(to).into()), ..Period::default() }
}

pub fn allow(name: &str, period: Period) -> Window {
    Window { name: name.to_owned(), allow: Some(period), deny: None }
}

pub fn deny(name: &str, period: Period) -> Window {
    Window { name: name.to_owned(), allow: None, deny: Some(period) }
}

/// A spec of one stage that names these, and one that names none.
pub fn spec(windows: Vec<Window>, names: &[&str]) -> CodeSyncSpec {
    let stage = |name: &str, windows: &[&str]| Stage {
        name: name.to_owned(),
        windows: windows.iter().map(|name| (*name).to_owned()).collect(),
        ..Stage::default()
    };
    let mut spec: CodeSyncSpec = serde_json::from_value(serde_json::json!({"source": {}})).unwrap();
    spec.source = Source::default();
    spec.stages = Some(vec![stage("named", names), stage("other", &[])]);
    spec.windows = windows;
    spec
}

pub fn standing(windows: Vec<Window>, names: &[&str], now: &str) -> Standing {
    let spec = spec(windows, names);
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    Windows::of(&spec).unwrap().standing(&names, at(now))
}
