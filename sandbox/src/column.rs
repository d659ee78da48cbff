//! A column of `kubectl get`: its header, and how a cell is made from an object.
//!
//! Pure; the present time is a parameter, for ages.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{json, json_path::JsonPath};

/// A column and where its cells come from.
pub(crate) struct Column {
    pub(crate) name: String,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub(crate) kind: String,
    pub(crate) description: String,
    /// Zero is always shown, more only with `-o wide`.
    pub(crate) priority: i64,
    pub(crate) cell: Cell,
}

/// Where a cell comes from.
pub(crate) enum Cell {
    Path(JsonPath),
    Computed(fn(&Value, Timestamp) -> Value),
}

impl Column {
    pub(crate) fn computed(name: &str, priority: i64, cell: fn(&Value, Timestamp) -> Value) -> Self {
        Self {
            name: name.to_owned(),
            kind: "string".to_owned(),
            description: String::new(),
            priority,
            cell: Cell::Computed(cell),
        }
    }

    pub(crate) fn definition(&self) -> Value {
        let format = if self.name == "Name" { "name" } else { "" };
        json!({
            "name": self.name, "type": self.kind, "format": format, "description": self.description,
            "priority": self.priority,
        })
    }

    pub(crate) fn cell(&self, object: &Value, now: Timestamp) -> Value {
        match &self.cell {
            Cell::Computed(compute) => compute(object, now),
            Cell::Path(path) => from_path(&self.kind, &path.find(object), now),
        }
    }
}

fn from_path(kind: &str, found: &[&Value], now: Timestamp) -> Value {
    match (kind, found) {
        (_, []) => Value::Null,
        ("date", [first, ..]) => first.as_str().map_or(Value::Null, |stamp| json!(age(stamp, now))),
        ("string", several) => {
            let shown: Vec<String> = several
                .iter()
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                .collect();
            json!(shown.join(" "))
        }
        (_, [first, ..]) => (*first).clone(),
    }
}

/// The name of the object.
pub(crate) fn name_cell(object: &Value, _: Timestamp) -> Value {
    json!(json::name(object))
}

/// How long the object exists.
pub(crate) fn age_cell(object: &Value, now: Timestamp) -> Value {
    json!(age(json::text(object, "/metadata/creationTimestamp").unwrap_or_default(), now))
}

/// How long ago a time stamp was, as `kubectl` shows it: `45s`, `3m10s`, `5h2m`, `2d`.
pub(crate) fn age(stamp: &str, now: Timestamp) -> String {
    let Ok(then) = stamp.parse::<Timestamp>() else { return "<unknown>".to_owned() };
    let seconds = (now.as_second() - then.as_second()).max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let with_rest = |whole: i64, unit: &str, rest: i64, rest_unit: &str| {
        if rest == 0 { format!("{whole}{unit}") } else { format!("{whole}{unit}{rest}{rest_unit}") }
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => with_rest(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => with_rest(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => with_rest(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => with_rest(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(45, "45s")]
    #[case(190, "3m10s")]
    #[case(240, "4m")]
    #[case(1200, "20m")]
    #[case(18_120, "5h2m")]
    #[case(172_800, "2d")]
    #[case(864_000, "10d")]
    fn ages(#[case] seconds: i64, #[case] expected: &str) {
        let now = Timestamp::from_second(1_000_000_000 + seconds).unwrap();
        assert_eq!(age("2001-09-09T01:46:40Z", now), expected);
    }

    #[test]
    fn cells_of_paths_follow_the_type() {
        let now = Timestamp::from_second(1_000_000_060).unwrap();
        let column = |kind: &str, path: &str| Column {
            name: "X".into(),
            kind: kind.into(),
            description: String::new(),
            priority: 0,
            cell: Cell::Path(JsonPath::parse(path).unwrap()),
        };
        let object = json!({"n": 3, "t": "2001-09-09T01:46:40Z", "l": ["a", "b"]});
        assert_eq!(column("integer", ".n").cell(&object, now), json!(3));
        assert_eq!(column("date", ".t").cell(&object, now), json!("60s"));
        assert_eq!(column("string", ".l[*]").cell(&object, now), json!("a b"));
        assert_eq!(column("string", ".none").cell(&object, now), Value::Null);
    }
}
