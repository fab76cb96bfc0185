//! What the black-box tests share: a village of their own, its actors, and readings of ledger and table. The suite runs already; `./dev test`
//! starts it and says by the environment where it is.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, bail};
use dafei_contracts::{
    reporting::v1::{
        FilingUnit, GetMonthlyTableRequest, GetMonthlyTableResponse,
        monthly_table_service_client::MonthlyTableServiceClient,
    },
    sla::v1::{ListObligationsRequest, ObligationItem, deadline_service_client::DeadlineServiceClient},
    types::v1::{Den, Enterprise, Region, Subject, subject},
};
use dafei_kernel::{agency::Agency, role::Role, time::Instant};
use dafei_tools::{
    actors::{Actor, is_passing},
    client::{Caller, Keys, Service, Suite},
};
use tonic::Status;
use tonic_types::StatusExt as _;

/// How long what must happen may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A village with those above it; each test has a county of its own.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// `county:371311`
    pub county: &'static str,
    /// `township:371311001`
    pub township: &'static str,
    /// `village:371311001001`
    pub village: &'static str,
}

/// The suite and the keys of its tokens.
pub struct World {
    /// Channels.
    pub suite: Suite,
    /// Keys.
    pub keys: Keys,
}

impl World {
    /// The suite that `./dev test` has started.
    ///
    /// # Errors
    /// When the environment does not say where it is.
    pub fn from_env() -> anyhow::Result<Self> {
        let suite = Suite::from_env().context("the black-box tests are run by ./dev test, which starts the suite")?;
        Ok(Self { suite, keys: Keys::from_env()? })
    }

    /// Someone of a role in a region.
    ///
    /// # Errors
    /// When the region is none.
    pub fn actor(&self, role: Role, region: &str) -> anyhow::Result<Actor<'_>> {
        Actor::new(&self.suite, &self.keys, role, region)
    }

    /// Someone of an agency in a region.
    ///
    /// # Errors
    /// When the region is none.
    pub fn agency(&self, role: Role, region: &str, agency: Agency) -> anyhow::Result<Actor<'_>> {
        Actor::agency(&self.suite, &self.keys, role, region, agency)
    }

    /// The obligations of a case, once `ready` says that they are as awaited.
    ///
    /// # Errors
    /// When they do not come to be so.
    pub async fn obligations(
        &self,
        case_id: &str,
        ready: impl Fn(&[ObligationItem]) -> bool,
    ) -> anyhow::Result<Vec<ObligationItem>> {
        let bearer = self.keys.bearer(&Caller::new(Role::CityOffice, "city:371300".parse()?))?;
        let mut client = DeadlineServiceClient::new(self.suite.with(Service::SlaMonitor, &bearer));
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let request = ListObligationsRequest { case_id: case_id.to_owned() };
            let list = match client.list_obligations(request).await {
                Ok(answer) => answer.into_inner().obligations,
                Err(status) if is_passing(status.code()) => Vec::new(),
                Err(status) => return Err(status.into()),
            };
            if ready(&list) {
                return Ok(list);
            }
            if tokio::time::Instant::now() > deadline {
                bail!("the obligations of {case_id} are not as awaited: {:?}", brief(&list));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The table of a unit, once `ready` says that it is as awaited.
    ///
    /// # Errors
    /// When it does not come to be so.
    pub async fn table(
        &self,
        kind: &str,
        region: &str,
        agency: &str,
        month: &str,
        ready: impl Fn(&GetMonthlyTableResponse) -> bool,
    ) -> anyhow::Result<GetMonthlyTableResponse> {
        let bearer = self.keys.bearer(&Caller::new(Role::CityOffice, "city:371300".parse()?))?;
        let mut client = MonthlyTableServiceClient::new(self.suite.with(Service::Reporting, &bearer));
        let unit = FilingUnit { kind: kind.to_owned(), region: Some(wire(region)?), agency: agency.to_owned() };
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let request = GetMonthlyTableRequest { unit: Some(unit.clone()), month: month.to_owned() };
            let table = match client.get_monthly_table(request).await {
                Ok(answer) => answer.into_inner(),
                Err(status) if is_passing(status.code()) && tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
                Err(status) => return Err(status.into()),
            };
            if ready(&table) {
                return Ok(table);
            }
            if tokio::time::Instant::now() > deadline {
                bail!("the table of {kind} {region} is not as awaited: {:?}", cells(&table));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The cells that are not zero, by sector (`total` for 合计) and column.
#[must_use]
pub fn cells(table: &GetMonthlyTableResponse) -> BTreeMap<(String, usize), i64> {
    table
        .rows
        .iter()
        .chain(&table.total)
        .flat_map(|row| {
            let sector = if row.sector.is_empty() { "total" } else { &row.sector };
            row.values.iter().enumerate().map(move |(at, value)| ((sector.to_owned(), at + 1), *value))
        })
        .filter(|(_, value)| *value != 0)
        .collect()
}

/// What a ledger says, short enough to compare: clock, leg, state, breached, seconds late.
#[must_use]
pub fn brief(list: &[ObligationItem]) -> Vec<(String, u32, String, bool, i64)> {
    list.iter()
        .map(|item| {
            let obligation = item.obligation.clone().unwrap_or_default();
            (obligation.clock, obligation.leg, item.state().as_str_name().to_owned(), item.breached, item.late_seconds)
        })
        .collect()
}

/// A region as the API takes it.
///
/// # Errors
/// When the text is none.
pub fn wire(region: &str) -> anyhow::Result<Region> {
    Ok((&region.parse::<dafei_kernel::region::Region>()?).into())
}

/// A den at a place.
#[must_use]
pub fn den(place: &str) -> Subject {
    Subject { kind: Some(subject::Kind::Den(Den { place: place.to_owned(), position: None, industry: String::new() })) }
}

/// An enterprise with a regulator.
#[must_use]
pub fn enterprise(credit_code: &str, regulator: &str) -> Subject {
    Subject {
        kind: Some(subject::Kind::Enterprise(Enterprise {
            credit_code: credit_code.to_owned(),
            name: "测试企业".to_owned(),
            industry: String::new(),
            regulator: regulator.to_owned(),
        })),
    }
}

/// The reason and the fields of a refusal; the zh-CN sentence must be there.
#[must_use]
pub fn refusal(status: &Status) -> (tonic::Code, String, Vec<String>) {
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
    let fields: Vec<String> = details
        .bad_request()
        .into_iter()
        .flat_map(|bad| bad.field_violations.iter().map(|violation| violation.field.clone()))
        .collect();
    let spoken =
        details.localized_message().is_some_and(|message| message.locale == "zh-CN" && !message.message.is_empty());
    assert!(spoken, "no sentence for the clerk: {status:?}");
    (status.code(), reason, fields)
}

/// The civil month of an instant, `2026-11`.
#[must_use]
pub fn month(at: Instant) -> String {
    dafei_kernel::time::Month::of(at).to_string()
}
