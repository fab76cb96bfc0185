//! A day's payouts for reconciliation (对账): as the bank sees them, and as an office does.

use dafei_kernel::{
    region::{Level, Region},
    time::Instant,
};
use dafei_messaging::pg::PgInstant;

use super::roles::{Acting, Bank, Officer};

/// A payout; serial and branch are the bank's to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payout {
    pub(crate) number: String,
    pub(crate) amount_fen: i64,
    pub(crate) serial: String,
    pub(crate) branch: String,
}

/// Number and sum of a day's payouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) count: i64,
    pub(crate) fen: i64,
}

/// The county that a region is; none for the city, whose are all.
fn county(region: &Region) -> Option<&str> {
    (region.level() == Level::County).then(|| region.code().as_str())
}

/// A page of a day's payouts in a region, by announcement number.
pub(crate) async fn of_bank(
    bank: &mut Acting<'_, Bank>,
    (region, day): (&Region, Instant),
    after: &str,
    limit: i64,
) -> sqlx::Result<Vec<Payout>> {
    sqlx::query_as!(
        Payout,
        r#"SELECT o.number AS "number!", o.amount_fen AS "amount_fen!", c.serial AS "serial!", c.branch
           FROM reward_claim c JOIN reward_offer o ON o.id = c.reward_id
           WHERE c.state = 2 AND c.paid_day = $1 AND ($2::text IS NULL OR o.county = $2) AND o.number > $3
           ORDER BY o.number LIMIT $4"#,
        PgInstant(day) as PgInstant,
        county(region),
        after,
        limit
    )
    .fetch_all(bank.conn())
    .await
}

/// What the day's payouts come to, by the claims.
pub(crate) async fn sum_of_bank(bank: &mut Acting<'_, Bank>, region: &Region, day: Instant) -> sqlx::Result<Sum> {
    sqlx::query_as!(
        Sum,
        r#"SELECT count(*) AS "count!", coalesce(sum(o.amount_fen), 0)::bigint AS "fen!"
           FROM reward_claim c JOIN reward_offer o ON o.id = c.reward_id
           WHERE c.state = 2 AND c.paid_day = $1 AND ($2::text IS NULL OR o.county = $2)"#,
        PgInstant(day) as PgInstant,
        county(region)
    )
    .fetch_one(bank.conn())
    .await
}

/// As [`of_bank`], by the announcements: no claim is read.
pub(crate) async fn of_office(
    officer: &mut Acting<'_, Officer>,
    (region, day): (&Region, Instant),
    after: &str,
    limit: i64,
) -> sqlx::Result<Vec<Payout>> {
    sqlx::query_as!(
        Payout,
        r#"SELECT number, amount_fen, '' AS "serial!", '' AS "branch!" FROM reward
           WHERE state = 2 AND settled_day = $1 AND ($2::text IS NULL OR county = $2) AND number > $3
           ORDER BY number LIMIT $4"#,
        PgInstant(day) as PgInstant,
        county(region),
        after,
        limit
    )
    .fetch_all(officer.conn())
    .await
}

/// As [`sum_of_bank`], by the announcements.
pub(crate) async fn sum_of_office(
    officer: &mut Acting<'_, Officer>,
    region: &Region,
    day: Instant,
) -> sqlx::Result<Sum> {
    sqlx::query_as!(
        Sum,
        r#"SELECT count(*) AS "count!", coalesce(sum(amount_fen), 0)::bigint AS "fen!" FROM reward
           WHERE state = 2 AND settled_day = $1 AND ($2::text IS NULL OR county = $2)"#,
        PgInstant(day) as PgInstant,
        county(region)
    )
    .fetch_one(officer.conn())
    .await
}
