//! The one match that turns a [`Fault`] into a `google.rpc.Status` with its details.

use std::{collections::HashMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, LocalizedMessage, PreconditionViolation, StatusExt};

use super::{Fault, Text, Violation};

/// The domain of every reason in ErrorInfo.
pub const ERROR_DOMAIN: &str = "dafei";
/// The locale of the sentence for clerks.
pub const LOCALE: &str = "zh-CN";
/// Details travel in a header, and headers are small: more violations than this are only counted.
const MAX_VIOLATIONS: usize = 16;
/// Bytes of violations that are told one by one; the others are only counted.
const MAX_TOLD: usize = 4_096;
/// Characters of a caller's own text that come back in details.
const MAX_ECHO: usize = 200;
/// Characters of what is said of one thing that is wrong: it may repeat what the caller sent.
const MAX_SAID: usize = 400;
/// By how much the delay of a refused call is lengthened at the most.
const LONGEST_SPREAD: Duration = Duration::from_secs(5);

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        let message = match &fault {
            // What went wrong inside is for the log.
            Fault::Internal(_) => "internal error".to_owned(),
            told => cut(&told.to_string(), MAX_SAID),
        };
        let mut details = ErrorDetails::new();
        let (code, reason, metadata, zh): (Code, Text, HashMap<String, String>, Text) = match fault {
            Fault::InvalidArgument { violations } => {
                let zh = sentence(&violations);
                let (reason, metadata) = bad_request(&mut details, violations);
                (Code::InvalidArgument, reason, metadata, zh)
            }
            Fault::NotFound { resource, id, description_zh } => {
                let metadata = pairs([("resource", resource.as_ref()), ("id", &clip(&id))]);
                (Code::NotFound, "NOT_FOUND".into(), metadata, description_zh)
            }
            Fault::PermissionDenied { reason, description_zh } => {
                (Code::PermissionDenied, reason, HashMap::new(), description_zh)
            }
            Fault::FailedPrecondition { reason, subject, description, description_zh } => {
                let violation = PreconditionViolation::new(&*reason, clip(&subject), cut(&description, MAX_SAID));
                details.set_precondition_failure(vec![violation]);
                let metadata = pairs([("subject", &clip(&subject))]);
                (Code::FailedPrecondition, reason, metadata, description_zh)
            }
            Fault::Aborted { reason } => {
                (Code::Aborted, reason, HashMap::new(), "数据已被他人更新，请刷新后重试".into())
            }
            Fault::OtherVersion { current } => {
                let metadata = pairs([("version", &current.to_string())]);
                (Code::Aborted, "VERSION_CONFLICT".into(), metadata, "数据已被他人更新，请刷新后重试".into())
            }
            Fault::AlreadyExists { reason, description_zh } => {
                (Code::AlreadyExists, reason, HashMap::new(), description_zh)
            }
            Fault::ResourceExhausted { retry_after } => {
                details.set_retry_info(Some(spread(retry_after)));
                (Code::ResourceExhausted, "OVERLOADED".into(), HashMap::new(), "系统繁忙，请稍后重试".into())
            }
            Fault::Unavailable { retry_after } => {
                details.set_retry_info(Some(spread(retry_after)));
                (Code::Unavailable, "UNAVAILABLE".into(), HashMap::new(), "服务暂时不可用，请稍后重试".into())
            }
            Fault::Unauthenticated { reason, description_zh } => {
                (Code::Unauthenticated, reason, HashMap::new(), description_zh)
            }
            Fault::Internal(source) => {
                tracing::error!(error = chain(source.as_ref()), "a call failed inside");
                (Code::Internal, "INTERNAL".into(), HashMap::new(), "系统内部错误，请联系管理员".into())
            }
        };
        details.set_error_info(reason, ERROR_DOMAIN, metadata).set_localized_message(LOCALE, cut(&zh, MAX_TOLD / 3));
        Self::with_error_details(code, message, details)
    }
}

/// The delay, or up to half as much again: clients that were refused together must not come back together. A delay that is long because a rule
/// says so (the next hour's tries) is hardly lengthened.
fn spread(delay: Duration) -> Duration {
    delay + (delay / 2).min(LONGEST_SPREAD).mul_f64(fastrand::f64())
}

fn bad_request(details: &mut ErrorDetails, violations: Vec<Violation>) -> (Text, HashMap<String, String>) {
    let (reason, metadata) = match violations.as_slice() {
        [only] => (only.reason.clone(), pairs([("field", &clip(&only.field))])),
        many => ("INVALID_FIELDS".into(), pairs([("violations", &many.len().to_string())])),
    };
    let told = told(&violations);
    let shown = violations.into_iter().take(told).map(|violation| FieldViolation {
        field: clip(&violation.field),
        description: cut(&violation.description, MAX_SAID),
        reason: violation.reason.into_owned(),
        localized_message: Some(LocalizedMessage::new(LOCALE, cut(&violation.description_zh, MAX_SAID))),
    });
    details.set_bad_request(shown.collect::<Vec<_>>());
    (reason, metadata)
}

/// How many violations are told: the first in any case, and as many more as the header has room for.
fn told(violations: &[Violation]) -> usize {
    let size = |violation: &Violation| {
        clip(&violation.field).len()
            + cut(&violation.description, MAX_SAID).len()
            + cut(&violation.description_zh, MAX_SAID).len()
    };
    let mut room = MAX_TOLD;
    let fits = |violation: &&Violation| room.checked_sub(size(violation)).inspect(|left| room = *left).is_some();
    violations.iter().take(MAX_VIOLATIONS).take_while(fits).count().max(violations.len().min(1))
}

pub(super) fn summary(violations: &[Violation]) -> String {
    let Some(first) = violations.first() else {
        return "no reason given".to_owned();
    };
    let more = match violations.len() - 1 {
        0 => String::new(),
        rest => format!(" (and {rest} more)"),
    };
    format!("{}: {}{more}", clip(&first.field), cut(&first.description, MAX_ECHO))
}

fn sentence(violations: &[Violation]) -> Text {
    let told = told(violations);
    let shown: Vec<String> =
        violations.iter().take(told).map(|violation| cut(&violation.description_zh, MAX_SAID)).collect();
    let more = violations.len().saturating_sub(told);
    let tail = if more > 0 { format!("；另有{more}处错误") } else { String::new() };
    format!("{}{tail}", shown.join("；")).into()
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> HashMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn clip(text: &str) -> String {
    cut(text, MAX_ECHO)
}

fn cut(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = inner.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::status::DEFAULT_RETRY;

    #[test]
    fn a_wrong_field_is_named_with_its_reason_in_both_languages() {
        let status =
            Status::from(Fault::field("code", "UNKNOWN_REGION", "unknown region", "没有这个行政区划").under("village"));
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        let violation = &details.bad_request().unwrap().field_violations[0];
        assert_eq!((violation.field.as_str(), violation.reason.as_str()), ("village.code", "UNKNOWN_REGION"));
        let info = details.error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("UNKNOWN_REGION", "dafei"));
        let message = details.localized_message().unwrap();
        assert_eq!((message.locale.as_str(), message.message.as_str()), ("zh-CN", "没有这个行政区划"));
    }

    #[test]
    fn many_violations_fit_into_a_header() {
        let violation = Violation::new("photos", "TOO_LARGE", "too large", "照片过大");
        let status = Status::from(Fault::InvalidArgument { violations: vec![violation; 5_000] });
        let details = status.get_error_details();
        assert_eq!(details.bad_request().unwrap().field_violations.len(), MAX_VIOLATIONS);
        assert!(details.localized_message().unwrap().message.contains("另有4984处错误"));
        assert!(status.details().len() < 6_000);
    }

    #[test]
    fn a_long_id_of_the_caller_comes_back_cut() {
        let status = Status::from(Fault::not_found("case", "长".repeat(10_000), "没有这个案件"));
        let id = status.get_error_details().error_info().unwrap().metadata["id"].clone();
        assert_eq!(id.chars().count(), MAX_ECHO + 1);
    }

    #[test]
    fn what_a_caller_sent_comes_back_cut_wherever_it_is_repeated() {
        let long = "长".repeat(100_000);
        let violation = || Violation::new(long.clone(), "UNKNOWN_ACT", long.clone(), long.clone());
        for fault in [
            Fault::InvalidArgument { violations: vec![violation()] },
            Fault::InvalidArgument { violations: vec![violation(); 40] },
            Fault::precondition("CASE_CLOSED", long.clone(), long.clone(), long.clone()),
            Fault::not_found("case", long.clone(), long.clone()),
            Fault::denied("OUT_OF_SCOPE", long.clone()),
        ] {
            let status = Status::from(fault);
            assert!(status.message().chars().count() <= MAX_SAID + 1, "{}", status.code());
            assert!(status.details().len() < 10_000, "{}: {}", status.code(), status.details().len());
            let details = status.get_error_details();
            assert!(details.localized_message().unwrap().message.len() <= MAX_TOLD + 3);
            let told = details.bad_request().map_or(&[][..], |request| &request.field_violations);
            for one in told {
                assert!(one.description.chars().count() <= MAX_SAID + 1);
                assert!(one.localized_message.as_ref().unwrap().message.chars().count() <= MAX_SAID + 1);
            }
        }
    }

    #[test]
    fn a_server_that_is_away_or_overloaded_says_when_to_come_back_and_not_to_all_the_same() {
        let told = |fault: Fault, code: Code| {
            let status = Status::from(fault);
            assert_eq!(status.code(), code);
            let delay = status.get_error_details().retry_info().unwrap().retry_delay.unwrap();
            assert!(delay >= DEFAULT_RETRY && delay <= DEFAULT_RETRY.mul_f64(1.5), "{delay:?}");
            delay
        };
        let away: HashSet<Duration> = (0..32).map(|_| told(Fault::unavailable(), Code::Unavailable)).collect();
        assert!(away.len() > 1, "{away:?}");
        let full = || Fault::ResourceExhausted { retry_after: DEFAULT_RETRY };
        let full: HashSet<Duration> = (0..32).map(|_| told(full(), Code::ResourceExhausted)).collect();
        assert!(full.len() > 1, "{full:?}");
    }

    #[test]
    fn a_precondition_names_its_subject() {
        let status = Status::from(Fault::precondition("CASE_CLOSED", "case/1", "the case is open", "案件已经办结"));
        assert_eq!(status.code(), Code::FailedPrecondition);
        let violation = &status.get_error_details().precondition_failure().unwrap().violations[0].clone();
        assert_eq!((violation.r#type.as_str(), violation.subject.as_str()), ("CASE_CLOSED", "case/1"));
    }

    #[test]
    fn an_internal_fault_tells_the_caller_nothing() {
        let status = Status::from(Fault::internal("relation \"cases\" does not exist"));
        assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
        assert!(!format!("{:?}", status.get_error_details()).contains("cases"));
    }
}
