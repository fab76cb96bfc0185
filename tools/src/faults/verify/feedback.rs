//! Feedback by NATS: what a receipt took is in dispatch's database, with its effect once and one receipt that says so, and its instruction had
//! come to the department's system.

use std::collections::BTreeMap;

use sqlx::PgConnection;

use super::{Databases, Promised, What, findings::Findings};

/// What dispatch holds of it.
#[derive(Debug, Default)]
struct Found {
    /// The instruction of each feedback that was taken, by its id.
    taken: BTreeMap<String, String>,
    /// How many receipts accepted each id.
    accepted: BTreeMap<String, i64>,
    /// How many events of each type say something to an instruction.
    effects: BTreeMap<(String, String), i64>,
}

impl Found {
    async fn read(dispatch: &mut PgConnection) -> sqlx::Result<Self> {
        let taken: Vec<(String, String)> =
            sqlx::query_as("SELECT feedback_id, instruction_id FROM feedback WHERE content_hash IS NOT NULL")
                .fetch_all(&mut *dispatch)
                .await?;
        let accepted: Vec<(String, i64)> = sqlx::query_as(
            "SELECT body ->> 'feedbackId', count(*)
             FROM (SELECT convert_from(payload, 'UTF8')::jsonb AS body FROM event_log
                   WHERE stream = 'DAFEI_AGENCY' AND event_type LIKE '%.Receipt') AS receipt
             WHERE body ->> 'status' = 'RECEIPT_STATUS_ACCEPTED' GROUP BY 1",
        )
        .fetch_all(&mut *dispatch)
        .await?;
        let effects: Vec<(String, String, i64)> = sqlx::query_as(
            "SELECT instruction, type, count(*)
             FROM (SELECT convert_from(payload, 'UTF8')::jsonb #>> '{assignee,instructionId}' AS instruction,
                          substring(event_type FROM '[^.]*$') AS type
                   FROM event_log WHERE event_type LIKE '%.DepartmentResponded' OR event_type LIKE '%.ResultSubmitted') AS effect
             WHERE instruction IS NOT NULL GROUP BY 1, 2",
        )
        .fetch_all(dispatch)
        .await?;
        Ok(Self {
            taken: taken.into_iter().collect(),
            accepted: accepted.into_iter().collect(),
            effects: effects.into_iter().map(|(id, event, times)| ((id, event), times)).collect(),
        })
    }
}

pub(super) async fn taken(
    promised: &Promised,
    databases: &mut Databases,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    compare(promised, &Found::read(&mut databases.dispatch).await?, findings);
    Ok(())
}

/// The event in which a feedback has its effect.
const fn effect(what: What) -> &'static str {
    if matches!(what, What::Responded) { "DepartmentResponded" } else { "ResultSubmitted" }
}

fn compare(promised: &Promised, found: &Found, findings: &mut Findings) {
    for (id, what) in &promised.feedback {
        let Some(instruction) = found.taken.get(id) else {
            findings.lost(format!("dispatch: the feedback {id}"));
            continue;
        };
        let times = |known: Option<&i64>| usize::try_from(known.copied().unwrap_or(0)).unwrap_or(usize::MAX);
        findings.count(&format!("dispatch: receipts that accept {id}"), times(found.accepted.get(id)), 1);
        let event = effect(*what);
        let effects = found.effects.get(&(instruction.clone(), event.to_owned()));
        findings.count(&format!("dispatch: {event} to {instruction}"), times(effects), 1);
        if !promised.received.contains(instruction) {
            findings.lost(format!("the department's queue: the instruction {instruction}"));
        }
    }
    for id in found.taken.keys() {
        if !promised.feedback.contains_key(id) && !promised.perhaps_feedback.contains(id) {
            findings.doubled(format!("dispatch: the feedback {id}, of which nobody had a receipt"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Findings, Found, Promised, What, compare};

    /// A response and a result to one instruction, as a load that had both receipts promises them and dispatch has them.
    fn sound() -> (Promised, Found) {
        let mut promised = Promised::default();
        let mut found = Found::default();
        for (id, what, event) in
            [("a", What::Responded, "DepartmentResponded"), ("b", What::HandedIn, "ResultSubmitted")]
        {
            promised.feedback.insert(id.to_owned(), what);
            found.taken.insert(id.to_owned(), "i".to_owned());
            found.accepted.insert(id.to_owned(), 1);
            found.effects.insert(("i".to_owned(), event.to_owned()), 1);
        }
        promised.received.insert("i".to_owned());
        (promised, found)
    }

    fn judged(change: impl FnOnce(&mut Promised, &mut Found)) -> (u64, u64) {
        let (mut promised, mut found) = sound();
        change(&mut promised, &mut found);
        let mut findings = Findings::default();
        compare(&promised, &found, &mut findings);
        let json = findings.to_json(0, 0, 0);
        (json["lost"].as_u64().unwrap(), json["doubled"].as_u64().unwrap())
    }

    #[test]
    fn a_feedback_that_was_taken_is_there_once_with_one_effect_and_one_receipt() {
        let result = || ("i".to_owned(), "ResultSubmitted".to_owned());
        assert_eq!(judged(|_, _| {}), (0, 0));
        assert_eq!(judged(|_, found| found.taken.retain(|id, _| id != "a")), (1, 0));
        assert_eq!(judged(|_, found| found.accepted.retain(|id, _| id != "a")), (1, 0));
        assert_eq!(judged(|_, found| found.accepted.extend([("a".to_owned(), 2)])), (0, 1));
        assert_eq!(judged(|_, found| found.effects.retain(|effect, _| *effect != result())), (1, 0));
        assert_eq!(judged(|_, found| found.effects.extend([(result(), 2)])), (0, 1));
    }

    #[test]
    fn an_instruction_that_never_came_off_the_queue_is_lost() {
        assert_eq!(judged(|promised, _| promised.received.clear()), (2, 0));
    }

    #[test]
    fn a_feedback_of_which_nobody_had_a_receipt_may_be_there_only_after_the_point_of_a_restore() {
        assert_eq!(judged(|promised, _| promised.feedback.retain(|id, _| id != "b")), (0, 1));
        let later = |promised: &mut Promised| {
            promised.feedback.remove("b");
            promised.perhaps_feedback.insert("b".to_owned());
        };
        assert_eq!(judged(|promised, _| later(promised)), (0, 0));
    }
}
