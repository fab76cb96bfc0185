//! Cases that are exposed publicly (公开曝光, clause F4), as dispatch tells it.

use dafei_contracts::{
    Event,
    convert::{self, ConvertError, Field},
};
use dafei_kernel::{ids, region::Level, time::civil_date};
use dafei_messaging::consumer::{Delivered, HandlerError};
use jiff::civil::Date;
use uuid::Uuid;

/// The type of the events that tell it.
const EXPOSED: &str = "dafei.events.v1.CaseExposed";
/// The longest text that is taken.
const MAX_TEXT: usize = 10_000;

/// The last word on a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The case.
    pub case_id: Uuid,
    /// What the public reads; none: it is taken back.
    pub exposure: Option<Exposure>,
}

/// What is kept of an exposure: nothing of the case below its county.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the columns of exposure")]
pub struct Exposure {
    pub exposure_id: Uuid,
    pub day: Date,
    pub public_text: String,
    /// Empty where no county had it.
    pub county: String,
    pub city: String,
    pub sector: String,
}

/// What events say of exposures, in their order.
///
/// # Errors
/// The first event that cannot be taken.
pub fn words_of(events: &[Delivered]) -> Result<Vec<Word>, HandlerError> {
    let told = events.iter().enumerate().filter(|(_, event)| event.event_type == EXPOSED);
    let word = |(index, event): (usize, &Delivered)| {
        let reject = |reason: String| HandlerError::Reject { index, reason };
        let parsed = Event::from_json(&event.event_type, &event.payload).map_err(|error| reject(error.to_string()))?;
        parsed.map(|parsed| word_of(event.event_id, &parsed).map_err(|error| reject(error.to_string()))).transpose()
    };
    Ok(told.map(word).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().flatten().collect())
}

fn word_of(event_id: Uuid, event: &Event) -> Result<Option<Word>, ConvertError> {
    let Event::CaseExposed(told) = event else { return Ok(None) };
    let case_id = convert::uuid("case_id", &told.case_id)?;
    if told.retracted {
        return Ok(Some(Word { case_id, exposure: None }));
    }
    let path = event.region_path()?;
    let code = |level| path.at(level).map(|region| region.code().to_string()).unwrap_or_default();
    let at = convert::instant("meta.received_at", told.meta.as_ref().required("meta")?.received_at)?;
    // Events of before it was told have none.
    let sector = match told.sector.as_str() {
        "" => String::new(),
        code => convert::sector("sector", code)?.code().to_owned(),
    };
    let exposure = Exposure {
        // Of SHA-1 over the ids, cut to 122 bits: whoever has it finds the case only by trying case ids, of which 74 bits are random.
        exposure_id: ids::derived(&["exposure", &case_id.to_string(), &event_id.to_string()]),
        day: civil_date(at),
        public_text: convert::bounded("public_text", &told.public_text, MAX_TEXT)?,
        county: code(Level::County),
        city: code(Level::City),
        sector,
    };
    Ok(Some(Word { case_id, exposure: Some(exposure) }))
}
