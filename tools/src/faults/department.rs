//! The department whose own system is on NATS: one task reads its queue, the lanes wait for their instructions and receipts. It insists as the
//! lanes do: whatever becomes of the bus, an instruction is taken off the queue at last, and a feedback sent until its receipt has come.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use async_nats::jetstream::message::AckKind;
use dafei_contracts::dispatch::v1::{
    ExplainRouteRequest, RouteQuestion, explain_route_request::About, routing_service_client::RoutingServiceClient,
};
use dafei_kernel::{agency::Agency, region::Region, role::Role};
use futures::StreamExt as _;
use serde_json::Value;
use tokio::time::sleep;
use tonic::Status;

use super::{
    insist::insist,
    journal::{Journal, Line},
    tray::{Awaited, Tray},
};
use crate::{
    agency,
    agency_system::Access,
    client::{Caller, Keys, Service, Suite},
};

/// The queue answers at least so often while it has nothing: twice nothing, and it is asked for anew.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// A pull lasts so long. One whose client is gone, an earlier load's among them, may still be given what comes, which then comes again only after
/// a while: so it is short, and asks for few.
const PULL: Duration = Duration::from_secs(2);
const AT_ONCE: usize = 4;
/// Pause before a queue that is not there is asked for again.
const PAUSE: Duration = Duration::from_millis(500);
/// Receipts that say that a feedback has its effect: by this message, or by one before it under the same id.
const TAKEN: [&str; 2] = ["RECEIPT_STATUS_ACCEPTED", "RECEIPT_STATUS_DUPLICATE"];

/// The department and its system.
pub(super) struct Department {
    agency: Agency,
    access: Access,
    desk: Desk,
}

/// Where the reader lays what has come.
struct Desk {
    journal: Arc<Journal>,
    /// Instructions by case.
    instructions: Tray<Value>,
    /// Receipts by the id of the feedback.
    receipts: Tray<Value>,
}

impl Department {
    /// Registers a system of the department that leads in such a case, and begins to read its queue.
    pub(super) async fn open(
        suite: &'static Suite,
        keys: &Keys,
        county: &Region,
        act: &str,
        journal: Arc<Journal>,
    ) -> anyhow::Result<Arc<Self>> {
        let agency = lead(suite, keys, county, act).await?;
        let credentials = agency::issue(suite, keys, agency, county).await?;
        let access = Access::connect(&credentials).await?;
        // What an earlier load has asked for has run out then.
        sleep(PULL).await;
        let department = Arc::new(Self { agency, access, desk: Desk::new(journal) });
        // It ends with the process.
        tokio::spawn(department.clone().read());
        Ok(department)
    }

    pub(super) const fn agency(&self) -> Agency {
        self.agency
    }

    /// The instruction of a case, which may come before its office has heard that it was sent.
    pub(super) fn instruction_of(&self, case_id: &str) -> Awaited<'_, Value> {
        self.desk.instructions.await_of(case_id)
    }

    /// Sends a feedback under an id of its own until its receipt says that it was taken. Answers the id, and how often it was sent.
    pub(super) async fn feed_back(
        &self,
        kind: &str,
        instruction: &str,
        body: &Value,
        patience: Duration,
    ) -> anyhow::Result<(String, u32)> {
        let id = format!("{instruction}-{kind}");
        let receipt = self.desk.receipts.await_of(&id);
        let (said, tries) = insist(kind, patience, || async {
            let sent = self.access.send(&id, kind, instruction, body.clone());
            tokio::select! {
                // Also that of an earlier try, while the bus has no answer to this one.
                said = receipt.came() => anyhow::Ok(said),
                sent = sent => {
                    sent.map_err(|error| Status::unavailable(format!("{error:#}")))?;
                    Ok(receipt.came().await)
                }
            }
        })
        .await?;
        ensure!(said["status"].as_str().is_some_and(|status| TAKEN.contains(&status)), "{kind}: {said}");
        Ok((id, tries))
    }

    async fn read(self: Arc<Self>) {
        loop {
            if let Err(error) = self.read_on().await {
                eprintln!("the department's queue: {error:#}");
            }
            sleep(PAUSE).await;
        }
    }

    async fn read_on(&self) -> anyhow::Result<()> {
        let queue = self.access.queue().await?;
        let pulls = queue.stream().max_messages_per_batch(AT_ONCE).expires(PULL).heartbeat(HEARTBEAT);
        let mut messages = pulls.messages().await?;
        while let Some(message) = messages.next().await {
            let message = message?;
            self.desk.take(&message.subject, &message.payload)?;
            message.ack_with(AckKind::Ack).await.map_err(|error| anyhow::anyhow!("{error}"))?;
        }
        Ok(())
    }
}

impl Desk {
    fn new(journal: Arc<Journal>) -> Self {
        Self { journal, instructions: Tray::new(), receipts: Tray::new() }
    }

    /// What is acknowledged must be stored before: it does not come again. Instructions of cases for which no lane waits are those of an earlier
    /// load, or of cases that the department works off by gRPC; notices ask for nothing.
    fn take(&self, subject: &str, payload: &[u8]) -> anyhow::Result<()> {
        let said: Value = serde_json::from_slice(payload).with_context(|| subject.to_owned())?;
        let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        match subject.rsplit('.').next() {
            Some("instruction") => {
                let (instruction_id, case_id) = (text("instructionId"), text("caseId"));
                if self.instructions.is_awaited(&case_id) {
                    self.journal.append(&Line::Received { instruction_id, case_id: case_id.clone() })?;
                    self.instructions.put(&case_id, said);
                }
            }
            Some("receipt") => self.receipts.put(&text("feedbackId"), said),
            _ => {}
        }
        Ok(())
    }
}

/// Who leads in a case of a den by the county's routing.
async fn lead(suite: &Suite, keys: &Keys, county: &Region, act: &str) -> anyhow::Result<Agency> {
    let question = RouteQuestion { act: act.to_owned(), county: Some(county.into()), ..Default::default() };
    let request = ExplainRouteRequest { about: Some(About::Question(question)) };
    let office = keys.bearer(&Caller::new(Role::CountyOffice, county.clone()))?;
    let mut routing = RoutingServiceClient::new(suite.with(Service::Dispatch, &office));
    let answer = routing.explain_route(request).await.context("who leads")?.into_inner();
    Ok(answer.route.context("a route")?.lead.parse()?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::{Desk, Journal, Line};
    use crate::faults::journal;

    #[tokio::test]
    async fn an_awaited_instruction_is_written_down_and_handed_over_and_any_other_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let desk = Desk::new(Arc::new(Journal::open(&path).unwrap()));
        let come = |case: &str| {
            let said = json!({"instructionId": format!("{case}-1"), "caseId": case}).to_string();
            desk.take("dafei.v1.agency.energy.county.371302.instruction", said.as_bytes()).unwrap();
        };
        let mine = desk.instructions.await_of("mine");
        come("of an earlier load");
        come("mine");
        come("mine");
        assert_eq!(mine.came().await["instructionId"], "mine-1");
        let lines = journal::read(&path).unwrap();
        let received =
            |line: &Line| matches!(line, Line::Received { instruction_id, .. } if instruction_id == "mine-1");
        assert!(lines.len() == 2 && lines.iter().all(received), "{lines:?}");
    }

    #[tokio::test]
    async fn a_receipt_goes_to_whoever_sent_the_feedback_and_a_notice_to_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let desk = Desk::new(Arc::new(Journal::open(&folder.path().join("journal")).unwrap()));
        let (first, second) = (desk.receipts.await_of("1"), desk.receipts.await_of("2"));
        for id in ["2", "1"] {
            let said = json!({"feedbackId": id, "status": "RECEIPT_STATUS_ACCEPTED"}).to_string();
            desk.take("dafei.v1.agency.energy.county.371302.receipt", said.as_bytes()).unwrap();
        }
        desk.take("dafei.v1.agency.energy.county.371302.notice", b"{}").unwrap();
        assert_eq!(first.came().await["feedbackId"], "1");
        assert_eq!(second.came().await["feedbackId"], "2");
        assert!(desk.take("dafei.v1.agency.energy.county.371302.receipt", b"{").is_err(), "not to be acknowledged");
    }
}
