//! Drafting a briefing: what was done and left undone in the period, beside the period before, in figures and in words.

mod page;
mod wire;

use std::collections::{BTreeMap, HashMap};

use dafei_contracts::reporting::v1 as pb;
use dafei_kernel::{
    act::Act,
    owner::Post,
    period::{Cycle, Period},
    region::{Level, Region, RegionPath},
    role::Role,
    roster::RosterIndex,
    time::{Instant, Month},
};
use dafei_reporting_core::{
    Column, Table, Unit, UnitKind,
    activity::{Kept, clock_deed},
    briefing::{
        Briefing, CLOCKS, ClockKept, Content, Coverage, FIGURES, Figure, Head, OpenCase, OwnerLine, paragraphs,
        weeks_ended,
    },
};
use dafei_runtime::status::Fault;
use dafei_shell::faults;
use prost::Message as _;
use sqlx::PgConnection;

use crate::{
    draft::{self, Drafted},
    store::{
        activity_read::{self as read, Days, Within},
        filing,
    },
};

pub(crate) use page::page;

/// The most owners that a briefing lists.
const OWNERS: i64 = 100;
/// The most open cases that it lists.
const CASES: i64 = 100;
/// The most villages that it names for each duty.
const LAGGING: usize = 20;

/// Drafts a briefing as it would be released now, without remarks.
///
/// # Errors
/// When PostgreSQL is away, or something stored is not what it should be.
pub(crate) async fn draft(
    conn: &mut PgConnection,
    briefing: &Briefing,
    path: &RegionPath,
    roster: &RosterIndex,
    now: Instant,
) -> Result<pb::BriefingContent, Fault> {
    let period = briefing.period();
    let within = Within::new(briefing.unit(), roster);
    let (this, before) = (days(period), days(period.prev()));
    let deeds = read::deeds(&mut *conn, &within, this, before).await.map_err(faults::database)?;
    let deeds: HashMap<String, (i64, i64)> =
        deeds.into_iter().map(|(what, this, before)| (what, (this, before))).collect();
    let mut figures = figures(briefing, &deeds);
    if period.cycle() == Cycle::Month {
        figures.extend(table_figures(conn, briefing, path, roster).await?);
    }
    let (owners, owner_count) = owners(conn, &within, this, period.end(), roster).await?;
    let rows = read::open_cases(&mut *conn, &within, period.end(), period.day_after(), CASES).await;
    let rows = rows.map_err(faults::database)?;
    let (open_count, overdue_count) = rows.first().map_or((0, 0), |row| (row.open, row.overdue_cases));
    let content = Content {
        figures,
        clocks: clocks(&deeds),
        coverage: coverage(conn, briefing, &within, roster, now).await?,
        owners,
        owner_count,
        open_cases: rows.into_iter().map(|row| open_case(row, roster)).collect(),
        open_count,
        overdue_count,
        anchor: read::anchor(conn, briefing.last_day()).await.map_err(faults::database)?,
    };
    let unit = name(roster, briefing.unit());
    let head = Head { unit: &unit, cycle: period.cycle(), first: period.first_day(), last: briefing.last_day() };
    let paragraphs = paragraphs(&head, &content);
    Ok(wire::content(briefing, &unit, content, paragraphs))
}

/// By which a draft is the one that was looked at. The heads of chains move with every event of an open case, after the period as well: they
/// are left out.
pub(crate) fn digest(content: &pb::BriefingContent) -> String {
    let mut told = content.clone();
    told.remarks.clear();
    told.anchor_day.clear();
    told.anchor_digest.clear();
    told.paragraphs.clear();
    for case in &mut told.open_cases {
        case.chain_head.clear();
        case.sequence = 0;
    }
    draft::sha256(&told.encode_to_vec())
}

fn days(period: Period) -> Days {
    (period.first_day(), period.day_after())
}

/// A region's name; its code where the roster does not have it.
pub(crate) fn name(roster: &RosterIndex, region: &Region) -> String {
    roster.get(region).map_or_else(|| region.code().to_string(), |entry| entry.name.clone())
}

fn figures(briefing: &Briefing, deeds: &HashMap<String, (i64, i64)>) -> Vec<Figure> {
    let of = |code: &str| deeds.get(code).copied().unwrap_or_default();
    let wanted = FIGURES.iter().filter(|wanted| wanted.is_for(briefing.unit().level()));
    let figure = |code: &str, name: &str, unit: &str, (value, previous): (i64, i64)| Figure {
        code: code.to_owned(),
        name: name.to_owned(),
        unit: unit.to_owned(),
        value,
        previous,
    };
    wanted.map(|wanted| figure(wanted.code, wanted.name, wanted.unit, of(wanted.act.code()))).collect()
}

/// The totals of the monthly table: as filed where it is filed, else as it would be filed now.
async fn table_figures(
    conn: &mut PgConnection,
    briefing: &Briefing,
    path: &RegionPath,
    roster: &RosterIndex,
) -> Result<Vec<Figure>, Fault> {
    let kind = if briefing.unit().level() == Level::City { UnitKind::CityOffice } else { UnitKind::CountyOffice };
    let unit = Unit::new(kind, briefing.unit().clone(), None).map_err(Fault::internal)?;
    let month = Month::of(briefing.period().start());
    let this = table(conn, &unit, path, month, roster).await?;
    let before = table(conn, &unit, path, month.prev(), roster).await?;
    let figure = |column: Column| Figure {
        code: format!("table-{}", column.number()),
        name: column.name().to_owned(),
        unit: column.unit().to_owned(),
        value: this.total.value(column),
        previous: before.total.value(column),
    };
    Ok(Column::ALL.into_iter().map(figure).collect())
}

async fn table(
    conn: &mut PgConnection,
    unit: &Unit,
    path: &RegionPath,
    month: Month,
    roster: &RosterIndex,
) -> Result<Table, Fault> {
    if let Some(filed) = filing::filed(&mut *conn, unit, month, None).await.map_err(faults::database)? {
        let content = pb::Draft::decode(filed.content.as_slice()).map_err(Fault::internal)?;
        return draft::of_body(content.figures.as_ref());
    }
    Ok(Drafted::read(conn, unit, path, month, roster).await?.figures)
}

fn clocks(deeds: &HashMap<String, (i64, i64)>) -> Vec<ClockKept> {
    let kept = CLOCKS.iter().map(|(clock, _)| {
        let of = |kept| deeds.get(&clock_deed(clock, kept)).copied().unwrap_or_default();
        let ((in_time, previous_in_time), (breached, previous_breached)) = (of(Kept::InTime), of(Kept::Breached));
        ClockKept { clock: (*clock).to_owned(), in_time, breached, previous_in_time, previous_breached }
    });
    // Of duties only those are told that lagged: they have a coverage, not a rate.
    kept.filter(|clock| !clock.clock.starts_with(['W', 'M', 'Q', 'N']))
        .filter(|clock| clock.in_time + clock.breached + clock.previous_in_time + clock.previous_breached > 0)
        .collect()
}

async fn owners(
    conn: &mut PgConnection,
    within: &Within,
    days: Days,
    until: Instant,
    roster: &RosterIndex,
) -> Result<(Vec<OwnerLine>, i64), Fault> {
    let rows = read::owners(conn, within, days, until, OWNERS).await.map_err(faults::database)?;
    let count = rows.first().map_or(0, |row| row.owners);
    let line = |row: read::OwnerRow| {
        let bad = || Fault::internal(format!("no post: {} {} {}", row.role, row.region, row.agency));
        let agency = if row.agency.is_empty() { None } else { Some(row.agency.parse().map_err(|_| bad())?) };
        let post =
            Post { role: row.role.parse().map_err(|_| bad())?, region: row.region.parse().map_err(|_| bad())?, agency };
        Ok(OwnerLine {
            name: post_name(roster, &post),
            post,
            persons: row.persons,
            breaches: row.breaches,
            still_open: row.still_open,
            clocks: row.clocks,
        })
    };
    Ok((rows.into_iter().map(line).collect::<Result<_, Fault>>()?, count))
}

/// A post as official papers name it: 兰山街道东关村支部书记.
pub(crate) fn post_name(roster: &RosterIndex, post: &Post) -> String {
    let path = roster.path(&post.region);
    let above = path.as_ref().and_then(|path| path.at(Level::Township)).filter(|above| **above != post.region);
    let place = format!("{}{}", above.map(|above| name(roster, above)).unwrap_or_default(), name(roster, &post.region));
    let agency = post.agency.map_or("", |agency| agency.name_zh());
    match post.role {
        Role::GridMember => format!("{place}网格员"),
        Role::VillageSecretary => format!("{place}支部书记"),
        Role::WorkAreaSecretary => format!("{place}书记"),
        Role::TownshipCentre => format!("{place}网格化服务中心"),
        Role::TownshipAgency => format!("{place}{agency}机构"),
        Role::TownshipPrincipal => format!("{place}主要负责同志"),
        Role::CountyOffice | Role::CityOffice => format!("{place}安委会办公室"),
        Role::CountyDepartment | Role::CityDepartment => format!("{place}{agency}部门"),
        Role::CountyCommander => format!("{place}总指挥"),
        other => format!("{place}{}", other.name_zh()),
    }
}

async fn coverage(
    conn: &mut PgConnection,
    briefing: &Briefing,
    within: &Within,
    roster: &RosterIndex,
    now: Instant,
) -> Result<Vec<Coverage>, Fault> {
    let villages: BTreeMap<String, String> = roster
        .of_level(Level::Village)
        .filter(|village| roster.contains(briefing.unit(), &village.region))
        .map(|village| (village.region.code().to_string(), village_name(roster, briefing.unit(), &village.region)))
        .collect();
    let count = i64::try_from(villages.len()).unwrap_or(i64::MAX);
    if count == 0 {
        return Ok(Vec::new());
    }
    let called = |code: &String| villages.get(code).cloned().unwrap_or_else(|| code.clone());
    let weeks = weeks_ended(briefing.period(), now);
    let mut duties = Vec::new();
    for clock in ["W1", "W2"] {
        let missed = read::villages_that_missed(&mut *conn, within, clock, days(briefing.period())).await;
        let missed = missed.map_err(faults::database)?;
        let times: i64 = missed.iter().map(|(_, times)| times).sum();
        let lagging = missed.iter().take(LAGGING).map(|(village, _)| called(village)).collect();
        let owed = count * weeks;
        duties.push(Coverage { clock, owed, fulfilled: (owed - times).max(0), lagging });
    }
    let codes: Vec<&str> = villages.keys().map(String::as_str).collect();
    let noticed = read::villages_with_notices(conn, &codes).await.map_err(faults::database)?;
    let lacking = villages.iter().filter(|(village, _)| !noticed.contains(*village));
    duties.push(Coverage {
        clock: "N1",
        owed: count,
        fulfilled: i64::try_from(noticed.len()).unwrap_or(i64::MAX),
        lagging: lacking.take(LAGGING).map(|(_, name)| name.clone()).collect(),
    });
    Ok(duties)
}

/// With the township before it, unless the briefing is the township's own.
fn village_name(roster: &RosterIndex, unit: &Region, village: &Region) -> String {
    let path = roster.path(village);
    let township = path.as_ref().and_then(|path| path.at(Level::Township)).filter(|township| *township != unit);
    format!("{}{}", township.map(|township| name(roster, township)).unwrap_or_default(), name(roster, village))
}

fn open_case(row: read::OpenRow, roster: &RosterIndex) -> OpenCase {
    let act = row.act.parse::<Act>().map_or_else(|_| row.act.clone(), |act| act.name_zh().to_owned());
    let act = if row.act_text.is_empty() { act } else { format!("{act}（{}）", row.act_text) };
    OpenCase {
        case_id: row.case_id.to_string(),
        act,
        sector: row.sector,
        place: place_name(roster, &row.place),
        opened_at: row.opened_at.0,
        overdue: row.overdue,
        chain_head: row.chain_head,
        sequence: row.sequence,
    }
}

/// County, township and village as far as the roster has them.
fn place_name(roster: &RosterIndex, place: &str) -> String {
    let Some(path) = place.parse::<Region>().ok().and_then(|region| roster.path(&region)) else {
        return String::new();
    };
    let below = path.regions().iter().filter(|region| !matches!(region.level(), Level::City | Level::WorkArea));
    below.map(|region| name(roster, region)).collect()
}
