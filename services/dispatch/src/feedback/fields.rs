//! The fields of the messages that feedback shares with the suite's own: those let later versions' fields pass, an agency's feedback does not.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

/// JSON of any form in which no object names a field twice. A `Value` keeps the last of them and says nothing of what stood before.
pub(super) struct Once;

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = Once;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_str<E>(self, _: &str) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_unit<E>(self) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Once, A::Error> {
        while entries.next_element::<Once>()?.is_some() {}
        Ok(Once)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Once, A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(name) = fields.next_key::<String>()? {
            if seen.contains(&name) {
                return Err(A::Error::custom(format!("duplicate field `{name}`")));
            }
            fields.next_value::<Once>()?;
            seen.insert(name);
        }
        Ok(Once)
    }
}

/// The fields of a message, in both spellings of proto JSON, with those of the messages in them.
struct Fields {
    known: &'static [&'static str],
    within: &'static [(&'static str, Fields)],
}

const fn plain(known: &'static [&'static str]) -> Fields {
    Fields { known, within: &[] }
}

const CLOSE_DOWN: Fields = plain(&["note"]);
const FINE: Fields = plain(&["amountFen", "amount_fen", "decisionNumber", "decision_number", "mitigation"]);
const STOP_PRODUCTION: Fields = plain(&["orderNumber", "order_number"]);
const CRIMINAL_MEASURE: Fields = plain(&["persons"]);
const CRIMINAL_TRANSFER: Fields = plain(&["documentNumber", "document_number", "persons"]);
const CUT_OFF: Fields = plain(&["utility", "addressee", "orderNumber", "order_number"]);
const ENFORCEMENT: Fields = plain(&["by", "decisionNumber", "decision_number"]);
const MEASURE: Fields = Fields {
    known: &["measureId", "measure_id", "decidedAt", "decided_at", "complyBy", "comply_by"],
    within: &[
        ("closeDown", CLOSE_DOWN),
        ("close_down", CLOSE_DOWN),
        ("fine", FINE),
        ("stopProduction", STOP_PRODUCTION),
        ("stop_production", STOP_PRODUCTION),
        ("criminalMeasure", CRIMINAL_MEASURE),
        ("criminal_measure", CRIMINAL_MEASURE),
        ("criminalTransfer", CRIMINAL_TRANSFER),
        ("criminal_transfer", CRIMINAL_TRANSFER),
        ("cutOff", CUT_OFF),
        ("cut_off", CUT_OFF),
        ("enforcement", ENFORCEMENT),
    ],
};
const EXEMPTION: Fields = plain(&["measure", "reason"]);
const COMPLIANCE: Fields = plain(&["measureId", "measure_id", "outcome", "establishedAt", "established_at", "note"]);
const REGION: Fields = plain(&["level", "code"]);
const POSITION: Fields = plain(&["latitudeE7", "latitude_e7", "longitudeE7", "longitude_e7"]);
const SUBJECT: Fields = Fields {
    known: &[],
    within: &[
        ("enterprise", plain(&["creditCode", "credit_code", "name", "industry", "regulator"])),
        ("den", Fields { known: &["place", "industry"], within: &[("position", POSITION)] }),
    ],
};
const INSPECTION: Fields = Fields {
    known: &["sector", "enforcement", "inspectedAt", "inspected_at", "situation", "outsideScope", "outside_scope"],
    within: &[
        ("region", REGION),
        ("subject", SUBJECT),
        ("acts", plain(&["act", "actText", "act_text", "caseId", "case_id"])),
        ("measures", MEASURE),
    ],
};
/// Where feedback carries shared messages: by the names that lead there.
const SHARED: &[(&[&str], &Fields)] = &[
    (&["region"], &REGION),
    (&["result", "measures"], &MEASURE),
    (&["result", "exemptions"], &EXEMPTION),
    (&["compliance", "compliance"], &COMPLIANCE),
    (&["dailyWork", "inspection"], &INSPECTION),
    (&["daily_work", "inspection"], &INSPECTION),
    (&["dailyWork", "finding", "subject"], &SUBJECT),
    (&["daily_work", "finding", "subject"], &SUBJECT),
    (&["dailyWork", "finding", "place"], &REGION),
    (&["daily_work", "finding", "place"], &REGION),
];

/// A field of a shared message that is none, by its path as it was written.
pub(super) fn unknown(feedback: &Value) -> Option<String> {
    SHARED.iter().find_map(|(names, fields)| {
        let value = names.iter().try_fold(feedback, |value, name| value.get(name))?;
        stray(value, fields, &names.join("."))
    })
}

fn stray(value: &Value, fields: &Fields, path: &str) -> Option<String> {
    match value {
        Value::Array(entries) => {
            entries.iter().enumerate().find_map(|(place, entry)| stray(entry, fields, &format!("{path}[{place}]")))
        }
        Value::Object(entries) => entries.iter().find_map(|(name, entry)| {
            let path = format!("{path}.{name}");
            match fields.within.iter().find(|(known, _)| known == name) {
                Some((_, within)) => stray(entry, within, &path),
                None if fields.known.contains(&name.as_str()) => None,
                None => Some(path),
            }
        }),
        _ => None,
    }
}
