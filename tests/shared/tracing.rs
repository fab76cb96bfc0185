//! A trace goes from a village's report over the bus to the table. What the services export is received by OTLP, as a collector does.

use std::net::SocketAddr;

use dafei_contracts::{
    dispatch::v1::CaseState,
    types::v1::{Fine, Measure, measure::Kind},
};
use dafei_kernel::{
    agency::Agency,
    ids::{IdSource as _, SystemIds},
    role::Role,
};
use dafei_tests::{PATIENCE, Place, World, cells, den, month};
use dafei_tools::{client::setting, exercise};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    resource::v1::Resource,
    trace::v1::{Span, span::SpanKind},
};
use tokio::{net::TcpListener, sync::watch};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

const AT: Place = Place { county: "county:371302", township: "township:371302001", village: "village:371302001001" };

/// The spans of one trace, each with the service that exported it.
type Spans = Vec<(String, Span)>;

/// Keeps the spans of one trace, whoever sends them.
struct Receiver {
    trace_id: Vec<u8>,
    spans: watch::Sender<Spans>,
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let service = service(resource.resource.as_ref());
            let of_trace = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            let of_trace = of_trace.filter(|span| span.trace_id == self.trace_id);
            self.spans.send_modify(|spans| spans.extend(of_trace.map(|span| (service.clone(), span))));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn service(resource: Option<&Resource>) -> String {
    let attributes = resource.into_iter().flat_map(|resource| &resource.attributes);
    let named = attributes.filter(|attribute| attribute.key == "service.name");
    let value = named.filter_map(|attribute| attribute.value.as_ref()?.value.clone()).next();
    match value {
        Some(Value::StringValue(name)) => name,
        other => panic!("a service without a name: {other:?}"),
    }
}

/// Receives at the address to which the suite exports; `./dev test` chose it, and nobody listened there before.
async fn receive(trace_id: &str) -> watch::Receiver<Spans> {
    let endpoint = setting("DAFEI_OTLP_ENDPOINT").expect("an endpoint");
    let address: SocketAddr = endpoint.trim_start_matches("http://").parse().expect("an address");
    let listener = TcpListener::bind(address).await.expect("the endpoint is free");
    let (sender, spans) = watch::channel(Vec::new());
    let bytes = u128::from_str_radix(trace_id, 16).expect("hexadecimal").to_be_bytes();
    let receiver = TraceServiceServer::new(Receiver { trace_id: bytes.to_vec(), spans: sender });
    let serving = Server::builder().add_service(receiver).serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(serving);
    spans
}

/// The first span that `is_it`, once it has come, and how many there are of it then.
async fn first(
    spans: &mut watch::Receiver<Spans>,
    is_it: impl Fn(&(String, Span)) -> bool,
) -> Option<((String, Span), usize)> {
    let waited = tokio::time::timeout(PATIENCE, spans.wait_for(|spans| spans.iter().any(&is_it))).await;
    let spans = waited.ok()?.ok()?;
    let mut found = spans.iter().filter(|one| is_it(one));
    Some((found.next()?.clone(), 1 + found.count()))
}

/// The span of a name that a service exported, under this parent where one is given; there is no other.
async fn span(spans: &mut watch::Receiver<Spans>, service: &str, name: &str, parent: Option<&Span>) -> Span {
    let is_it = |(by, span): &(String, Span)| {
        by == service && span.name == name && parent.is_none_or(|parent| span.parent_span_id == parent.span_id)
    };
    match first(spans, is_it).await {
        Some(((_, span), 1)) => span,
        found => {
            let there: Vec<String> = spans.borrow().iter().map(|(by, span)| format!("{by}: {}", span.name)).collect();
            let parent = parent.map(|parent| &parent.name);
            panic!("{service} has not one span {name:?} under {parent:?}, but {found:?}; there are {there:#?}");
        }
    }
}

/// The span that caused another: of a call that the client made too early, and again, that is the one that wrote.
async fn cause(spans: &mut watch::Receiver<Spans>, of: &Span) -> (String, Span) {
    let found = first(spans, |(_, span)| span.span_id == of.parent_span_id).await;
    found.unwrap_or_else(|| panic!("the parent of {} does not come", of.name)).0
}

// The receiver of spans has a thread of its own: what is not taken in time is dropped by who sends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_goes_from_the_villages_report_over_the_bus_to_the_clock_and_to_the_table() {
    let world = World::from_env().expect("the suite");
    let now = exercise::now(&world.suite, &world.keys).await.expect("a clock");
    let (trace_id, client) = (SystemIds.random().simple().to_string(), [7; 8]);
    let traceparent = format!("00-{trace_id}-{}-01", "07".repeat(8));
    let mut spans = receive(&trace_id).await;
    let traced = |role, region| world.actor(role, region).and_then(|actor| actor.in_trace(&traceparent));
    let member = world.actor(Role::GridMember, AT.village).expect("a member");
    let secretary = traced(Role::VillageSecretary, AT.village).expect("a secretary");
    let centre = traced(Role::TownshipCentre, AT.township).expect("a centre");
    let station = world.agency(Role::TownshipAgency, AT.township, Agency::MarketRegulation).expect("an agency");
    let station = station.in_trace(&traceparent).expect("in the trace");

    let id = member.suspect("HC-9", den("桥下棚屋"), "充装液化气").await.expect("a suspicion").case_id;
    member.notify(&id).await.expect("told");
    secretary.report_up(&id).await.expect("up");
    let case = centre.instruct(&id, "market-regulation", "查处").await.expect("instructed");
    let instruction = case.instructions.last().expect("an instruction").instruction_id.clone();
    let fine = Fine { amount_fen: 100, decision_number: "1".to_owned(), mitigation: String::new() };
    let measures = vec![Measure {
        measure_id: "fine".to_owned(),
        decided_at: Some(now.into()),
        comply_by: None,
        kind: Some(Kind::Fine(fine)),
    }];
    station.work_off(&instruction, None, "已取缔", &["HC-9"], measures).await.expect("a result");
    centre.accept_result(&id, "已取缔").await.expect("accepted");
    secretary.publish(&id).await.expect("published");
    centre.case_in(&id, CaseState::Closed).await.expect("closed");
    let found = ("hazardous-chemicals".to_owned(), 2);
    let counts = |table: &_| cells(table).get(&found) == Some(&1);
    world.table("township", AT.township, "", &month(now), counts).await.expect("the case counts in the table");

    let spans = &mut spans;
    // The report: its way to the bus, the call that caused it, the case that it opens, and those who hear of the case.
    let sent = span(spans, "dafei-intake", "publish dafei.events.v1.ReportedUp", None).await;
    let (service, call) = cause(spans, &sent).await;
    assert_eq!((&*service, &*call.name), ("dafei-intake", "dafei.intake.v1.SuspicionService/ReportUp"));
    assert_eq!((call.kind(), &call.parent_span_id[..]), (SpanKind::Server, &client[..]), "the village's trace");
    let opened = span(spans, "dafei-dispatch", "dispatch dafei.events.v1.ReportedUp", Some(&call)).await;
    let told = span(spans, "dafei-dispatch", "publish dafei.events.v1.CaseOpened", Some(&opened)).await;
    assert_eq!((sent.kind(), opened.kind(), told.kind()), (SpanKind::Producer, SpanKind::Consumer, SpanKind::Producer));
    span(spans, "dafei-sla-monitor", "sla-monitor-dispatch dafei.events.v1.CaseOpened", Some(&opened)).await;
    span(spans, "dafei-reporting", "reporting-dispatch dafei.events.v1.CaseOpened", Some(&opened)).await;

    // What counts in the table comes from the result, and the case is closed by the publication in the village.
    let fact = span(spans, "dafei-reporting", "reporting-dispatch dafei.events.v1.ActConfirmed", None).await;
    let (service, call) = cause(spans, &fact).await;
    assert_eq!((&*service, &*call.name), ("dafei-dispatch", "dafei.dispatch.v1.AgencyService/SubmitResult"));
    let published = span(spans, "dafei-dispatch", "dispatch dafei.events.v1.ResultPublished", None).await;
    let (service, call) = cause(spans, &published).await;
    assert_eq!((&*service, &*call.name), ("dafei-intake", "dafei.intake.v1.SuspicionService/PublishResult"));
    span(spans, "dafei-reporting", "reporting-dispatch dafei.events.v1.CaseClosed", Some(&published)).await;
}
