//! From a patrol of the API to one that the writer takes: every field checked, its checklist's answers, and the suspicions of its problems.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use dafei_contracts::{convert, intake::v1 as api, types::v1 as types};
use dafei_intake_core::{
    checklist::{self, Checklist, Flaw, Verdict},
    device_time::DeviceTimes,
    suspicion::{self, Command, Context, Finding, Others},
};
use dafei_kernel::{
    ids,
    owner::Post,
    region::{Level, Region, RegionPath},
    role::Role,
    roster::RosterIndex,
};
use dafei_runtime::{
    identity::Principal,
    status::{Fault, Violation},
    telemetry,
};
use dafei_shell::{faults, scope};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{checklists::ID as CHECKLIST, optional_text, text};
use crate::{
    acting::{self, Acting},
    app::App,
    store::{
        checklists,
        patrols::{Answered, Body, KeptAnswer},
    },
    wire,
    work::{NewPatrol, Order, Photo},
};

/// Longest object of a patrol, in characters.
const OBJECT: usize = 200;
/// Longest situation and description, in characters.
const SITUATION: usize = 4_000;
/// Longest note of an answer, in characters.
const NOTE: usize = 1_000;
/// Longest inspector, in characters.
const INSPECTOR: usize = acting::NAME;
/// Longest act text, in characters.
const ACT_TEXT: usize = 500;
/// Most answers of a patrol.
const ANSWERS: usize = checklist::MAX_STEPS;

/// The checklists that are named, with the county whose own each is.
type Named = HashMap<(String, i32), (String, Checklist)>;

/// What the patrols of one call are checked with.
pub(super) struct Entries<'a> {
    app: &'a App,
    caller: &'a Principal,
    roster: Arc<RosterIndex>,
    checklists: Named,
    traceparent: Option<String>,
    /// Paths of the villages that were named so far: in an upload each comes again and again.
    paths: HashMap<String, RegionPath>,
}

/// A patrol on the way through the checks.
struct Draft {
    path: RegionPath,
    key: Uuid,
    device: DeviceTimes,
    actor: Acting,
}

impl<'a> Entries<'a> {
    /// Loads the checklists that the patrols name.
    pub(super) async fn load(
        app: &'a App,
        caller: &'a Principal,
        patrols: &[api::RecordPatrolRequest],
    ) -> Result<Self, Fault> {
        // An id that none can have is not asked for: one patrol's must not end the call for the others.
        let is_id = |text: &str| convert::bounded("checklist_id", text, CHECKLIST).is_ok_and(|id| id == text);
        let named: HashSet<(&str, i32)> = patrols
            .iter()
            .filter(|patrol| is_id(&patrol.checklist_id))
            .map(|patrol| (patrol.checklist_id.as_str(), version(patrol)))
            .collect();
        let named: Vec<(&str, i32)> = named.into_iter().collect();
        let checklists = if named.is_empty() {
            HashMap::new()
        } else {
            let mut conn = app.pool.acquire().await.map_err(faults::database)?;
            checklists::named(&mut conn, &named).await.map_err(faults::database)?
        };
        let traceparent = telemetry::current_traceparent();
        Ok(Self { app, caller, roster: app.roster.current(), checklists, traceparent, paths: HashMap::new() })
    }

    /// Checks a patrol. Without a key of its own, the request's id is it.
    pub(super) fn check(&mut self, mut given: api::RecordPatrolRequest) -> Result<NewPatrol, Fault> {
        let key_field = if given.patrol_key.is_empty() && !given.request_id.is_empty() {
            given.patrol_key = std::mem::take(&mut given.request_id);
            "request_id"
        } else {
            "patrol_key"
        };
        let draft = Draft {
            path: self.path(given.village.as_ref())?,
            key: convert::uuid(key_field, &given.patrol_key).map_err(faults::convert)?,
            device: wire::device(given.device_time, given.device_sent_at).map_err(faults::convert)?,
            actor: self.actor(given.village.as_ref(), &given.inspector),
        };
        let by_work_area = self.caller.role == Role::WorkAreaSecretary;
        let evidence = wire::photos(&given.evidence_ids).map_err(faults::convert)?;
        let photo = |(at, id): (usize, &Uuid)| Photo { id: *id, answer: None, at };
        let mut photos: Vec<Photo> = evidence.iter().enumerate().map(photo).collect();
        let (checklist, problems) = self.answers(&given, &draft, &mut photos)?;
        let body = Body {
            object: text("object", &given.object, OBJECT)?,
            situation: optional_text("situation", &given.situation, SITUATION)?,
            evidence,
            device_time: draft.device.happened,
            device_sent_at: draft.device.sent,
            checklist,
            by_work_area,
        };
        Ok(NewPatrol {
            path: draft.path,
            key: draft.key,
            inspector: self.inspector(&given.inspector)?,
            device: draft.device,
            photos,
            checklist: body.checklist.as_ref().map(|answered| (answered.id.clone(), answered.version)),
            problems,
            by_work_area,
            body: serde_json::to_string(&body).map_err(Fault::internal)?,
            object: body.object,
            actor: draft.actor.post,
            traceparent: self.traceparent.clone(),
            content: content(given),
        })
    }

    fn path(&mut self, village: Option<&types::Region>) -> Result<RegionPath, Fault> {
        let known = village.filter(|village| village.level == Level::Village.code());
        if let Some(path) = known.and_then(|village| self.paths.get(&village.code)) {
            return Ok(path.clone());
        }
        let region = wire::village("village", village).map_err(faults::convert)?;
        let path = scope::require_region(self.caller, &self.roster, "village", &region)?;
        self.paths.insert(region.code().to_string(), path.clone());
        Ok(path)
    }

    /// Who patrolled: the caller; for a platform, the grid members of the village whose patrols it hands on.
    fn actor(&self, village: Option<&types::Region>, inspector: &str) -> Acting {
        match village.and_then(|village| Region::new(Level::Village, &village.code).ok()) {
            Some(region) if self.caller.role == Role::Service => Acting {
                post: Post { role: Role::GridMember, region, agency: None },
                person: inspector.trim().chars().take(INSPECTOR).collect(),
            },
            _ => Acting::of(self.caller),
        }
    }

    fn inspector(&self, given: &str) -> Result<String, Fault> {
        let given = optional_text("inspector", given, INSPECTOR)?;
        if !given.is_empty() {
            return Ok(given);
        }
        Ok(acting::name(self.caller))
    }

    /// The answers as kept, and the suspicions that they start.
    fn answers(
        &self,
        given: &api::RecordPatrolRequest,
        draft: &Draft,
        photos: &mut Vec<Photo>,
    ) -> Result<(Option<Answered>, Vec<Order>), Fault> {
        if given.checklist_id.is_empty() {
            if given.answers.is_empty() {
                return Ok((None, Vec::new()));
            }
            let (en, zh) = ("is required with answers", "填写了步骤，须注明清单编号");
            return Err(Fault::field("checklist_id", "REQUIRED", en, zh));
        }
        let checklist = self.checklist(given, &draft.path)?;
        if given.answers.len() > ANSWERS {
            let zh = format!("步骤不得超过{ANSWERS}项");
            return Err(Fault::field("answers", "TOO_MANY", format!("are more than {ANSWERS}"), zh));
        }
        let mut verdicts = Vec::with_capacity(given.answers.len());
        for (at, answer) in given.answers.iter().enumerate() {
            let verdict = verdict(at, answer.result)?;
            verdicts.push(checklist::Answer { step: &answer.step_id, verdict, noted: !answer.note.trim().is_empty() });
        }
        checklist::check_answers(checklist, &given.object_kind, &verdicts).map_err(|flaws| flawed(&flaws))?;
        let (mut kept, mut problems) = (Vec::with_capacity(verdicts.len()), Vec::new());
        for (at, (answer, checked)) in given.answers.iter().zip(&verdicts).enumerate() {
            let (answer, problem) = self
                .answer(answer, checked.verdict, draft, at, photos)
                .map_err(|fault| fault.under(&format!("answers[{at}]")))?;
            kept.push(answer);
            problems.extend(problem);
        }
        let answered = Answered {
            id: given.checklist_id.clone(),
            version: version(given),
            kind: given.object_kind.clone(),
            answers: kept,
        };
        Ok((Some(answered), problems))
    }

    fn checklist(&self, given: &api::RecordPatrolRequest, path: &RegionPath) -> Result<&Checklist, Fault> {
        let known = self.checklists.get(&(given.checklist_id.clone(), version(given)));
        let county = path.at(Level::County).map_or("", |county| county.code().as_str());
        match known {
            Some((owner, checklist)) if owner.is_empty() || owner == county => Ok(checklist),
            _ => Err(Fault::field(
                "checklist_id",
                "UNKNOWN_CHECKLIST",
                "is no checklist of this county in this version",
                "本县区没有这个版本的清单",
            )),
        }
    }

    fn answer(
        &self,
        given: &api::StepAnswer,
        verdict: Verdict,
        draft: &Draft,
        place: usize,
        photos: &mut Vec<Photo>,
    ) -> Result<(KeptAnswer, Option<Order>), Fault> {
        let evidence = wire::photos(&given.evidence_ids).map_err(faults::convert)?;
        photos.extend(evidence.iter().enumerate().map(|(at, id)| Photo { id: *id, answer: Some(place), at }));
        let note = optional_text("note", &given.note, NOTE)?;
        let problem = match (verdict, &given.problem) {
            (Verdict::Problem, Some(problem)) => {
                Some(self.problem(problem, &given.step_id, draft, &evidence).map_err(|fault| fault.under("problem"))?)
            }
            (Verdict::Problem, None) => {
                return Err(Fault::field("problem", "REQUIRED", "is required", "发现问题须填写问题内容"));
            }
            (Verdict::Ok | Verdict::NotApplicable, None) => None,
            (Verdict::Ok | Verdict::NotApplicable, Some(_)) => {
                let (en, zh) = ("belongs to a problem", "只有“发现问题”才填写问题内容");
                return Err(Fault::field("problem", "NOT_ALLOWED", en, zh));
            }
        };
        let case = problem.as_ref().map(|order| order.case);
        Ok((KeptAnswer { step: given.step_id.clone(), result: given.result, note, evidence, case }, problem))
    }

    /// The suspicion that a problem starts, as if it had been reported by itself. Its id follows from the patrol's key and the step: the
    /// patrol that is sent again names the same case.
    fn problem(&self, given: &api::Problem, step: &str, draft: &Draft, evidence: &[Uuid]) -> Result<Order, Fault> {
        let village = draft.path.leaf().code().as_str();
        let finding = Finding {
            id: ids::derived(&["patrol-problem", village, &draft.key.to_string(), step]),
            path: draft.path.clone(),
            act: convert::act("act", &given.act).map_err(faults::convert)?,
            act_text: optional_text("act_text", &given.act_text, ACT_TEXT)?,
            subject: wire::subject(&self.roster, given.subject.as_ref()).map_err(faults::convert)?,
            description: text("description", &given.description, SITUATION)?,
            device: draft.device,
            evidence: evidence.to_vec(),
            suspected_crime: given.suspected_crime,
            by_secretary: draft.actor.post.role == Role::VillageSecretary,
        };
        let (case, command) = (finding.id, Command::Record(Box::new(finding)));
        let context = Context { now: self.app.clock.now(), rules: &self.app.rules, others: Others::default() };
        suspicion::decide(None, &command, &context).map_err(super::rejected)?;
        Ok(Order {
            case,
            command,
            actor: Some(draft.actor.clone()),
            expected_version: None,
            traceparent: self.traceparent.clone(),
        })
    }
}

fn version(given: &api::RecordPatrolRequest) -> i32 {
    i32::try_from(given.checklist_version).unwrap_or(0)
}

fn verdict(at: usize, value: i32) -> Result<Verdict, Fault> {
    match api::StepResult::try_from(value) {
        Ok(api::StepResult::Ok) => Ok(Verdict::Ok),
        Ok(api::StepResult::Problem) => Ok(Verdict::Problem),
        Ok(api::StepResult::NotApplicable) => Ok(Verdict::NotApplicable),
        Ok(api::StepResult::Unspecified) | Err(_) => {
            Err(Fault::field(format!("answers[{at}].result"), "REQUIRED", "is required", "须选择检查结果"))
        }
    }
}

/// Everything that is wrong, as fields of the request.
pub(super) fn flawed(flaws: &[Flaw]) -> Fault {
    let violation = |flaw: &Flaw| {
        Violation::new(flaw.place.clone(), flaw.reason, flaw.description.clone(), flaw.description_zh.clone())
    };
    Fault::InvalidArgument { violations: flaws.iter().map(violation).collect() }
}

/// Digest of what a patrol says: the same whenever and under whichever request it is sent; never 0.
fn content(mut given: api::RecordPatrolRequest) -> i64 {
    given.request_id.clear();
    given.device_sent_at = None;
    let hash: [u8; 32] = Sha256::digest(given.encode_to_vec()).into();
    let [a, b, c, d, e, f, g, h, ..] = hash;
    match i64::from_be_bytes([a, b, c, d, e, f, g, h]) {
        0 => 1,
        digest => digest,
    }
}
