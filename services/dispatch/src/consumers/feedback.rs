//! The agencies' feedback by NATS: taken into the same commands as by gRPC, in the consumer's own transaction, each answered with a
//! receipt. It counts at the instant at which JetStream stored it, so that an outage of dispatch blames nobody.

use std::{collections::HashMap, sync::Arc};

use dafei_contracts::{
    Stream,
    catalogue::EventError,
    chain,
    convert::{self, ConvertError},
    events::v1::{self as ev, feedback_daily_work::Work as DailyWork},
};
use dafei_dispatch_core::case::{Command, Means, Obstacle, Rejection, Step};
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
    feedback::{
        self, Content, Letter, Said, Wrong,
        daily_work::{self, Told},
    },
    publisher::Meta,
    store::{
        feedback::{self as store, Used},
        lights,
    },
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

/// What a feedback is to do.
enum Effect {
    /// A command to a case.
    Order(Box<Order>),
    /// An inspection that intake is told of.
    Inspected(Box<ev::DailyWorkReported>),
}

type Ids = HashMap<(Unit, String), Used>;
/// When the time for its result ran out, by instruction.
type Limits = HashMap<Uuid, Instant>;

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
        let limits = limits(conn, &letters).await?;
        let effects: Vec<Result<Effect, Wrong>> =
            letters.iter().zip(events).map(|(letter, event)| self.effect(letter, event, &limits, now)).collect();
        let orders = effects.iter().filter_map(|effect| match effect {
            Ok(Effect::Order(order)) => Some(&**order),
            Ok(Effect::Inspected(_)) | Err(_) => None,
        });
        let mut work = Work::load(&self.app, conn, now, orders).await?;
        for (index, (letter, effect)) in letters.iter().zip(&effects).enumerate() {
            let taken = self.take(&mut work, letter, effect, &events[index], &mut used);
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

/// The limits that have passed by what the monitor has said so far, of the instructions for which more time is asked.
async fn limits(conn: &mut PgConnection, letters: &[Letter]) -> sqlx::Result<Limits> {
    let asking = |letter: &Letter| match &letter.said.as_ref().ok()?.content {
        Content::Step { instruction, step: Step::RequestExtension { .. } } => Some(*instruction),
        Content::Step { .. } | Content::DailyWork(_) => None,
    };
    let instructions: Vec<Uuid> = letters.iter().filter_map(asking).collect();
    Ok(lights::results_overdue(conn, &instructions).await?.into_iter().collect())
}

/// A step with whether the limit had passed when the bus stored it: what is handled late was not asked late.
fn timed(step: Step, passed: bool) -> Step {
    match step {
        Step::RequestExtension { working_days, reason, .. } => {
            Step::RequestExtension { working_days, reason, overdue: passed }
        }
        other => other,
    }
}

impl FeedbackHandler {
    /// What the letter is to do, or what is wrong with it.
    fn effect(&self, letter: &Letter, event: &Delivered, limits: &Limits, now: Instant) -> Result<Effect, Wrong> {
        let said = letter.said.as_ref().map_err(Clone::clone)?;
        let at = self.app.instant_of_bus(event.stored_at, now);
        let (case, command) = match &said.content {
            Content::Step { instruction, step } => {
                let passed = limits.get(instruction).is_some_and(|due| *due < at);
                (None, Command::Instruction { id: *instruction, step: timed(step.clone(), passed) })
            }
            Content::DailyWork(work) => {
                let roster = self.app.roster.current();
                let told = told(letter, at)?;
                match work {
                    DailyWork::Inspection(report) => {
                        let reported = daily_work::inspection(&roster, &told, report)?;
                        return Ok(Effect::Inspected(Box::new(reported)));
                    }
                    DailyWork::Finding(finding) => {
                        let facts = daily_work::finding(&roster, &told, finding)?;
                        (Some(facts.id), Command::Open(Box::new(facts)))
                    }
                }
            }
        };
        Ok(Effect::Order(Box::new(Order {
            case,
            command,
            actor: letter.unit.post(),
            guarded: true,
            expected_version: None,
            then: None,
            at: Some(at),
            means: Means::Consumer,
            traceparent: event.traceparent.clone(),
        })))
    }

    /// Gives one feedback its effect and its receipt.
    fn take(
        &self,
        work: &mut Work<'_>,
        letter: &Letter,
        effect: &Result<Effect, Wrong>,
        event: &Delivered,
        used: &mut Ids,
    ) -> Result<(), Refusal> {
        let known = key(letter).and_then(|key| used.get(&key));
        let verdict = match (&letter.said, effect) {
            (Ok(said), effect) => match (repeated(said, known), effect) {
                (Some(verdict), _) => verdict,
                (None, Err(wrong)) => Verdict::Rejected(wrong.clone()),
                (None, Ok(Effect::Order(order))) => judge(work, said, order)?,
                (None, Ok(Effect::Inspected(reported))) => self.tell(work, letter, reported, event)?,
            },
            (Err(wrong), _) => Verdict::Rejected(wrong.clone()),
        };
        self.answer(work, letter, &verdict, event, used)
    }

    /// Tells intake of an inspection, whose only event this is.
    fn tell(
        &self,
        work: &mut Work<'_>,
        letter: &Letter,
        reported: &ev::DailyWorkReported,
        event: &Delivered,
    ) -> Result<Verdict, Refusal> {
        let meta = Meta {
            aggregate: convert::uuid("inspection_id", &reported.inspection_id).map_err(EventError::from)?,
            sequence: 1,
            region_path: self.path(&letter.unit),
            actor: letter.unit.post(),
            received_at: self.app.instant_of_bus(event.stored_at, work.now),
            chain_head: String::new(),
        };
        work.add(reported.clone().into(), meta, event.traceparent.clone())?;
        Ok(Verdict::Accepted)
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

/// Who told of daily work. What can be read has an id, and a unit that can be answered a post.
fn told(letter: &Letter, at: Instant) -> Result<Told<'_>, Wrong> {
    let id = letter.feedback_id.as_deref().ok_or_else(|| ConvertError::required("feedback_id"))?;
    let post = letter.unit.post().ok_or_else(|| ConvertError::required("region"))?;
    Ok(Told { unit: &letter.unit, post, feedback_id: id, at })
}

/// What was taken before under the same id is a duplicate when it says the same; what was rejected before is judged anew.
fn repeated(said: &Said, known: Option<&Used>) -> Option<Verdict> {
    let hash = known?.content_hash.as_deref()?;
    Some(if *hash == said.hash {
        Verdict::Duplicate
    } else {
        Verdict::Rejected(Wrong::new("FEEDBACK_ID_REUSED", "feedback_id", "反馈编号已用于另一份内容"))
    })
}

fn judge(work: &mut Work<'_>, said: &Said, order: &Order) -> Result<Verdict, Refusal> {
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
    let opened = daily_work::opened(letter).filter(|_| wrong.is_none());
    let instruction = opened.map(|opened| opened.instruction.to_string());
    ev::Receipt {
        meta: None,
        feedback_id: letter.feedback_id.clone().unwrap_or_default(),
        status: status.into(),
        reason: wrong.map(|wrong| wrong.reason.clone()).unwrap_or_default(),
        field: wrong.map(|wrong| wrong.field.clone()).unwrap_or_default(),
        message: wrong.map(|wrong| wrong.message.clone()).unwrap_or_default(),
        instruction_id: instruction.unwrap_or_else(|| letter.instruction_id.clone()),
        case_id: opened.map(|opened| opened.case.to_string()).unwrap_or_default(),
    }
}
