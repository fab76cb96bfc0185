//! `AssessmentService`: the figures of counties and townships, and their places (clause E3).

use std::collections::{HashMap, HashSet};

use dafei_contracts::{
    convert,
    reporting::v1::{self as pb, assessment_service_server::AssessmentService},
};
use dafei_kernel::{
    clock::SharedClock,
    period::Period,
    region::{Level, Region},
    role::Role,
    roster::RosterIndex,
    time::{Instant, Month},
};
use dafei_reporting_core::{
    Unit, UnitKind,
    assessment::{self as core, Assessment, Catalogue, Figure, From, Grain, Share},
    briefing::weeks_ended,
    evaluation::results::mean,
};
use dafei_runtime::{
    identity::{self, Principal},
    status::Fault,
};
use dafei_shell::{faults, roster::RosterView, scope};
use sqlx::PgPool;
use tonic::{Request, Response, Status};

use super::{READERS, checked_quarter};
use crate::{
    draft,
    store::{
        activity_read::{counties, villages_with_notices},
        assessment::{self as store, FiledTable, Of},
        stays::{self, Absent},
    },
};

/// Serves assessments.
#[derive(Clone)]
pub struct Assessments {
    pool: PgPool,
    roster: RosterView,
    clock: SharedClock,
}

/// What was counted of all units of a request.
struct Counted {
    of: Of,
    now: Instant,
    counts: HashMap<(String, String), i64>,
    /// The villages whose notices are enough.
    noticed: HashSet<String>,
    /// When units filed a month's table first.
    filings: HashMap<(String, String, String), Vec<FiledTable>>,
    /// Who does not owe which month's table.
    absent: Absent,
    spot_checks: HashMap<String, Share>,
    /// By township.
    scores: HashMap<String, Share>,
}

impl Counted {
    fn times(&self, unit: &Region, what: &str) -> i64 {
        self.counts.get(&(unit.code().to_string(), what.to_owned())).copied().unwrap_or_default()
    }

    fn share(&self, figure: &Figure, unit: &Region, roster: &RosterIndex) -> Share {
        let times = |what: &str| self.times(unit, what);
        let code = || unit.code().to_string();
        match &figure.from {
            From::Deeds { numerator, beside } => {
                let sum = |deeds: &[String]| deeds.iter().map(|what| times(what)).sum::<i64>();
                Share::new(sum(numerator), sum(numerator) + sum(beside))
            }
            From::Patrols => {
                let owed = count(&villages(unit, roster)) * weeks_ended(self.of.quarter, self.now);
                Share::new(owed - times(store::PATROLS_MISSED), owed)
            }
            From::Notices => {
                let villages = villages(unit, roster);
                let met = villages.iter().filter(|village| self.noticed.contains(**village));
                Share::new(i64::try_from(met.count()).unwrap_or(i64::MAX), count(&villages))
            }
            From::Cases => {
                let closed = times(store::CASES_CLOSED);
                Share::new(closed, closed + times(store::CASES_NOT_CLOSED))
            }
            From::Filings => self.filed(unit, roster),
            From::SpotChecks => self.spot_checks.get(&code()).copied().unwrap_or_default(),
            From::Evaluation => self.scores.get(&code()).copied().unwrap_or_default(),
        }
    }

    /// Tables of a township, or of a county's office and all that it collects from.
    fn filed(&self, region: &Region, roster: &RosterIndex) -> Share {
        let months = core::months(self.of.quarter);
        let units = filing_units(region, roster);
        let shares = units.iter().flat_map(|unit| months.map(|month| self.filed_by(unit, month, roster)));
        let sum = shares.fold((0, 0), |sum, share| (sum.0 + share.numerator, sum.1 + share.denominator));
        Share::new(sum.0, sum.1)
    }

    fn filed_by(&self, unit: &Unit, month: Month, roster: &RosterIndex) -> Share {
        let agency = unit.agency().map_or("", |agency| agency.code()).to_owned();
        let key = (unit.kind().code().to_owned(), unit.region().code().to_string(), agency);
        let of_unit = self.filings.get(&key).into_iter().flatten();
        let first = of_unit.filter(|filed| filed.is_of(month)).map(|filed| filed.first_filed_at).next();
        core::filed(draft::limit(unit, month, &self.absent, roster), first, self.now)
    }
}

/// The units whose tables count for a township, or for a county: its office and all that it collects from.
fn filing_units(region: &Region, roster: &RosterIndex) -> Vec<Unit> {
    let kind = if region.level() == Level::County { UnitKind::CountyOffice } else { UnitKind::Township };
    let Ok(own) = Unit::new(kind, region.clone(), None) else { return Vec::new() };
    own.collected(roster).into_iter().chain([own]).collect()
}

/// Codes of the villages of a county or township by the roster of now.
fn villages<'a>(region: &Region, roster: &'a RosterIndex) -> Vec<&'a str> {
    let children = roster.children(region);
    let below = children.flat_map(|child| match child.level() {
        Level::Village => vec![child.code().as_str()],
        Level::City | Level::County | Level::Township => villages(child, roster),
        Level::WorkArea => Vec::new(),
    });
    below.collect()
}

fn count(villages: &[&str]) -> i64 {
    i64::try_from(villages.len()).unwrap_or(i64::MAX)
}

fn wire(unit: &Region, quarter: Period, assessed: &Assessment<'_>, roster: &RosterIndex) -> pb::Assessment {
    let figure = |one: &core::Assessed<'_>| pb::AssessedFigure {
        code: one.figure.code.clone(),
        name: one.figure.name.clone(),
        numerator: one.share.numerator,
        denominator: one.share.denominator,
        weight: one.figure.weight,
        points: one.points,
    };
    let entry = roster.get(unit);
    let name = |region: &Region| roster.get(region).map(|entry| entry.name.clone()).unwrap_or_default();
    // A township's name says little without its county's.
    let above = entry.and_then(|entry| entry.parent.as_ref()).filter(|_| unit.level() == Level::Township);
    pb::Assessment {
        region: Some(unit.into()),
        name: above.map(name).unwrap_or_default() + &name(unit),
        quarter: quarter.to_string(),
        figures: assessed.figures.iter().map(figure).collect(),
        score: assessed.score.unwrap_or_default(),
        assessed: assessed.score.is_some(),
        place: 0,
        version: Catalogue::shipped().version.clone(),
    }
}

/// Where to look for what these counties or townships did.
fn of(units: &[&Region], quarter: Period, roster: &RosterIndex) -> Of {
    let codes = units.iter().map(|unit| unit.code().to_string()).collect();
    if units.iter().all(|unit| unit.level() == Level::County) {
        Of { counties: codes, townships: None, quarter }
    } else {
        Of { counties: counties(roster), townships: Some(codes), quarter }
    }
}

fn wrong_level(wanted: &str, zh: &'static str) -> Fault {
    Fault::field("region.level", "WRONG_LEVEL", format!("is no {wanted}"), zh)
}

impl Assessments {
    /// Assesses from `pool`; the clock says which quarters have begun.
    #[must_use]
    pub const fn new(pool: PgPool, roster: RosterView, clock: SharedClock) -> Self {
        Self { pool, roster, clock }
    }

    /// The region and quarter of a request, checked.
    fn asked(
        &self,
        caller: &Principal,
        roster: &RosterIndex,
        region: Option<&dafei_contracts::types::v1::Region>,
        quarter: &str,
    ) -> Result<(Region, Period), Fault> {
        scope::require(caller, &READERS)?;
        let region = convert::region("region", region).map_err(faults::convert)?;
        scope::require_region(caller, roster, "region", &region)?;
        Ok((region, checked_quarter(quarter, self.clock.now())?))
    }

    /// Counts all that is assessed, in one go: `units` are counties or townships.
    async fn count(&self, units: &[&Region], quarter: Period, roster: &RosterIndex) -> Result<Counted, Fault> {
        let of = of(units, quarter, roster);
        let mut conn = self.pool.acquire().await.map_err(faults::database)?;
        let counts = store::counts(&mut *conn, &of, &Catalogue::shipped().deeds()).await.map_err(faults::database)?;
        let villages: Vec<&str> = units.iter().flat_map(|unit| villages(unit, roster)).collect();
        let noticed = villages_with_notices(&mut *conn, &villages).await.map_err(faults::database)?;
        let filers: Vec<Unit> = units.iter().flat_map(|unit| filing_units(unit, roster)).collect();
        let months = core::months(of.quarter);
        let found = store::filings(&mut *conn, &filers, &months).await.map_err(faults::database)?;
        let mut filings: HashMap<_, Vec<FiledTable>> = HashMap::new();
        for filed in found {
            let key = (filed.kind.clone(), filed.region_code.clone(), filed.agency.clone());
            filings.entry(key).or_default().push(filed);
        }
        let duties: Vec<_> = filers.iter().flat_map(|unit| months.map(|month| draft::duty(unit, month))).collect();
        let absent = stays::absent(&mut *conn, &duties).await.map_err(faults::database)?;
        let scores = store::scores(&mut *conn, &of).await.map_err(faults::database)?;
        let checks = store::spot_checks(&mut *conn, &of).await.map_err(faults::database)?;
        Ok(Counted {
            of,
            now: self.clock.now(),
            counts: counts.into_iter().map(|one| ((one.unit, one.what), one.times)).collect(),
            noticed,
            filings,
            absent,
            spot_checks: checks
                .into_iter()
                .map(|one| (one.unit, Share::new(one.in_order, one.in_order + one.problems)))
                .collect(),
            scores: scores.iter().filter_map(score).collect(),
        })
    }

    async fn one(
        &self,
        caller: &Principal,
        body: &pb::GetAssessmentRequest,
    ) -> Result<pb::GetAssessmentResponse, Fault> {
        let roster = self.roster.current();
        let (region, quarter) = self.asked(caller, &roster, body.region.as_ref(), &body.quarter)?;
        let grain = Grain::ALL.into_iter().find(|grain| grain.level() == region.level());
        let grain = grain.ok_or_else(|| wrong_level("county or township", "应填写县区或乡镇"))?;
        let counted = self.count(&[&region], quarter, &roster).await?;
        let assessed = core::assess(Catalogue::shipped(), grain, |figure| counted.share(figure, &region, &roster));
        Ok(pb::GetAssessmentResponse { assessment: Some(wire(&region, quarter, &assessed, &roster)) })
    }

    async fn list(
        &self,
        caller: &Principal,
        body: &pb::ListAssessmentsRequest,
    ) -> Result<pb::ListAssessmentsResponse, Fault> {
        let roster = self.roster.current();
        let (region, quarter) = self.asked(caller, &roster, body.region.as_ref(), &body.quarter)?;
        let grain = Grain::ALL.into_iter().find(|grain| grain.above() == region.level());
        let grain = grain.ok_or_else(|| wrong_level("city or county", "应填写市或县区"))?;
        let units: Vec<&Region> = roster.children(&region).filter(|unit| unit.level() == grain.level()).collect();
        let counted = self.count(&units, quarter, &roster).await?;
        let assess =
            |unit: &Region| core::assess(Catalogue::shipped(), grain, |figure| counted.share(figure, unit, &roster));
        let all: Vec<Assessment<'_>> = units.iter().map(|unit| assess(unit)).collect();
        let scores: Vec<Option<u32>> = all.iter().map(|one| one.score).collect();
        let placed = core::places(&scores)
            .into_iter()
            .map(|(at, place)| pb::Assessment { place, ..wire(units[at], quarter, &all[at], &roster) });
        Ok(pb::ListAssessmentsResponse { assessments: placed.collect() })
    }
}

/// The mean of a township's sheets, of all that there is.
fn score(score: &store::Score) -> Option<(String, Share)> {
    let post = crate::store::evaluation::post(&score.evaluated).filter(|post| post.role == Role::TownshipCentre)?;
    let mean = mean(u64::try_from(score.sum).ok()?, u32::try_from(score.sheets).ok()?);
    Some((post.region.code().to_string(), Share::new(i64::from(mean), 10_000)))
}

fn catalogue() -> pb::ListFiguresResponse {
    let figure = |one: &Figure| pb::Figure {
        code: one.code.clone(),
        name: one.name.clone(),
        numerator: one.numerator.clone(),
        denominator: one.denominator.clone(),
        grains: one.grains.iter().map(|grain| grain.code().to_owned()).collect(),
        weight: one.weight,
    };
    let shipped = Catalogue::shipped();
    pb::ListFiguresResponse { version: shipped.version.clone(), figures: shipped.figures.iter().map(figure).collect() }
}

#[tonic::async_trait]
impl AssessmentService for Assessments {
    async fn list_figures(
        &self,
        request: Request<pb::ListFiguresRequest>,
    ) -> Result<Response<pb::ListFiguresResponse>, Status> {
        scope::require(identity::principal(&request)?, &READERS)?;
        Ok(Response::new(catalogue()))
    }

    async fn get_assessment(
        &self,
        request: Request<pb::GetAssessmentRequest>,
    ) -> Result<Response<pb::GetAssessmentResponse>, Status> {
        Ok(Response::new(self.one(identity::principal(&request)?, request.get_ref()).await?))
    }

    async fn list_assessments(
        &self,
        request: Request<pb::ListAssessmentsRequest>,
    ) -> Result<Response<pb::ListAssessmentsResponse>, Status> {
        Ok(Response::new(self.list(identity::principal(&request)?, request.get_ref()).await?))
    }
}
