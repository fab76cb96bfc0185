//! What is published about rewards beside the announcements: hotlines, standards, the banks that pay (clause D1).

use dafei_intake_core::reward::standard::{Scope, Standard};
use dafei_kernel::{
    act::Act,
    money::Fen,
    region::{Level, Region},
    sector::Sector,
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use super::roles::{Acting, Duty, Officer, Public};

/// Most kinds or hotlines of a region that are read.
const MOST: i64 = 500;

/// A hotline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hotline {
    pub(crate) region: Region,
    pub(crate) number: String,
    pub(crate) note: String,
}

/// A branch of a bank, as kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Branch {
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) address: String,
}

/// A bank that pays a region's rewards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RewardBank {
    pub(crate) region: Region,
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) branches: Vec<Branch>,
}

fn region(level: &str, code: &str) -> sqlx::Result<Region> {
    let level: Level = level.parse().map_err(decode)?;
    Region::new(level, code).map_err(decode)
}

fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

fn split(regions: &[Region]) -> (Vec<&str>, Vec<&str>) {
    regions.iter().map(|region| (region.level().code(), region.code().as_str())).unzip()
}

/// Publishes a hotline, or takes it down.
pub(crate) async fn put_hotline(officer: &mut Acting<'_, Officer>, hotline: &Hotline, ended: bool) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO hotline (level, code, number, note, ended) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (level, code, number) DO UPDATE SET note = excluded.note, ended = excluded.ended",
        hotline.region.level().code(),
        hotline.region.code().as_str(),
        hotline.number,
        hotline.note,
        ended
    )
    .execute(officer.conn())
    .await?;
    Ok(())
}

/// The hotlines of regions.
pub(crate) async fn hotlines(public: &mut Acting<'_, Public>, regions: &[Region]) -> sqlx::Result<Vec<Hotline>> {
    let (levels, codes) = split(regions);
    let rows = sqlx::query!(
        "SELECT h.level, h.code, h.number, h.note
         FROM UNNEST($1::text[], $2::text[]) AS asked (level, code) JOIN hotline h USING (level, code)
         WHERE NOT h.ended ORDER BY h.level, h.code, h.number LIMIT $3",
        &levels as &[&str],
        &codes as &[&str],
        MOST
    )
    .fetch_all(public.conn())
    .await?;
    rows.into_iter()
        .map(|row| Ok(Hotline { region: region(&row.level, &row.code)?, number: row.number, note: row.note }))
        .collect()
}

/// Adds a version of a standard.
pub(crate) async fn put_standard(officer: &mut Acting<'_, Officer>, id: Uuid, standard: &Standard) -> sqlx::Result<()> {
    let (sector, act) = match standard.scope {
        Scope::All => (None, None),
        Scope::Sector(sector) => (Some(sector.code()), None),
        Scope::Act(act) => (None, Some(act.code())),
    };
    sqlx::query!(
        "INSERT INTO reward_standard (id, level, code, kind, title, sector, act, min_fen, max_fen, basis, valid_from)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        id,
        standard.region.level().code(),
        standard.region.code().as_str(),
        standard.kind,
        standard.title,
        sector,
        act,
        standard.min.get(),
        standard.max.get(),
        standard.basis,
        PgInstant(standard.valid_from) as PgInstant
    )
    .execute(officer.conn())
    .await?;
    Ok(())
}

/// Of each kind of these regions the version in force at an instant.
pub(crate) async fn standards<D: Duty>(
    acting: &mut Acting<'_, D>,
    regions: &[Region],
    at: Instant,
) -> sqlx::Result<Vec<Standard>> {
    let (levels, codes) = split(regions);
    let rows = sqlx::query!(
        r#"SELECT DISTINCT ON (s.level, s.code, s.kind) s.level, s.code, s.kind, s.title, s.sector, s.act, s.min_fen,
                  s.max_fen, s.basis, s.valid_from AS "valid_from: PgInstant"
           FROM UNNEST($1::text[], $2::text[]) AS asked (level, code) JOIN reward_standard s USING (level, code)
           WHERE s.valid_from <= $3 ORDER BY s.level, s.code, s.kind, s.valid_from DESC, s.id DESC LIMIT $4"#,
        &levels as &[&str],
        &codes as &[&str],
        PgInstant(at) as PgInstant,
        MOST
    )
    .fetch_all(acting.conn())
    .await?;
    let standard = rows.into_iter().map(|row| {
        let scope = match (row.act, row.sector) {
            (Some(act), _) => Scope::Act(Act::parse(&act).map_err(decode)?),
            (None, Some(sector)) => Scope::Sector(sector.parse::<Sector>().map_err(decode)?),
            (None, None) => Scope::All,
        };
        Ok(Standard {
            region: region(&row.level, &row.code)?,
            kind: row.kind,
            title: row.title,
            scope,
            min: Fen::new(row.min_fen).map_err(decode)?,
            max: Fen::new(row.max_fen).map_err(decode)?,
            basis: row.basis,
            valid_from: row.valid_from.0,
        })
    });
    standard.collect()
}

/// Names the bank of a region.
pub(crate) async fn put_bank(officer: &mut Acting<'_, Officer>, bank: &RewardBank) -> sqlx::Result<()> {
    let codes: Vec<&str> = bank.branches.iter().map(|branch| branch.code.as_str()).collect();
    sqlx::query!(
        "INSERT INTO reward_bank (level, code, bank, name, branches, branch_codes) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (level, code) DO UPDATE SET bank = excluded.bank, name = excluded.name,
             branches = excluded.branches, branch_codes = excluded.branch_codes",
        bank.region.level().code(),
        bank.region.code().as_str(),
        bank.code,
        bank.name,
        Json(&bank.branches) as Json<&Vec<Branch>>,
        &codes as &[&str]
    )
    .execute(officer.conn())
    .await?;
    Ok(())
}

/// The nearest of these regions, which are given from the nearest up, that has a bank.
pub(crate) async fn bank_of(officer: &mut Acting<'_, Officer>, regions: &[Region]) -> sqlx::Result<Option<Region>> {
    let (levels, codes) = split(regions);
    let row = sqlx::query!(
        "SELECT b.level, b.code
         FROM UNNEST($1::text[], $2::text[]) WITH ORDINALITY AS asked (level, code, place)
         JOIN reward_bank b ON b.level = asked.level AND b.code = asked.code ORDER BY asked.place LIMIT 1",
        &levels as &[&str],
        &codes as &[&str]
    )
    .fetch_optional(officer.conn())
    .await?;
    row.map(|row| region(&row.level, &row.code)).transpose()
}
