//! Logs, traces and metrics of a process: set up once at its start, flushed last at its end.

mod grpc;
pub mod metrics;
mod propagation;

pub use grpc::{GrpcLayer, GrpcService};
pub use propagation::{current_traceparent, set_parent};

use std::{io::IsTerminal as _, time::Duration};

use opentelemetry::{KeyValue, global, trace::TracerProvider as _};
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    metrics::SdkMeterProvider,
    trace::{Sampler, SdkTracerProvider},
};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{LevelFilter, ParseError, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::config::{Common, Log, LogFormat, Otlp};

/// How long the last flush may take.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one export may take. What the collector does not take is dropped: it must not pile up here.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// Libraries whose spans would only describe the plumbing, and the exporter itself, which must not trace its own calls.
const SILENT_LIBRARIES: [&str; 7] = ["h2", "hyper", "hyper_util", "tonic", "tower", "opentelemetry", "rustls"];

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Why telemetry cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter is malformed.
    #[error("the log filter is malformed")]
    Filter(#[from] ParseError),
    /// The exporter cannot be made.
    #[error("the OTLP exporter cannot be made")]
    Exporter(#[from] ExporterBuildError),
    /// The process has a subscriber already.
    #[error("logging is set up already")]
    AlreadySet(#[from] tracing_subscriber::util::TryInitError),
}

/// Holds what must be flushed at the end. Dropping it flushes too; [`Telemetry::shutdown`] does it without blocking a
/// worker of the runtime.
#[derive(Debug, Default)]
#[must_use = "dropping it ends the export of traces and metrics"]
pub struct Telemetry {
    tracer: Option<SdkTracerProvider>,
    meter: Option<SdkMeterProvider>,
}

/// Sets up logs, and traces and metrics when there is a collector. Call it once, inside the tokio runtime.
///
/// # Errors
/// When the filter is malformed, the exporter cannot be made, or logging is set up already.
pub fn init(common: &Common) -> Result<Telemetry, TelemetryError> {
    let mut layers = vec![log_layer(&common.log)?];
    let mut telemetry = Telemetry::none();
    if let Some(otlp) = &common.otlp {
        let resource = Resource::builder()
            .with_service_name(format!("dafei-{}", common.service))
            .with_attribute(KeyValue::new("service.namespace", "dafei"))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let tracer = tracer_provider(otlp, resource.clone())?;
        layers.push(trace_layer(&tracer));
        let meter = meter_provider(otlp, resource)?;
        global::set_meter_provider(meter.clone());
        telemetry = Telemetry { tracer: Some(tracer), meter: Some(meter) };
    }
    tracing_subscriber::registry().with(layers).try_init()?;
    Ok(telemetry)
}

impl Telemetry {
    /// Nothing to flush: for tests and tools that set up their own logging, or none.
    pub fn none() -> Self {
        Self::default()
    }

    /// Sends what is left and stops. Waits at most a few seconds for the collector.
    pub async fn shutdown(mut self) {
        let (tracer, meter) = (self.tracer.take(), self.meter.take());
        let flush = tokio::task::spawn_blocking(move || flush(tracer, meter));
        // A collector that hangs must not keep the process; what could not be sent is lost, as with any crash.
        let _ended = tokio::time::timeout(FLUSH_TIMEOUT * 2, flush).await;
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        flush(self.tracer.take(), self.meter.take());
    }
}

fn flush(tracer: Option<SdkTracerProvider>, meter: Option<SdkMeterProvider>) {
    let traces = tracer.map(|tracer| tracer.shutdown_with_timeout(FLUSH_TIMEOUT));
    let metrics = meter.map(|meter| meter.shutdown_with_timeout(FLUSH_TIMEOUT));
    for error in [traces, metrics].into_iter().flatten().filter_map(Result::err) {
        tracing::warn!(%error, "the last traces or metrics could not be sent");
    }
}

fn log_layer(log: &Log) -> Result<BoxedLayer, TelemetryError> {
    let filter: EnvFilter = log.filter.parse()?;
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    Ok(match log.format {
        LogFormat::Json => layer.json().flatten_event(true).with_span_list(false).with_filter(filter).boxed(),
        LogFormat::Human => layer.with_ansi(std::io::stderr().is_terminal()).with_filter(filter).boxed(),
    })
}

fn trace_layer(provider: &SdkTracerProvider) -> BoxedLayer {
    let targets = Targets::new()
        .with_default(LevelFilter::INFO)
        .with_targets(SILENT_LIBRARIES.map(|library| (library, LevelFilter::OFF)));
    tracing_opentelemetry::layer().with_tracer(provider.tracer("dafei")).with_filter(targets).boxed()
}

fn tracer_provider(otlp: &Otlp, resource: Resource) -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter =
        SpanExporter::builder().with_tonic().with_endpoint(&otlp.endpoint).with_timeout(EXPORT_TIMEOUT).build()?;
    Ok(SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(otlp.sampling))))
        .with_resource(resource)
        .with_batch_exporter(exporter)
        .build())
}

fn meter_provider(otlp: &Otlp, resource: Resource) -> Result<SdkMeterProvider, ExporterBuildError> {
    let exporter =
        MetricExporter::builder().with_tonic().with_endpoint(&otlp.endpoint).with_timeout(EXPORT_TIMEOUT).build()?;
    Ok(SdkMeterProvider::builder().with_resource(resource).with_periodic_exporter(exporter).build())
}
