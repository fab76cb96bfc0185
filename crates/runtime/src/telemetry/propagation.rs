//! W3C trace context: a trace goes with a call, into the event log, over the bus, and into the next service.

use std::collections::HashMap;

use opentelemetry::{
    propagation::{Extractor, TextMapPropagator},
    trace::TraceContextExt,
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const TRACEPARENT: &str = "traceparent";

/// The `traceparent` of the current span, to be stored with an event or sent with a message. `None` when nothing is
/// traced: no collector, or a silent method.
pub fn current_traceparent() -> Option<String> {
    let context = Span::current().context();
    if !context.span().span_context().is_valid() {
        return None;
    }
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&context, &mut carrier);
    carrier.remove(TRACEPARENT)
}

/// Makes a span the child of the one that a `traceparent` names. A malformed one is ignored: it comes from outside. To be
/// called before the span is entered.
pub fn set_parent(span: &Span, traceparent: &str) {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    adopt(span, &carrier);
}

pub(super) fn adopt(span: &Span, carrier: &dyn Extractor) {
    let context = TraceContextPropagator::new().extract(carrier);
    if context.span().span_context().is_valid() {
        // Fails when nothing is traced, and then there is nothing to do.
        let _untraced = span.set_parent(context);
    }
}

/// The headers of a call as a carrier of trace context.
pub(super) struct Headers<'a>(pub(super) &'a http::HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn traced<T>(run: impl FnOnce() -> T) -> T {
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), run)
    }

    #[test]
    fn a_span_carries_on_the_trace_it_was_handed() {
        let traceparent = traced(|| {
            let span = tracing::info_span!("child");
            set_parent(&span, PARENT);
            span.in_scope(current_traceparent)
        });
        let traceparent = traceparent.unwrap();
        assert!(traceparent.starts_with("00-0af7651916cd43dd8448eb211c80319c-"));
        assert!(!traceparent.contains("b7ad6b7169203331"));
    }

    #[test]
    fn a_malformed_traceparent_begins_a_new_trace() {
        let traceparent = traced(|| {
            let span = tracing::info_span!("child");
            set_parent(&span, "00-zz-zz-01");
            span.in_scope(current_traceparent)
        });
        assert!(!traceparent.unwrap().contains("zz"));
    }

    #[test]
    fn without_a_collector_there_is_no_traceparent() {
        let none = tracing::subscriber::with_default(tracing_subscriber::registry(), || {
            let span = tracing::info_span!("child");
            set_parent(&span, PARENT);
            span.in_scope(current_traceparent)
        });
        assert_eq!(none, None);
    }
}
