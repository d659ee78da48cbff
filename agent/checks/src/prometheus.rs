//! Checks of kind `prometheus`: each value that a query has now must be between bounds.
//!
//! Protocol: "Instant queries" of <https://prometheus.io/docs/prometheus/latest/querying/api/>, which others that
//! keep series (Thanos, Mimir, `VictoriaMetrics`) have too.

use std::collections::BTreeMap;

use serde::Deserialize;
use url::form_urlencoded::Serializer;
use voxsync_crds::code_sync::PrometheusCheck;

use crate::{
    Answer, Line,
    answer::line,
    exchange::{Question, Received, address},
};

const BODY_LIMIT_BYTES: usize = 1 << 20;
/// How much of what Prometheus says a message shows.
const SHOWN_TEXT_CHARACTERS: usize = 150;
/// How much of the labels of a series.
const SHOWN_LABELS_CHARACTERS: usize = 80;
const CONTENT_TYPE: &str = "application/x-www-form-urlencoded";
/// What a release before 2.55 put among its warnings and is none: a hint about the query.
const HINT: &str = "PromQL info:";

/// The body of an answer.
#[derive(Deserialize)]
struct Body {
    status: Status,
    data: Option<Data>,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Success,
    Error,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Scalar(Sample),
    Vector(Vec<Series>),
    Matrix(serde::de::IgnoredAny),
    String(serde::de::IgnoredAny),
}

/// A time and a value; the value is text, since JSON has no infinity.
#[derive(Deserialize)]
struct Sample(serde::de::IgnoredAny, String);

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    /// None where it is a histogram.
    value: Option<Sample>,
}

pub(crate) async fn ask(check: &PrometheusCheck, way: &Line<'_>) -> Answer {
    let question = address(&check.url, &["api", "v1", "query"]).map(|address| {
        let mut form = Serializer::new(String::new());
        form.append_pair("query", &check.query);
        form.append_pair("timeout", &format!("{}s", way.timeout.as_secs().max(1)));
        Question { address, content: Some((CONTENT_TYPE, form.finish())), body_limit_bytes: BODY_LIMIT_BYTES }
    });
    match question {
        Ok(question) => match way.exchange(question).await {
            Ok(received) => judge(check, &received),
            Err(answer) => answer,
        },
        Err(answer) => answer,
    }
}

/// What an answer means.
pub fn judge(check: &PrometheusCheck, received: &Received) -> Answer {
    judged(check, received).unwrap_or_else(|answer| answer)
}

fn judged(check: &PrometheusCheck, received: &Received) -> Result<Answer, Answer> {
    let status = received.status;
    let body: Body = received.json("Prometheus").map_err(|answer| match status {
        200 => answer,
        401 | 403 => Answer::unreachable(format!("Prometheus refuses the login ({status})")),
        _ => Answer::unreachable(format!("Prometheus answers {status}")),
    })?;
    if body.status == Status::Error || status != 200 {
        let said = line(&body.error, SHOWN_TEXT_CHARACTERS);
        return Err(Answer::unreachable(format!("Prometheus answers {status}: {said}")));
    }
    let values = values(body.data.ok_or_else(|| Answer::unreachable("Prometheus answers without data"))?)?;
    let outside: Vec<&Value> = values.iter().filter(|value| !check.takes(value.number)).collect();
    if let Some(worst) = outside.iter().find(|value| !value.number.is_nan()) {
        let count = if values.len() == 1 {
            String::new()
        } else {
            format!("; {} of {} values are outside", outside.len(), values.len())
        };
        return Ok(Answer::failed(format!("{worst}, {}{count}", check.bounds())));
    }
    if let Some(value) = outside.first() {
        return Err(Answer::undecided(format!(
            "{value}, which is no number: mostly there was nothing to divide by"
        )));
    }
    // What a part of the data says may be wrong of the whole.
    if let Some(warning) = body.warnings.iter().find(|warning| !warning.starts_with(HINT)) {
        let said = line(warning, SHOWN_TEXT_CHARACTERS);
        return Err(Answer::undecided(format!("Prometheus warns of its answer: {said}")));
    }
    match values.as_slice() {
        [] => Err(Answer::undecided("the query has no data; with `or vector(0)` none is zero")),
        [value] => Ok(Answer::passed(format!("{value}, {}", check.bounds()))),
        values => Ok(Answer::passed(format!("all {} values are right, {}", values.len(), check.bounds()))),
    }
}

fn values(data: Data) -> Result<Vec<Value>, Answer> {
    let no_number = || Answer::unreachable("what answers is not Prometheus: a value is no number");
    let number = |sample: &Sample| sample.1.parse::<f64>().map_err(|_| no_number());
    match data {
        Data::Scalar(sample) => Ok(vec![Value { number: number(&sample)?, labels: String::new() }]),
        Data::Vector(series) => series
            .into_iter()
            .map(|series| {
                let sample = series.value.ok_or_else(|| {
                    Answer::unreachable(
                        "the query gives a histogram: make it a value, such as histogram_quantile(…)",
                    )
                })?;
                Ok(Value { number: number(&sample)?, labels: labels(&series.metric) })
            })
            .collect(),
        Data::Matrix(_) => {
            Err(Answer::unreachable("the query gives a range: make it a value, such as avg_over_time(…)"))
        }
        Data::String(_) => Err(Answer::unreachable("the query gives a text, not a value")),
    }
}

/// One value, and what it is of.
struct Value {
    number: f64,
    labels: String,
}

impl std::fmt::Display for Value {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "the value is {}{}", self.number, self.labels)
    }
}

fn labels(metric: &BTreeMap<String, String>) -> String {
    if metric.is_empty() {
        return String::new();
    }
    let pairs: Vec<String> = metric.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!(" of {{{}}}", line(&pairs.join(","), SHOWN_LABELS_CHARACTERS))
}

trait Bounds {
    fn takes(&self, value: f64) -> bool;
    fn bounds(&self) -> String;
}

impl Bounds for PrometheusCheck {
    /// What is no number is between no bounds.
    fn takes(&self, value: f64) -> bool {
        self.minimum.is_none_or(|minimum| value >= minimum)
            && self.maximum.is_none_or(|maximum| value <= maximum)
            && !value.is_nan()
    }

    fn bounds(&self) -> String {
        match (self.minimum, self.maximum) {
            (Some(minimum), Some(maximum)) => format!("right is {minimum} to {maximum}"),
            (Some(minimum), None) => format!("right is {minimum} or more"),
            (None, Some(maximum)) => format!("right is {maximum} or less"),
            (None, None) => "right is any number".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::Standing::{self, *};

    fn check(minimum: Option<f64>, maximum: Option<f64>) -> PrometheusCheck {
        PrometheusCheck { query: "up".to_owned(), minimum, maximum, ..PrometheusCheck::default() }
    }

    fn said(check: &PrometheusCheck, status: u16, body: &str) -> (Standing, String) {
        let answer = judge(check, &Received { status, body: body.into(), ..Received::default() });
        (answer.standing, answer.message)
    }

    fn success(kind: &str, result: &str) -> String {
        format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#)
    }

    #[rstest]
    #[case::at_the_maximum("0.05", Passed, "the value is 0.05, right is 0.05 or less")]
    #[case::above("0.06", Failed, "the value is 0.06, right is 0.05 or less")]
    #[case::below("-1", Passed, "the value is -1, right is 0.05 or less")]
    #[case::endless("+Inf", Failed, "the value is inf, right is 0.05 or less")]
    #[case::endless_and_right("-Inf", Passed, "the value is -inf, right is 0.05 or less")]
    #[case::no_number(
        "NaN",
        Undecided,
        "the value is NaN, which is no number: mostly there was nothing to divide by"
    )]
    #[case::no_value("many", Unreachable, "what answers is not Prometheus: a value is no number")]
    fn one_value(#[case] value: &str, #[case] standing: Standing, #[case] message: &str) {
        let check = check(None, Some(0.05));
        let sample = format!(r#"[1700000000.5,"{value}"]"#);
        assert_eq!(said(&check, 200, &success("scalar", &sample)), (standing, message.to_owned()));
        let vector = format!(r#"[{{"metric":{{}},"value":{sample}}}]"#);
        assert_eq!(said(&check, 200, &success("vector", &vector)), (standing, message.to_owned()));
    }

    #[rstest]
    #[case::none("", Undecided, "the query has no data; with `or vector(0)` none is zero")]
    #[case::all_right("1 2 3", Passed, "all 3 values are right, right is 1 to 3")]
    #[case::one_wrong(
        "1 0 3",
        Failed,
        "the value is 0 of {job=\"1\"}, right is 1 to 3; 1 of 3 values are outside"
    )]
    #[case::wrong_counts_more(
        "NaN 4",
        Failed,
        "the value is 4 of {job=\"1\"}, right is 1 to 3; 2 of 2 values are outside"
    )]
    #[case::one_without_a_number(
        "1 NaN",
        Undecided,
        "the value is NaN of {job=\"1\"}, which is no number: mostly there was nothing to divide by"
    )]
    fn several_series(#[case] values: &str, #[case] standing: Standing, #[case] message: &str) {
        let series = values
            .split_whitespace()
            .enumerate()
            .map(|(job, value)| format!(r#"{{"metric":{{"job":"{job}"}},"value":[1,"{value}"]}}"#));
        let body = success("vector", &format!("[{}]", series.collect::<Vec<_>>().join(",")));
        let check = check(Some(1.0), Some(3.0));
        assert_eq!(said(&check, 200, &body), (standing, message.to_owned()));
    }

    #[rstest]
    #[case::a_range(
        200,
        success("matrix", "[]"),
        "the query gives a range: make it a value, such as avg_over_time(…)"
    )]
    #[case::a_text(200, success("string", r#"[1,"a"]"#), "the query gives a text, not a value")]
    #[case::a_histogram(
        200,
        success("vector", r#"[{"metric":{},"histogram":[1,{}]}]"#),
        "the query gives a histogram: make it a value, such as histogram_quantile(…)"
    )]
    #[case::no_query(
        400,
        r#"{"status":"error","errorType":"bad_data","error":"1:4: parse error:\nunexpected end"}"#.to_owned(),
        "Prometheus answers 400: 1:4: parse error: unexpected end"
    )]
    #[case::an_error_with_200(200, r#"{"status":"error","error":"no"}"#.to_owned(), "Prometheus answers 200: no")]
    #[case::no_data(200, r#"{"status":"success"}"#.to_owned(), "Prometheus answers without data")]
    #[case::html(200, "<html>".to_owned(), "what answers is not Prometheus: no such JSON")]
    #[case::other_json(200, r#"{"a":1}"#.to_owned(), "what answers is not Prometheus: no such JSON")]
    #[case::out_of_order(502, "<html>".to_owned(), "Prometheus answers 502")]
    #[case::not_for_us(401, String::new(), "Prometheus refuses the login (401)")]
    #[case::good_with_a_bad_code(500, success("scalar", r#"[1,"0"]"#), "Prometheus answers 500:")]
    fn no_answers(#[case] status: u16, #[case] body: String, #[case] message: &str) {
        let wanted = (Unreachable, message.to_owned());
        assert_eq!(said(&check(None, Some(1.0)), status, &body), wanted);
    }

    #[test]
    fn what_a_part_of_the_data_says_does_not_pass() {
        let body = |value: &str, warning: &str| {
            let data = format!(r#"{{"resultType":"scalar","result":[1,"{value}"]}}"#);
            format!(r#"{{"status":"success","data":{data},"warnings":["{warning}"]}}"#)
        };
        let check = check(None, Some(1.0));
        let (standing, message) = said(&check, 200, &body("0", "store 3 is gone"));
        assert_eq!(
            (standing, message.as_str()),
            (Undecided, "Prometheus warns of its answer: store 3 is gone")
        );
        assert_eq!(said(&check, 200, &body("2", "store 3 is gone")).0, Failed, "wrong is wrong");
        let hint = "PromQL info: metric might not be a counter";
        assert_eq!(said(&check, 200, &body("0", hint)).0, Passed);
    }
}
