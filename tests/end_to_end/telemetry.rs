//! What `voxsync run` says of itself to machines: traces, metrics, and a log whose filter can be changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::TcpListener,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value as Attribute},
    trace::v1::Span,
};
use prost::Message as _;
use serde_json::{Value, json};

use crate::harness::{
    Case, Cluster, Needs, Process, cases,
    estate::{Estate, PRODUCTION, REPOSITORY},
    status::{assert_says, text},
    wait_for,
};

const DEADLINE: Duration = Duration::from_mins(4);

pub(crate) const CASES: &[Case] = cases![
    a_promotion_can_be_followed_through_its_spans => Needs::BOTH_SHAPES,
    a_collector_that_is_away_holds_nothing_up,
    metrics_are_as_prometheus_wants_them,
    the_filter_of_the_log_changes_while_it_runs,
];

async fn a_promotion_can_be_followed_through_its_spans(cluster: &Cluster) {
    let mut estate = Estate::staged(cluster, "0s").await;
    estate.kill();
    let collector = Collector::start().await;
    let process = Process::start_with(
        cluster,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", Path::new(&collector.address)),
            ("OTEL_BSP_SCHEDULE_DELAY", Path::new("100")),
        ],
    );
    estate.push_and_look(cluster, "v1.1.0").await;
    let status = cluster.deployed(PRODUCTION, "v1.1.0").await;
    let promotion = text(&status["history"][0]["id"]);

    let repository = format!("{}/{REPOSITORY}", estate.registry.host());
    collector.has("look", &[("kind", "registry"), ("source", &repository), ("outcome", "ok")]).await;
    let code_sync = format!("{}/{PRODUCTION}", cluster.namespace());
    collector.has("pass", &[("code_sync", &code_sync), ("promotion", promotion)]).await;
    for server in ["canary", "compile"] {
        collector.has("roll out", &[("server", server), ("promotion", promotion)]).await;
    }
    for target in ["Server/canary", "Config/production"] {
        let write = collector.has("write", &[("target", target)]).await;
        let passes = collector.spans().into_iter().filter(|span| span.span_id == write.parent_span_id);
        let of: Vec<String> = passes.filter_map(|pass| attributes(&pass).remove("promotion")).collect();
        assert_eq!(of, [promotion], "the pass that {target} was written in");
    }

    let until_the_end = collector.spans().len();
    process.signal("-TERM");
    let ended =
        wait_for("the process to end", DEADLINE, async || process.ended().ok_or("it still runs".to_owned()));
    assert!(ended.await.success());
    assert!(collector.spans().len() >= until_the_end);
    let log = process.log().join("\n");
    assert!(!log.contains("OpenTelemetry") && !log.contains("could not be sent"), "{log}");
}

async fn a_collector_that_is_away_holds_nothing_up(cluster: &Cluster) {
    let mut estate = Estate::staged(cluster, "0s").await;
    estate.kill();
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its address");
    let address = format!("http://{free}");
    let process = Process::start_with(cluster, &[("OTEL_EXPORTER_OTLP_ENDPOINT", Path::new(&address))]);
    estate.push_and_look(cluster, "v1.1.0").await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    process.signal("-TERM");
    let ended =
        wait_for("the process to end", DEADLINE, async || process.ended().ok_or("it still runs".to_owned()));
    assert!(ended.await.success());
}

async fn metrics_are_as_prometheus_wants_them(cluster: &Cluster) {
    let mut estate = Estate::staged(cluster, "0s").await;
    estate.kill();
    let process = Process::start(cluster);
    estate.push_and_look(cluster, "v1.1.0").await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    // Something that is not as it should be: a target that a person changed, and a candidate that waits for it.
    let by_hand = json!({"spec": {"code": cluster.code(&estate.tagged("v1.0.0"))}});
    cluster.patch("Config", PRODUCTION, by_hand).await;
    cluster.condition(PRODUCTION, "Held", "True", "Changed").await;
    estate.push_and_look(cluster, "v1.2.0").await;

    let namespace = cluster.namespace();
    let of_code_sync = format!(r#"{{namespace="{namespace}",code_sync="production"}}"#);
    let (host, requests) = (estate.registry.host(), "voxsync_source_requests_total");
    let wanted = [
        format!(r#"voxsync_build_info{{version="{}"}} 1"#, env!("CARGO_PKG_VERSION")),
        format!(r#"{requests}{{host="{host}",code="200"}}"#),
        r#"voxsync_source_looks_total{place="registry",outcome="ok"}"#.to_owned(),
        r#"voxsync_api_requests_total{verb="patch",resource="deployments",code="200"}"#.to_owned(),
        r#"voxsync_api_requests_total{verb="watch",resource="codesyncs",code="200"}"#.to_owned(),
        r#"voxsync_agent_writes_total{object="Config",outcome="ok"}"#.to_owned(),
        r#"voxsync_candidate_stage_seconds_count{stage="1"}"#.to_owned(),
        r#"voxsync_candidate_stage_seconds_count{stage="2"} 1"#.to_owned(),
        "voxsync_candidate_released_seconds_count 1".to_owned(),
        format!("voxsync_candidate_age_seconds{of_code_sync}"),
        format!("voxsync_held_targets{of_code_sync} 1"),
        "voxsync_agent_queue_depth".to_owned(),
        "voxsync_reconciler_writes_total".to_owned(),
        "voxsync_reconciler_servers".to_owned(),
        "# EOF".to_owned(),
    ];
    let metrics = wait_for("all metrics", DEADLINE, async || {
        let metrics = process.get("/metrics").await.map_err(|error| error.to_string())?;
        let missing =
            wanted.iter().find(|wanted| !metrics.lines().any(|line| line.starts_with(wanted.as_str())));
        missing.map_or(Ok(metrics.clone()), |missing| Err(format!("{missing} is not in\n{metrics}")))
    })
    .await;
    assert_well_formed(&metrics);
}

/// The rules of `OpenMetrics` and of Prometheus' own linter, as far as they are about names, units and help.
fn assert_well_formed(metrics: &str) {
    let described = |word: &str| -> BTreeMap<&str, &str> {
        let lines = metrics.lines().filter_map(|line| line.strip_prefix(&format!("# {word} ")));
        let lines: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(' ')).collect();
        let names: BTreeSet<&str> = lines.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), lines.len(), "each is described once: {lines:?}");
        lines.into_iter().collect()
    };
    let (types, help, units) = (described("TYPE"), described("HELP"), described("UNIT"));
    assert_eq!(types.keys().collect::<Vec<_>>(), help.keys().collect::<Vec<_>>());
    for (name, kind) in &types {
        let help = help[name];
        let is_sentence = help.split(' ').count() >= 3 && help.ends_with('.') && !help.ends_with("..");
        assert!(is_sentence, "the help of {name}: {help:?}");
        let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(name.starts_with("voxsync_") && is_name, "{name}");
        let suffixes = ["_total", "_info", "_count", "_sum", "_bucket", "_milliseconds", "_minutes"];
        assert!(
            suffixes.iter().all(|suffix| !name.ends_with(suffix)),
            "{name} has a suffix that is not its own"
        );
        assert!(["counter", "gauge", "histogram", "info"].contains(kind), "{name} is a {kind}");
        let is_time = help.starts_with("Time ");
        assert_eq!(units.get(name), is_time.then_some(&"seconds"), "the unit of {name}: {help}");
        assert_eq!(name.ends_with("_seconds"), is_time, "{name}");
    }
    for sample in metrics.lines().filter(|line| !line.starts_with('#')) {
        let name = sample.split(['{', ' ']).next().unwrap_or_default();
        let is_of = |(family, kind): (&&str, &&str)| match *kind {
            "counter" => name == format!("{family}_total"),
            "info" => name == format!("{family}_info"),
            "histogram" => {
                name.strip_prefix(*family).is_some_and(|it| ["_count", "_sum", "_bucket"].contains(&it))
            }
            _ => name == *family,
        };
        assert!(types.iter().any(is_of), "{sample} is of no family");
    }
}

async fn the_filter_of_the_log_changes_while_it_runs(cluster: &Cluster) {
    let process = Process::start_with(cluster, &[("VOXSYNC_ADMIN_LISTEN", Path::new("127.0.0.1:0"))]);
    let address = wait_for("the line with the address of /log", DEADLINE, async || {
        let lines = process.log();
        let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut addresses = lines.filter_map(|line| line["admin_address"].as_str().map(str::to_owned));
        addresses.next().ok_or_else(|| "not there".to_owned())
    })
    .await;
    let url = format!("http://{address}/log");
    let client = reqwest::Client::new();
    let present = async || client.get(&url).send().await.unwrap().text().await.unwrap();
    assert_eq!(present().await, "info\n");
    let is_debug = |line: &String| line.contains(r#""level":"DEBUG""#);
    assert!(!process.log().iter().any(is_debug));

    let refused = client.put(&url).body("voxsync=loud").send().await.unwrap();
    assert_eq!(refused.status(), 400);
    assert_says(
        &refused.text().await.unwrap(),
        &["\"voxsync=loud\" is not a log filter", "for example info"],
    );
    assert_eq!(present().await, "info\n");

    let changed = client.put(&url).body("debug\n").send().await.unwrap();
    assert_eq!(changed.status(), 200);
    assert_eq!(present().await, "debug\n");
    wait_for("a line of the level debug", DEADLINE, async || {
        let log = process.log();
        if log.iter().any(is_debug) { Ok(()) } else { Err(log.join("\n")) }
    })
    .await;
    for filter in ["off", "info"] {
        assert_eq!(client.put(&url).body(filter).send().await.unwrap().status(), 200);
    }
    wait_for("a line for each change", DEADLINE, async || {
        let count = process.log().iter().filter(|line| line.contains("the log filter is changed")).count();
        if count == 3 { Ok(()) } else { Err(count.to_string()) }
    })
    .await;

    let mut command = Process::command(cluster.voxsync_kubeconfig(), cluster.namespace());
    let open =
        command.args(["--admin-listen", "0.0.0.0:0"]).stderr(Stdio::piped()).output().expect("it starts");
    assert_says(&String::from_utf8_lossy(&open.stderr), &["only a loopback address", "kubectl port-forward"]);
    assert_eq!(open.status.code(), Some(2));
}

/// A collector of traces that takes everything.
struct Collector {
    address: String,
    received: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    async fn start() -> Self {
        let received = Arc::<Mutex<Vec<Span>>>::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&received));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("its address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, received }
    }

    fn spans(&self) -> Vec<Span> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a span of that name with these attributes.
    async fn has(&self, name: &str, wanted: &[(&str, &str)]) -> Span {
        wait_for(&format!("a span {name:?} with {wanted:?}"), DEADLINE, async || {
            let spans = self.spans();
            let is_meant = |span: &&Span| {
                let attributes = attributes(span);
                let has = |(name, value): &(&str, &str)| attributes.get(*name).is_some_and(|it| it == value);
                span.name == name && wanted.iter().all(has)
            };
            spans.iter().find(is_meant).cloned().ok_or_else(|| {
                let shown = spans.iter().map(|span| format!("{} {:?}", span.name, attributes(span)));
                shown.collect::<Vec<_>>().join("\n")
            })
        })
        .await
    }
}

async fn take(State(received): State<Arc<Mutex<Vec<Span>>>>, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body).expect("a request of OTLP");
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    let spans = scopes.flat_map(|scope| scope.spans);
    received.lock().unwrap_or_else(PoisonError::into_inner).extend(spans);
}

fn attributes(span: &Span) -> BTreeMap<String, String> {
    let of = |attribute: &KeyValue| match attribute.value.as_ref()?.value.as_ref()? {
        Attribute::StringValue(text) => Some((attribute.key.clone(), text.clone())),
        _ => None,
    };
    span.attributes.iter().filter_map(of).collect()
}
