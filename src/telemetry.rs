//! What `voxsync run` says of itself while it works: log lines, whose filter can be changed, and traces.
//!
//! Traces are off unless a collector is named. They hold the spans of voxsync alone, never log lines, and what cannot
//! be sent is lost: a collector that is slow or away holds nothing up.

use std::{
    io::IsTerminal as _,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, bail};
use axum::http::Uri;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing::{Level, Subscriber, warn};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::filter_fn, layer::SubscriberExt as _, registry::LookupSpan, reload,
    util::SubscriberInitExt as _,
};

use crate::arguments::LogFormat;

/// The longest filter.
const FILTER_LIMIT_BYTES: usize = 4096;
/// How long the last spans may take to be sent when the process stops.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);
/// Where a collector takes traces, below its address.
const TRACES_PATH: &str = "/v1/traces";

/// Logs and traces of the process.
pub struct Telemetry {
    log: LogFilter,
    traces: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Starts logging to standard error, and sending spans where a collector is named.
    pub fn start(filter: &str, format: LogFormat, collector: Option<&str>) -> anyhow::Result<Self> {
        let parsed =
            parse(filter).map_err(|why| anyhow::anyhow!("--log {filter:?} is not a log filter: {why}"))?;
        let (parsed, handle) = reload::Layer::new(parsed);
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(std::io::stderr);
        let lines = match format {
            LogFormat::Human => lines.boxed(),
            LogFormat::Json => lines.json().flatten_event(true).boxed(),
        };
        // As OpenTelemetry has it, an empty variable is none.
        let traces = collector.filter(|it| !it.is_empty()).map(provider).transpose()?;
        let spans = traces.as_ref().map(spans);
        let registry = tracing_subscriber::registry().with(lines.with_filter(parsed)).with(spans);
        registry.try_init().context("logging cannot start")?;
        let log = LogFilter { handle, text: Arc::new(Mutex::new(filter.to_owned())) };
        Ok(Self { log, traces })
    }

    /// The filter of the log, to look at and to change.
    pub fn log(&self) -> LogFilter {
        self.log.clone()
    }

    /// Sends the last spans, within a bounded time.
    pub async fn end(self) {
        let Some(traces) = self.traces else { return };
        let ended = tokio::task::spawn_blocking(move || traces.shutdown_with_timeout(FLUSH_TIMEOUT)).await;
        if let Ok(Err(error)) = ended {
            warn!(%error, "the last spans could not be sent");
        }
    }
}

/// The filter of the log. All clones are one.
#[derive(Clone)]
pub struct LogFilter {
    handle: reload::Handle<EnvFilter, Registry>,
    text: Arc<Mutex<String>>,
}

impl LogFilter {
    /// The present filter.
    pub fn get(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes another filter from now on, or says why it is none.
    pub fn set(&self, filter: &str) -> Result<(), String> {
        let parsed = parse(filter)?;
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *text, filter.to_owned());
        // Said where it can be seen: the new filter may let nothing through, or the old one.
        let is_heard = tracing::enabled!(Level::WARN);
        let say = || warn!(before, now = filter, "the log filter is changed");
        if is_heard {
            say();
        }
        self.handle.reload(parsed).map_err(|error| error.to_string())?;
        if !is_heard {
            say();
        }
        Ok(())
    }
}

fn parse(filter: &str) -> Result<EnvFilter, String> {
    if filter.trim().is_empty() || filter.len() > FILTER_LIMIT_BYTES {
        return Err(format!("it is empty or longer than {FILTER_LIMIT_BYTES} bytes; for example info"));
    }
    EnvFilter::try_new(filter)
        .map_err(|error| format!("{error}; for example info or voxsync=debug,kube=warn"))
}

/// Sends spans to a collector, by OTLP over HTTP. The other variables of OpenTelemetry (`OTEL_EXPORTER_OTLP_HEADERS`,
/// `OTEL_BSP_SCHEDULE_DELAY`, …) count as well.
fn provider(collector: &str) -> anyhow::Result<SdkTracerProvider> {
    // Not shown: there may be a password in it.
    let address: Uri = collector.parse().context("--otlp-endpoint is not a URL")?;
    if !matches!(address.scheme_str(), Some("http" | "https")) {
        bail!("--otlp-endpoint must begin with http:// or https://, for example http://collector:4318");
    }
    if address.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        bail!("--otlp-endpoint has a user in it: give its login as OTEL_EXPORTER_OTLP_HEADERS instead");
    }
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}{TRACES_PATH}", collector.trim_end_matches('/')))
        .build()
        .context("--otlp-endpoint")?;
    let resource = Resource::builder()
        .with_service_name("voxsync")
        .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}

/// The spans of voxsync: those of libraries may hold what is none of a collector's business.
fn spans<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("voxsync"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_target(false)
        .with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with("voxsync")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_wrong_with_a_filter() {
        for filter in ["info", "voxsync=debug,kube=warn", "off"] {
            assert!(parse(filter).is_ok(), "{filter}");
        }
        for filter in ["", "voxsync=loud", "a=b=c", &"a".repeat(FILTER_LIMIT_BYTES + 1)] {
            assert!(parse(filter).unwrap_err().contains("for example info"), "{filter}");
        }
    }

    #[test]
    fn a_collector_is_a_url_without_a_login() {
        for (address, wanted) in [
            ("collector:4318", "must begin with http"),
            ("ftp://collector", "must begin with http"),
            ("http://me:secret@collector:4318", "OTEL_EXPORTER_OTLP_HEADERS"),
            ("not a url", "is not a URL"),
        ] {
            let error = format!("{:#}", provider(address).unwrap_err());
            assert!(error.contains(wanted) && !error.contains("secret"), "{error}");
        }
    }
}
