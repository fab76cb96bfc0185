//! Traces over the bus. The log keeps with an event the `traceparent` of what caused it, and the relay sends it along; here a publication and each
//! consumption become spans under it, and what a consumer writes is caused by its span. An event without a trace, such as those of silent
//! methods, gets none.

use std::sync::Arc;

use dafei_kernel::time::Instant;
use dafei_messaging::{
    consumer::{Delivered, Handler, HandlerError},
    log::LoggedEvent,
};
use dafei_runtime::telemetry;
use sqlx::PgConnection;
use tracing::{Span, field::Empty};

/// The span of an event's way to the bus.
pub(crate) fn publication(event: &LoggedEvent) -> Option<Span> {
    let traceparent = event.traceparent.as_deref()?;
    let span = tracing::info_span!(
        "publish",
        otel.name = format!("publish {}", event.event_type),
        otel.kind = "producer",
        otel.status_code = Empty,
        messaging.system = "nats",
        messaging.destination.name = event.stream,
        messaging.message.id = %event.event_id,
    );
    telemetry::set_parent(&span, traceparent);
    Some(span)
}

/// A handler of which each traced event has a span for as long as its batch is worked on, once for every try.
#[derive(Debug)]
pub(crate) struct Traced<H>(pub(crate) Arc<H>);

impl<H: Handler> Handler for Traced<H> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    async fn apply(&self, connection: &mut PgConnection, events: &[Delivered]) -> Result<(), HandlerError> {
        if events.iter().all(|event| event.traceparent.is_none()) {
            return self.0.apply(connection, events).await;
        }
        let (mut spans, mut carried) = (Vec::new(), events.to_vec());
        for event in &mut carried {
            let Some(traceparent) = &event.traceparent else { continue };
            let span = consumption(self.name(), event, traceparent);
            // None where nothing is collected: the trace goes on as it came.
            if let Some(own) = span.in_scope(telemetry::current_traceparent) {
                event.traceparent = Some(own);
                spans.push(span);
            }
        }
        let done = self.0.apply(connection, &carried).await;
        if done.is_err() {
            for span in &spans {
                span.record("otel.status_code", "ERROR");
            }
        }
        done
    }

    async fn on_watermark(
        &self,
        connection: &mut PgConnection,
        service: &str,
        through: Instant,
    ) -> Result<(), HandlerError> {
        self.0.on_watermark(connection, service, through).await
    }

    fn committed(&self, events: &[Delivered]) {
        self.0.committed(events);
    }
}

fn consumption(consumer: &'static str, event: &Delivered, traceparent: &str) -> Span {
    // A message of an outsider has no type, only a subject.
    let what = if event.event_type.is_empty() { &event.subject } else { &event.event_type };
    let span = tracing::info_span!(
        "consume",
        otel.name = format!("{consumer} {what}"),
        otel.kind = "consumer",
        otel.status_code = Empty,
        messaging.system = "nats",
        messaging.consumer.group.name = consumer,
        messaging.message.id = %event.event_id,
    );
    telemetry::set_parent(&span, traceparent);
    span
}
