//! When stages may start.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::{
    duration::{DurationText, within},
    time::Time,
};

/// A time in which stages may start, or may not.
///
/// A stage starts only while one of the `allow` windows that it names is open (it may name none), and no `deny` window
/// that holds it back is. A `deny` window holds back the stages that name it, or all stages if none does. What has
/// started goes on, and a rollback waits for no window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.allow) != has(self.deny)").message("give exactly one of allow and deny"))]
pub struct Window {
    /// Its name, unique in the CodeSync.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// Stages that name it may start then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Period>,
    /// No stage may start then; it beats every allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny: Option<Period>,
}

/// A time that comes again (`cron` and `duration`), or one that comes once (`from` and `to`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.cron) != has(self.from)").message("give cron and duration, or from and to"),
    validation = Rule::new("has(self.cron) == has(self.duration)").message("cron and duration belong together"),
    validation = Rule::new("has(self.from) == has(self.to)").message("from and to belong together"),
    validation = Rule::new("!has(self.from) || !has(self.to) || self.from < self.to").message("from must be before to"),
    validation = Rule::new("!has(self.timeZone) || has(self.cron)").message("timeZone belongs to cron: from and to have an offset of their own"),
    validation = within("duration", "1m", "8760h")
)]
pub struct Period {
    /// When it opens, in five fields: minute, hour, day of month, month, day of week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 9, max = 128))]
    pub cron: Option<String>,
    /// For how long it is open, in time that passes: daylight saving neither shortens nor lengthens it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<DurationText>,
    /// The IANA time zone of cron (default UTC), for instance Europe/Berlin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
    /// From when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    /// Until when; at that moment it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Time>,
}
