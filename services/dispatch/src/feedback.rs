//! 反馈 as the agencies' systems send it: read strictly, because nobody at the other end can be asked. Whatever is wrong becomes a
//! reason that its receipt names; nothing here can stop the consumer.

use dafei_contracts::{
    convert::{self, ConvertError},
    events::v1::{self as ev, feedback::Body, feedback_daily_work::Work},
    subject::Subject,
};
use dafei_dispatch_core::case::Step;
use dafei_kernel::region::Region;
use dafei_shell::faults;
use serde_json::Value;
use uuid::Uuid;

use crate::{unit::Unit, wire};

pub(crate) mod daily_work;
mod fields;

/// Longest id of a feedback, in characters.
const ID: usize = 64;
/// The most that a receipt repeats of what it was sent, as a field's path and within its message, in characters.
const FIELD: usize = 200;
const MESSAGE: usize = 500;

/// A feedback as it came.
#[derive(Debug)]
pub(crate) struct Letter {
    /// Who sent it, by the subject that only it may publish to.
    pub(crate) unit: Unit,
    /// Its id, where it could be read.
    pub(crate) feedback_id: Option<String>,
    /// The instruction that it names, as it was written; empty where it could not be read or is no id.
    pub(crate) instruction_id: String,
    /// What it says, or what is wrong with it.
    pub(crate) said: Result<Said, Wrong>,
}

/// A feedback that can be taken.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) content: Content,
    /// SHA-256 of its content, however it was spelt.
    pub(crate) hash: [u8; 32],
    /// Name of its body: the fields of a rejection stand below it.
    pub(crate) body: &'static str,
}

/// What a feedback says.
#[derive(Debug, PartialEq)]
pub(crate) enum Content {
    /// A step with an instruction.
    Step { instruction: Uuid, step: Step },
    /// What was done or found without an instruction; whether its parts fit together is not looked at yet.
    DailyWork(Work),
}

/// Why a feedback is rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// Stable reason.
    pub(crate) reason: String,
    /// The field at fault; empty when none.
    pub(crate) field: String,
    /// For a clerk.
    pub(crate) message: String,
}

impl Wrong {
    pub(crate) fn new(reason: &str, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason: reason.to_owned(), field: shown(&field.into(), FIELD), message: shown(&message.into(), MESSAGE) }
    }
}

/// What an outsider wrote, as a receipt can repeat it: a receipt has to be published, however long a name or a code was.
fn shown(text: &str, most: usize) -> String {
    text.chars().take(most).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

impl From<ConvertError> for Wrong {
    fn from(error: ConvertError) -> Self {
        Self::new(error.reason, error.field, error.description_zh)
    }
}

/// Reads a message of DAFEI_FEEDBACK. None when its subject names no unit: then nobody can be answered.
pub(crate) fn read(subject: &str, payload: &[u8]) -> Option<Letter> {
    let Ok(Subject::Feedback { agency, region, kind }) = subject.parse() else { return None };
    let unit = Unit { agency, region };
    unit.post()?;
    let (feedback_id, instruction_id, said) = match serde_json::from_slice::<Value>(payload) {
        Ok(value) => {
            let text = |names: [&str; 2]| names.iter().find_map(|name| value.get(name)?.as_str()).unwrap_or_default();
            let feedback_id = text(["feedbackId", "feedback_id"]);
            let feedback_id = convert::bounded("feedback_id", feedback_id, ID).ok();
            let instruction_id = text(["instructionId", "instruction_id"]);
            let instruction_id = Uuid::parse_str(instruction_id).map(|_| instruction_id.to_owned());
            (feedback_id, instruction_id.unwrap_or_default(), check(&unit, &kind, payload, value))
        }
        Err(error) => {
            let wrong =
                Wrong::new("BROKEN_JSON", "", format!("不是有效的JSON（第{}行第{}列）", error.line(), error.column()));
            (None, String::new(), Err(wrong))
        }
    };
    Some(Letter { unit, feedback_id, instruction_id, said })
}

fn check(unit: &Unit, kind: &str, payload: &[u8], value: Value) -> Result<Said, Wrong> {
    serde_json::from_slice::<fields::Once>(payload).map_err(|error| malformed(&error.to_string()))?;
    let stray = fields::unknown(&value);
    let message: ev::Feedback = serde_json::from_value(value).map_err(|error| malformed(&error.to_string()))?;
    if let Some(field) = stray {
        return Err(unknown_field(field));
    }
    convert::bounded("feedback_id", &message.feedback_id, ID)?;
    same_unit(unit, &message)?;
    let body = message.body.as_ref().ok_or_else(|| Wrong::from(ConvertError::required("body")))?;
    let name = name(body);
    if name != kind {
        return Err(Wrong::new("KIND_MISMATCH", name, format!("主题的类别是{kind}，内容却是{name}")));
    }
    let content = content(body, &message.instruction_id)?;
    let hash = faults::payload_hash(&message);
    Ok(Said { content, hash, body: name })
}

/// The subject and the content name the same unit: the account holds the subject, this holds the content.
fn same_unit(unit: &Unit, message: &ev::Feedback) -> Result<(), Wrong> {
    let foreign = |field| Wrong::new("FOREIGN_SUBJECT", field, "内容中的单位与发送主题不符");
    if convert::agency("agency", &message.agency)? != unit.agency {
        return Err(foreign("agency"));
    }
    let region: Region = convert::region("region", message.region.as_ref())?;
    if region == unit.region { Ok(()) } else { Err(foreign("region")) }
}

/// The last token of the subject of a body.
const fn name(body: &Body) -> &'static str {
    match body {
        Body::Accepted(_) => "accepted",
        Body::Response(_) => "response",
        Body::Result(_) => "result",
        Body::Declined(_) => "declined",
        Body::Extension(_) => "extension",
        Body::Compliance(_) => "compliance",
        Body::DailyWork(_) => "daily-work",
    }
}

fn content(body: &Body, instruction_id: &str) -> Result<Content, Wrong> {
    let under = |name: &'static str| move |error: ConvertError| Wrong::from(error.under(name));
    let step = match body {
        Body::Accepted(accepted) => {
            convert::optional_text("by", &accepted.by, wire::REASON).map_err(under("accepted"))?;
            Step::Accept
        }
        Body::Response(response) => {
            let plan = convert::bounded("plan", &response.plan, wire::TEXT).map_err(under("response"))?;
            Step::Respond { plan }
        }
        Body::Result(result) => {
            let report = wire::result_report(
                (result.kind, &result.text),
                (&result.confirmed_acts, result.outside_scope),
                &result.measures,
                &result.exemptions,
            );
            Step::SubmitResult(report.map_err(under("result"))?)
        }
        Body::Declined(declined) => {
            let reason = convert::bounded("reason", &declined.reason, wire::REASON).map_err(under("declined"))?;
            let legal_basis = convert::optional_text("legal_basis", &declined.legal_basis, wire::REASON)
                .map_err(under("declined"))?;
            Step::Decline { reason, legal_basis }
        }
        Body::Extension(extension) => {
            let reason = convert::bounded("reason", &extension.reason, wire::REASON).map_err(under("extension"))?;
            let working_days = extension.working_days;
            // Whether the limit had passed by then stands in no letter: the consumer adds it.
            Step::RequestExtension { working_days, reason, overdue: false }
        }
        Body::Compliance(body) => {
            let read = body.compliance.as_ref().ok_or_else(|| ConvertError::required("compliance"));
            let read = read.and_then(|wire| convert::compliance(wire).map_err(|error| error.under("compliance")));
            let (measure, compliance) = read.map_err(under("compliance"))?;
            Step::RecordCompliance { measure, compliance }
        }
        Body::DailyWork(daily) => return daily_work::read(daily, instruction_id),
    };
    Ok(Content::Step { instruction: convert::uuid("instruction_id", instruction_id)?, step })
}

/// What the parser says of a message that is JSON and no feedback. It names the field in back quotes.
fn malformed(error: &str) -> Wrong {
    let quoted = || error.split('`').nth(1).unwrap_or_default().to_owned();
    if error.starts_with("unknown field") {
        return unknown_field(quoted());
    }
    if error.starts_with("duplicate field") {
        return Wrong::new("DUPLICATE_FIELD", quoted(), format!("字段重复：{}", quoted()));
    }
    Wrong::new("INVALID_FORMAT", "", format!("内容格式不符合要求：{}", error.chars().take(200).collect::<String>()))
}

fn unknown_field(field: String) -> Wrong {
    let message = format!("没有这个字段：{field}");
    Wrong::new("UNKNOWN_FIELD", field, message)
}

#[cfg(test)]
mod tests {
    use dafei_contracts::subject::FEEDBACK_KINDS;
    use dafei_dispatch_core::case::Step;
    use serde_json::{Value, json};

    use super::{Content, Letter, read};

    const SUBJECT: &str = "dafei.v1.feedback.energy.county.371302";
    const INSTRUCTION: &str = "019c0000-0000-7000-8000-000000000001";

    fn letter(kind: &str, payload: &Value) -> Letter {
        read(&format!("{SUBJECT}.{kind}"), payload.to_string().as_bytes()).expect("a unit's subject")
    }

    fn step(letter: Letter) -> Step {
        match letter.said.expect("good").content {
            Content::Step { step, .. } => step,
            other @ Content::DailyWork(_) => panic!("{other:?}"),
        }
    }

    fn feedback(kind: &str, body: Value) -> Value {
        let mut value = json!({
            "feedbackId": "F-1", "instructionId": INSTRUCTION, "agency": "energy",
            "region": {"level": "county", "code": "371302"},
        });
        value[kind] = body;
        value
    }

    fn wrong(kind: &str, payload: &Value) -> (String, String) {
        let wrong = letter(kind, payload).said.expect_err("wrong");
        assert!(!wrong.message.is_empty());
        (wrong.reason, wrong.field)
    }

    #[test]
    fn a_field_that_is_named_twice_is_refused_at_any_depth() {
        let twice = |field: &str, body: &str| {
            let payload = format!(
                r#"{{"feedbackId":"F-1","instructionId":"{INSTRUCTION}","agency":"energy","region":{{"level":"county","code":"371302"}},"result":{body}}}"#
            );
            let letter = read(&format!("{SUBJECT}.result"), payload.as_bytes()).expect("a unit's subject");
            assert_eq!(letter.feedback_id.as_deref(), Some("F-1"), "it is answered under its id");
            let wrong = letter.said.expect_err("named twice");
            assert_eq!((wrong.reason.as_str(), wrong.field.as_str()), ("DUPLICATE_FIELD", field));
        };
        twice(
            "confirmedActs",
            r#"{"kind":"RESULT_KIND_FINAL","text":"x","confirmedActs":["FW-1"],"confirmedActs":[]}"#,
        );
        twice(
            "persons",
            r#"{"kind":"RESULT_KIND_FINAL","text":"x","measures":[{"measureId":"1","criminalMeasure":{"persons":1,"persons":2}}]}"#,
        );
    }

    #[test]
    fn the_kinds_that_accounts_may_send_are_those_that_are_read() {
        for kind in FEEDBACK_KINDS {
            let field = if kind == "daily-work" { "dailyWork" } else { kind };
            match letter(kind, &feedback(field, json!({}))).said {
                Ok(said) => assert_eq!(said.body, kind),
                Err(wrong) => assert!(!["KIND_MISMATCH", "UNKNOWN_FIELD"].contains(&wrong.reason.as_str()), "{kind}"),
            }
        }
    }

    #[test]
    fn every_kind_is_read_in_both_spellings_of_proto_json() {
        let accepted = letter("accepted", &feedback("accepted", json!({"by": "张三"})));
        assert_eq!(accepted.feedback_id.as_deref(), Some("F-1"));
        assert_eq!(step(accepted), Step::Accept);
        let snake = json!({"feedback_id": "F-2", "instruction_id": INSTRUCTION, "agency": "energy",
            "region": {"level": "county", "code": "371302"}, "declined": {"reason": "不属职责", "legal_basis": "规定"}});
        let declined = letter("declined", &snake);
        assert_eq!(declined.instruction_id, INSTRUCTION);
        assert!(matches!(step(declined), Step::Decline { .. }));
        let result = json!({"kind": "RESULT_KIND_INTERIM", "text": "已查封", "confirmedActs": ["HC-3"], "measures": [
            {"measureId": "1", "decidedAt": "2026-03-02T01:00:00Z", "fine": {"amountFen": "100"}}]});
        assert!(letter("result", &feedback("result", result)).said.is_ok());
    }

    #[test]
    fn the_same_content_has_the_same_hash_however_it_is_spelt() {
        let camel = letter("response", &feedback("response", json!({"plan": "到场"}))).said.expect("good").hash;
        let snake = json!({"response": {"plan": "到场"}, "region": {"code": "371302", "level": "county"},
            "agency": "energy", "instruction_id": INSTRUCTION, "feedback_id": "F-1"});
        assert_eq!(letter("response", &snake).said.expect("good").hash, camel);
        let other = letter("response", &feedback("response", json!({"plan": "明日到场"}))).said.expect("good").hash;
        assert_ne!(other, camel);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let broken = read(&format!("{SUBJECT}.result"), b"{\"feedbackId\": ").expect("a unit's subject");
        assert_eq!(broken.said.expect_err("wrong").reason, "BROKEN_JSON");
        let pair = |reason: &str, field: &str| (reason.to_owned(), field.to_owned());
        let with = |name: &str, value: Value| {
            let mut payload = feedback("response", json!({"plan": "到场"}));
            payload[name] = value;
            payload
        };
        assert_eq!(wrong("response", &with("urgent", json!(true))), pair("UNKNOWN_FIELD", "urgent"));
        assert_eq!(wrong("response", &with("feedbackId", json!(""))), pair("REQUIRED", "feedback_id"));
        assert_eq!(wrong("response", &with("feedbackId", json!("x".repeat(65)))), pair("TOO_LONG", "feedback_id"));
        assert_eq!(wrong("response", &with("agency", json!("postal"))), pair("FOREIGN_SUBJECT", "agency"));
        assert_eq!(wrong("response", &with("agency", json!("police"))), pair("UNKNOWN_AGENCY", "agency"));
        let elsewhere = json!({"level": "county", "code": "371311"});
        assert_eq!(wrong("response", &with("region", elsewhere)), pair("FOREIGN_SUBJECT", "region"));
        assert_eq!(wrong("response", &with("instructionId", json!("7"))), pair("INVALID", "instruction_id"));
        assert_eq!(wrong("result", &with("agency", json!("energy"))), pair("KIND_MISMATCH", "response"));
        assert_eq!(wrong("response", &with("feedbackId", json!(7))).0, "INVALID_FORMAT");
        assert_eq!(wrong("response", &json!([1])).0, "INVALID_FORMAT");
        assert_eq!(wrong("response", &feedback("response", json!({"plan": " "}))), pair("REQUIRED", "response.plan"));
        let nobody = json!({"feedbackId": "F-1", "instructionId": INSTRUCTION, "agency": "energy",
            "region": {"level": "county", "code": "371302"}});
        assert_eq!(wrong("response", &nobody), pair("REQUIRED", "body"));
    }

    #[test]
    fn an_instruction_is_repeated_only_if_it_is_an_id() {
        let named = |id: &str| {
            let mut payload = feedback("response", json!({"plan": "到场"}));
            payload["instructionId"] = json!(id);
            letter("response", &payload).instruction_id
        };
        assert_eq!(named(INSTRUCTION), INSTRUCTION);
        for id in ["\0", "7", "019c0000-0000-7000-8000-00000000000\0", &"x".repeat(900_000)] {
            assert_eq!(named(id), "");
        }
    }

    #[test]
    fn a_receipt_repeats_little_of_what_it_was_sent() {
        let long = "长\0".repeat(200_000);
        let with = |name: &str, value: Value| {
            let mut payload = feedback("response", json!({"plan": "到场"}));
            payload[name] = value;
            payload
        };
        let (field, code) = (with(&long, json!(1)), with("agency", json!(long)));
        let within = feedback("result", json!({"measures": [{long.clone(): 1}]}));
        for (kind, payload) in [("response", field), ("response", code), ("result", within)] {
            let wrong = letter(kind, &payload).said.expect_err("wrong");
            assert!(wrong.field.len() + wrong.message.len() < 4_000, "{}", wrong.reason);
            assert!(!format!("{}{}", wrong.field, wrong.message).contains('\0'));
        }
        let kind =
            letter(&long.replace('.', ""), &feedback("response", json!({"plan": "到场"}))).said.expect_err("wrong");
        assert_eq!(kind.reason, "KIND_MISMATCH");
        assert!(kind.message.len() < 4_000);
    }

    #[test]
    fn what_is_wrong_with_a_result_is_named_down_to_the_measure() {
        let result = |acts: Value, measure: Value| {
            feedback(
                "result",
                json!({"kind": "RESULT_KIND_FINAL", "text": "已罚", "confirmedActs": acts, "measures": [measure]}),
            )
        };
        let pair = |reason: &str, field: &str| (reason.to_owned(), field.to_owned());
        let good = json!({"measureId": "1", "decidedAt": "2026-03-02T01:00:00Z", "closeDown": {}});
        assert_eq!(
            wrong("result", &result(json!(["XX-1"]), good.clone())),
            pair("UNKNOWN_ACT", "result.confirmed_acts[0]")
        );
        let with = |name: &str, value: Value| {
            let mut measure = good.clone();
            measure[name] = value;
            result(json!([]), measure)
        };
        assert_eq!(wrong("result", &with("decidedAt", Value::Null)), pair("REQUIRED", "result.measures[0].decided_at"));
        assert_eq!(wrong("result", &with("closeDown", Value::Null)), pair("REQUIRED", "result.measures[0].kind"));
        assert_eq!(wrong("result", &with("colour", json!("red"))), pair("UNKNOWN_FIELD", "result.measures[0].colour"));
        assert_eq!(
            wrong("result", &with("closeDown", json!({"why": "x"}))),
            pair("UNKNOWN_FIELD", "result.measures[0].closeDown.why")
        );
        let mut fine = with("fine", json!({"amountFen": "-5"}));
        fine["result"]["measures"][0].as_object_mut().expect("an object").remove("closeDown");
        assert_eq!(wrong("result", &fine), pair("FINE_NOT_POSITIVE", "result.measures[0].fine.amount_fen"));
        let unspecified = feedback("result", json!({"text": "已罚"}));
        assert_eq!(wrong("result", &unspecified), pair("REQUIRED", "result.kind"));
    }

    #[test]
    fn a_subject_without_a_unit_cannot_be_answered() {
        assert!(read("dafei.v1.feedback.police.county.371302.result", b"{}").is_none());
        assert!(read("dafei.v1.feedback.energy.village.371302001001.result", b"{}").is_none());
        assert!(read("dafei.v1.feedback.energy.county", b"{}").is_none());
    }

    #[test]
    fn daily_work_answers_no_instruction_and_its_parts_are_read_as_strictly() {
        let daily = |work: Value| json!({"feedbackId": "F-1", "agency": "energy", "region": {"level": "county", "code": "371302"}, "dailyWork": work});
        let inspection = || json!({"sector": "coal", "acts": [{"act": "CM-1"}], "subject": {"den": {"place": "窑"}}});
        let good = letter("daily-work", &daily(json!({"inspection": inspection()}))).said.expect("read");
        assert_eq!(good.body, "daily-work");
        assert!(matches!(good.content, Content::DailyWork(_)));
        let mut whole = inspection();
        whole["subject"] = json!({"den": {"place": "河滩", "position": {"latitudeE7": 350_000_000, "longitudeE7": 1_180_000_000}, "industry": "coal"}});
        assert!(letter("daily-work", &daily(json!({"inspection": whole}))).said.is_ok(), "all that a den may have");
        let snake = json!({"feedback_id": "F-1", "agency": "energy", "region": {"level": "county", "code": "371302"},
            "daily_work": {"inspection": inspection()}});
        assert_eq!(letter("daily-work", &snake).said.expect("read").hash, good.hash);
        let pair = |reason: &str, field: &str| (reason.to_owned(), field.to_owned());
        assert_eq!(wrong("daily-work", &daily(json!({}))), pair("REQUIRED", "daily_work"));
        assert_eq!(wrong("response", &daily(json!({"finding": {}}))), pair("KIND_MISMATCH", "daily-work"));
        let mut answering = daily(json!({"finding": {}}));
        answering["instructionId"] = json!(INSTRUCTION);
        assert_eq!(wrong("daily-work", &answering), pair("NOT_ALLOWED", "instruction_id"));
        let strays = [
            (json!({"finding": {"stopped": "已停"}}), "stopped"),
            (json!({"patrol": {}}), "patrol"),
            (json!({"inspection": {"evidenceIds": []}}), "dailyWork.inspection.evidenceIds"),
            (json!({"inspection": {"acts": [{}, {"text": "x"}]}}), "dailyWork.inspection.acts[1].text"),
            (
                json!({"inspection": {"measures": [{"fine": {"yuan": 1}}]}}),
                "dailyWork.inspection.measures[0].fine.yuan",
            ),
            (json!({"inspection": {"subject": {"den": {"door": 1}}}}), "dailyWork.inspection.subject.den.door"),
            (json!({"finding": {"subject": {"firm": {}}}}), "dailyWork.finding.subject.firm"),
        ];
        for (work, field) in strays {
            assert_eq!(wrong("daily-work", &daily(work.clone())), pair("UNKNOWN_FIELD", field), "{work}");
        }
    }
}
