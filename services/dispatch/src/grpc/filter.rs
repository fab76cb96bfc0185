//! What lists of cases are narrowed by, checked.

use dafei_contracts::{
    convert::{self, ConvertError},
    dispatch::v1 as api,
    events::v1 as ev,
};
use dafei_kernel::{act::Act, time::Instant};
use dafei_runtime::status::Fault;
use dafei_shell::faults;

/// Numbers of sources that there may ever be.
const SOURCES: std::ops::Range<i32> = 1..64;

/// A filter as the stores take it.
pub(super) struct Checked {
    /// Codes of the acts; all when none.
    pub(super) acts: Option<Vec<String>>,
    /// Sources as columns hold them; all when none.
    pub(super) sources: Option<Vec<i16>>,
    /// Reached from the first to before the second.
    pub(super) reached: (Instant, Instant),
}

impl Checked {
    /// # Errors
    /// `UNKNOWN_SECTOR`, `UNKNOWN_ACT`, `ACT_NOT_OF_SECTOR`, `UNKNOWN_SOURCE`, `TIME_ORDER` on the field below `filter`.
    pub(super) fn of(filter: Option<&api::CaseFilter>) -> Result<Self, Fault> {
        let absent = api::CaseFilter::default();
        let filter = filter.unwrap_or(&absent);
        let convert = |error: ConvertError| faults::convert(error.under("filter"));
        let from = convert::optional_instant("reached_from", filter.reached_from).map_err(convert)?;
        let before = convert::optional_instant("reached_before", filter.reached_before).map_err(convert)?;
        let reached = (from.unwrap_or(Instant::UNIX_EPOCH), before.unwrap_or(Instant::MAX));
        if reached.0 >= reached.1 {
            let english = "is not after reached_from";
            return Err(Fault::field("filter.reached_before", "TIME_ORDER", english, "截止时间须晚于起始时间"));
        }
        Ok(Self { acts: acts(filter)?, sources: source(filter.source)?.map(|source| vec![source]), reached })
    }

    /// All acts or those asked for.
    pub(super) fn all_acts(&self) -> Vec<String> {
        self.acts.clone().unwrap_or_else(|| Act::all().map(|act| act.code().to_owned()).collect())
    }

    /// All sources or those asked for.
    pub(super) fn all_sources(&self) -> Vec<i16> {
        let known = || SOURCES.filter(|code| ev::CaseSource::try_from(*code).is_ok());
        self.sources.clone().unwrap_or_else(|| known().filter_map(|code| i16::try_from(code).ok()).collect())
    }
}

fn acts(filter: &api::CaseFilter) -> Result<Option<Vec<String>>, Fault> {
    let convert = |error: ConvertError| faults::convert(error.under("filter"));
    let sector = match filter.sector.as_str() {
        "" => None,
        code => Some(convert::sector("sector", code).map_err(convert)?),
    };
    if filter.act.is_empty() {
        let of =
            |sector| Act::all().filter(move |act| act.sector() == sector).map(|act| act.code().to_owned()).collect();
        return Ok(sector.map(of));
    }
    let act = convert::act("act", &filter.act).map_err(convert)?;
    if sector.is_some_and(|sector| act.sector() != sector) {
        let english = format!("{act} is not of the sector {}", filter.sector);
        return Err(Fault::field("filter.act", "ACT_NOT_OF_SECTOR", english, "该非法行为不属于所选领域"));
    }
    Ok(Some(vec![act.code().to_owned()]))
}

fn source(wire: i32) -> Result<Option<i16>, Fault> {
    match ev::CaseSource::try_from(wire) {
        Ok(ev::CaseSource::Unspecified) => Ok(None),
        Ok(known) => Ok(i16::try_from(i32::from(known)).ok()),
        Err(_) => Err(Fault::field("filter.source", "UNKNOWN_SOURCE", "is no source of a case", "没有这个案件来源")),
    }
}
