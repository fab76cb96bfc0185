//! The agencies' feedback by NATS: taken into the same commands as by gRPC, in the consumer's own transaction, each answered with a
//! receipt. It counts at the instant at which JetStream stored it, so that an outage of dispatch blames nobody.

use std::{collections::HashMap, sync::Arc};

use dafei_contracts::{Stream, chain, events::v1 as ev};
use dafei_dispatch_core::case::{Command, Means, Obstacle, Rejection};
use dafei_kernel::{ids, region::RegionPath, time::Instant};
use dafei_messaging::{
    consumer::{Delivered, Handler, HandlerError},
    streams::StreamSpec,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    app::App,
    consumers::{NAME, retry},
    feedback::{self, Letter, Said, Wrong},
    publisher::Meta,
    store::feedback::{self as store, Used},
    unit::Unit,
    work::{Order, Refusal, Work},
};

/// The stream that the agencies' systems write to.
#[must_use]
pub fn feedback_stream() -> StreamSpec {
    let subjects = Stream::Feedback.subjects().iter().copied();
    StreamSpec::untrusted(Stream::Feedback.name(), subjects)
}

/// Takes DAFEI_FEEDBACK.
pub struct FeedbackHandler {
    app: Arc<App>,
}

impl FeedbackHandler {
    /// The service's handler.
    #[must_use]
    pub fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

/// What became of a feedback.
enum Verdict {
    Accepted,
    Duplicate,
    Rejected(Wrong),
}

type Ids = HashMap<(Unit, String), Used>;

impl Handler for FeedbackHandler {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn apply(&self, conn: &mut PgConnection, events: &[Delivered]) -> Result<(), HandlerError> {
        let letters = events.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
        let keys: Vec<(Unit, String)> = letters.iter().filter_map(key).collect();
        let mut used: Ids = store::find(conn, &keys)
            .await?
            .into_iter()
            .map(|used| ((used.unit.clone(), used.feedback_id.clone()), used))
            .collect();
        let now = self.app.clock.now();
        let orders: Vec<Option<Order>> =
            letters.iter().zip(events).map(|(letter, event)| self.order(letter, event, now)).collect();
        let mut work = Work::load(&self.app, conn, now, orders.iter().flatten()).await?;
        for (index, (letter, order)) in letters.iter().zip(&orders).enumerate() {
            let taken = self.take(&mut work, letter, order.as_ref(), &events[index], &mut used);
            taken.map_err(|refusal| HandlerError::Reject { index, reason: refusal.to_string() })?;
        }
        store::save(conn, &used.values().collect::<Vec<_>>(), now).await?;
        work.save(conn).await.map_err(retry)
    }
}

/// A message without a unit in its subject cannot be answered; it is left to the operator.
fn read((index, event): (usize, &Delivered)) -> Result<Letter, HandlerError> {
    feedback::read(&event.subject, &event.payload).ok_or_else(|| HandlerError::Reject {
        index,
        reason: format!("the subject {} names no unit that can be answered", event.subject),
    })
}

fn key(letter: &Letter) -> Option<(Unit, String)> {
    letter.feedback_id.clone().map(|id| (letter.unit.clone(), id))
}

impl FeedbackHandler {
    fn order(&self, letter: &Letter, event: &Delivered, now: Instant) -> Option<Order> {
        let said = letter.said.as_ref().ok()?;
        Some(Order {
            case: None,
            command: Command::Instruction { id: said.instruction, step: said.step.clone() },
            actor: letter.unit.post(),
            guarded: true,
            expected_version: None,
            then: None,
            at: Some(self.app.instant_of_bus(event.stored_at, now)),
            means: Means::Consumer,
            traceparent: event.traceparent.clone(),
        })
    }

    /// Gives one feedback its effect and its receipt.
    fn take(
        &self,
        work: &mut Work<'_>,
        letter: &Letter,
        order: Option<&Order>,
        event: &Delivered,
        used: &mut Ids,
    ) -> Result<(), Refusal> {
        let known = key(letter).and_then(|key| used.get(&key));
        let verdict = match (&letter.said, order) {
            (Ok(said), Some(order)) => judge(work, said, order, known)?,
            (Err(wrong), _) => Verdict::Rejected(wrong.clone()),
            (Ok(_), None) => return Ok(()),
        };
        self.answer(work, letter, &verdict, event, used)
    }

    /// Writes the receipt, and what the id stands for from now on.
    fn answer(
        &self,
        work: &mut Work<'_>,
        letter: &Letter,
        verdict: &Verdict,
        event: &Delivered,
        used: &mut Ids,
    ) -> Result<(), Refusal> {
        let entry = key(letter).map(|key| {
            let (unit, feedback_id) = key.clone();
            used.entry(key).or_insert_with(|| Used {
                unit,
                feedback_id,
                content_hash: None,
                instruction_id: letter.instruction_id.clone(),
                receipts: 0,
                chain_head: String::new(),
            })
        });
        let (aggregate, sequence, chain_head) = match &entry {
            Some(used) => (aggregate(letter, ""), used.receipts + 1, used.chain_head.clone()),
            // An id that cannot be read: the message's own place and time stand for it.
            None => (aggregate(letter, &format!("{}@{}", event.stream_sequence, event.stored_at)), 1, String::new()),
        };
        let meta = Meta {
            aggregate,
            sequence,
            region_path: self.path(&letter.unit),
            actor: letter.unit.post(),
            received_at: self.app.instant_of_bus(event.stored_at, work.now),
            chain_head: chain_head.clone(),
        };
        let bytes = work.add(receipt(letter, verdict).into(), meta, event.traceparent.clone())?;
        if let Some(used) = entry {
            used.receipts = sequence;
            used.chain_head = chain::next_head(&chain_head, &bytes);
            if let (Verdict::Accepted, Ok(said)) = (verdict, &letter.said) {
                used.content_hash = Some(said.hash.to_vec());
                used.instruction_id = letter.instruction_id.clone();
            }
        }
        Ok(())
    }

    /// Path of the unit's region; of a region that the roster does not know, itself.
    fn path(&self, unit: &Unit) -> String {
        let path: Option<RegionPath> = self.app.roster.current().path(&unit.region);
        path.map_or_else(|| unit.region.to_string(), |path| path.to_string())
    }
}

/// The receipts of one id of one unit are one aggregate.
fn aggregate(letter: &Letter, place: &str) -> Uuid {
    let unit = &letter.unit;
    let id = letter.feedback_id.as_deref().unwrap_or(place);
    ids::derived(&["feedback", unit.agency.code(), unit.region.level().code(), unit.region.code().as_str(), id])
}

/// What was taken before under the same id is a duplicate when it says the same; what was rejected before is judged anew.
fn judge(work: &mut Work<'_>, said: &Said, order: &Order, known: Option<&Used>) -> Result<Verdict, Refusal> {
    match known.and_then(|used| used.content_hash.as_deref()) {
        Some(hash) if *hash == said.hash => return Ok(Verdict::Duplicate),
        Some(_) => {
            let wrong = Wrong::new("FEEDBACK_ID_REUSED", "feedback_id", "反馈编号已用于另一份内容");
            return Ok(Verdict::Rejected(wrong));
        }
        None => {}
    }
    match work.carry_out(order) {
        Ok(_) => Ok(Verdict::Accepted),
        Err(Refusal::Rejected(rejection)) => Ok(Verdict::Rejected(wrong(&rejection, said.body))),
        Err(Refusal::NotYours(why)) => Ok(Verdict::Rejected(Wrong::new(why.code(), "instruction_id", why.zh()))),
        Err(refusal @ (Refusal::RequestIdReused | Refusal::OtherVersion(_) | Refusal::Event(_))) => Err(refusal),
    }
}

/// A rule's rejection as a receipt names it: fields stand below the feedback's body.
fn wrong(rejection: &Rejection, body: &str) -> Wrong {
    let field = match &rejection.obstacle {
        Obstacle::Field(field) => format!("{body}.{field}"),
        Obstacle::Absent | Obstacle::Instruction(_) | Obstacle::Stage(_) => "instruction_id".to_owned(),
    };
    Wrong::new(rejection.reason.code(), field, rejection.reason.zh())
}

fn receipt(letter: &Letter, verdict: &Verdict) -> ev::Receipt {
    let (status, wrong) = match verdict {
        Verdict::Accepted => (ev::ReceiptStatus::Accepted, None),
        Verdict::Duplicate => (ev::ReceiptStatus::Duplicate, None),
        Verdict::Rejected(wrong) => (ev::ReceiptStatus::Rejected, Some(wrong)),
    };
    ev::Receipt {
        meta: None,
        feedback_id: letter.feedback_id.clone().unwrap_or_default(),
        status: status.into(),
        reason: wrong.map(|wrong| wrong.reason.clone()).unwrap_or_default(),
        field: wrong.map(|wrong| wrong.field.clone()).unwrap_or_default(),
        message: wrong.map(|wrong| wrong.message.clone()).unwrap_or_default(),
        instruction_id: letter.instruction_id.clone(),
    }
}
