//! What the bank sees and writes: offers, the hashes of codes, reservations and payouts, refusals.

use std::collections::HashMap;

use dafei_intake_core::reward::claim::{Claim, Ended, Event, Reservation, Standing};
use dafei_kernel::{
    region::{Level, Region},
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    rewards::state,
    roles::{Acting, Auditor, Bank},
};

/// States of a reservation as kept.
mod kept {
    pub(super) const RESERVED: i16 = 1;
    pub(super) const PAID: i16 = 2;
    pub(super) const CANCELLED: i16 = 3;
    pub(super) const LAPSED: i16 = 4;
}

/// An announcement as the bank sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) id: Uuid,
    pub(crate) number: String,
    /// The county, or the city where there is none: where it is paid.
    pub(crate) region: Region,
    pub(crate) amount_fen: i64,
    /// Code of the bank that pays.
    pub(crate) bank: String,
    /// Codes of its branches.
    pub(crate) branches: Vec<String>,
    pub(crate) salt: [u8; 16],
    pub(crate) code_hash: Vec<u8>,
}

fn paying(city: &str, county: Option<&str>) -> sqlx::Result<Region> {
    let (level, code) = county.map_or((Level::City, city), |county| (Level::County, county));
    Region::new(level, code).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// An offer by its public number.
pub(crate) async fn offer(bank: &mut Acting<'_, Bank>, number: &str) -> sqlx::Result<Option<Offer>> {
    let row = sqlx::query!(
        r#"SELECT o.id AS "id!", o.number AS "number!", o.city AS "city!", o.county, o.amount_fen AS "amount_fen!",
                  o.bank AS "bank!", o.branch_codes AS "branches!", c.salt, c.code_hash
           FROM reward_offer o JOIN reward_code c ON c.reward_id = o.id WHERE o.number = $1"#,
        number
    )
    .fetch_optional(bank.conn())
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Offer {
        id: row.id,
        number: row.number,
        region: paying(&row.city, row.county.as_deref())?,
        amount_fen: row.amount_fen,
        bank: row.bank,
        branches: row.branches,
        salt: row.salt.try_into().map_err(|_| sqlx::Error::Decode("a salt has 16 bytes".into()))?,
        code_hash: row.code_hash,
    }))
}

/// Which announcement a reservation is of.
pub(crate) async fn reward_of(bank: &mut Acting<'_, Bank>, reservation: Uuid) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar!("SELECT reward_id FROM reward_claim WHERE id = $1", reservation)
        .fetch_optional(bank.conn())
        .await
}

/// When a reservation runs out; none once it has ended.
pub(crate) async fn until(bank: &mut Acting<'_, Bank>, reservation: Uuid) -> sqlx::Result<Option<Instant>> {
    let until =
        sqlx::query_scalar!(r#"SELECT until AS "until: PgInstant" FROM reward_claim WHERE id = $1"#, reservation)
            .fetch_optional(bank.conn())
            .await?;
    Ok(until.flatten().map(Instant::from))
}

/// A claim as it stands, with what is paid and under which number.
pub(crate) struct Held {
    pub(crate) claim: Claim,
    pub(crate) number: String,
    pub(crate) amount_fen: i64,
    /// Code of the bank that pays now.
    pub(crate) bank: String,
    /// Day of the payment, its first instant.
    pub(crate) paid_day: Option<Instant>,
}

/// The claims of announcements whose heads are locked: who holds each, and what became of one reservation.
pub(crate) async fn load(
    bank: &mut Acting<'_, Bank>,
    rewards: &[Uuid],
    of: Option<Uuid>,
) -> sqlx::Result<HashMap<Uuid, Held>> {
    let offers = sqlx::query!(
        r#"SELECT id AS "id!", number AS "number!", amount_fen AS "amount_fen!", state AS "state!", bank AS "bank!",
                  claim_until AS "claim_until!: PgInstant"
           FROM reward_offer WHERE id = ANY($1)"#,
        rewards
    )
    .fetch_all(bank.conn())
    .await?;
    let rows = sqlx::query!(
        r#"SELECT id, reward_id, state, teller, branch, until AS "until: PgInstant", serial,
                  paid_day AS "paid_day: PgInstant"
           FROM reward_claim WHERE reward_id = ANY($1) AND (state IN (1, 2) OR id = $2)"#,
        rewards,
        of
    )
    .fetch_all(bank.conn())
    .await?;
    let held = |state, until| {
        let mut claim = Claim::new(until);
        claim.withdrawn = state == state::WITHDRAWN;
        if state == state::EXPIRED {
            claim.standing = Standing::Expired;
        }
        claim
    };
    let mut all: HashMap<Uuid, Held> = offers
        .into_iter()
        .map(|row| {
            let claim = held(row.state, row.claim_until.0);
            (row.id, Held { claim, number: row.number, amount_fen: row.amount_fen, bank: row.bank, paid_day: None })
        })
        .collect();
    for row in rows {
        let Some(held) = all.get_mut(&row.reward_id) else { continue };
        let (id, teller) = (row.id, row.teller);
        match (row.state, row.until, row.serial) {
            (kept::RESERVED, Some(until), _) => {
                let reservation = Reservation { id, teller, branch: row.branch, until: until.0 };
                held.claim.standing = Standing::Reserved(reservation);
            }
            (kept::PAID, _, Some(serial)) => {
                held.paid_day = row.paid_day.map(Instant::from);
                held.claim.standing = Standing::Paid { reservation: id, teller, serial };
            }
            (state, ..) => {
                let ended = if state == kept::CANCELLED { Ended::Cancelled } else { Ended::Lapsed };
                held.claim.past.insert(id, (ended, teller));
            }
        }
    }
    Ok(all)
}

/// What an event of a claim writes beside itself.
pub(crate) struct Written<'a> {
    pub(crate) reward: Uuid,
    /// Code of the bank that pays.
    pub(crate) bank: &'a str,
    /// First instant of the day.
    pub(crate) day: Instant,
    /// Why a reservation was given up.
    pub(crate) reason: Option<i16>,
}

/// Writes an event of a claim; what it does to the announcement is the service's own to write.
pub(crate) async fn write(bank: &mut Acting<'_, Bank>, event: &Event, with: &Written<'_>) -> sqlx::Result<()> {
    match event {
        Event::Reserved(new) => reserve(bank, new, with).await,
        Event::Lapsed { id, .. } => lapse(bank, &[*id]).await,
        Event::Cancelled { id, .. } => {
            sqlx::query!(
                "UPDATE reward_claim SET state = $2, until = NULL, reason = $3 WHERE id = $1",
                id,
                kept::CANCELLED,
                with.reason
            )
            .execute(bank.conn())
            .await?;
            Ok(())
        }
        Event::Paid { id, serial, .. } => {
            sqlx::query!(
                "UPDATE reward_claim SET state = $2, until = NULL, serial = $3, paid_day = $4, bank = $5 WHERE id = $1",
                id,
                kept::PAID,
                serial,
                PgInstant(with.day) as PgInstant,
                with.bank
            )
            .execute(bank.conn())
            .await?;
            Ok(())
        }
        Event::Withdrawn | Event::Expired => Ok(()),
    }
}

async fn reserve(bank: &mut Acting<'_, Bank>, new: &Reservation, with: &Written<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO reward_claim (id, reward_id, state, teller, branch, bank, until) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        new.id,
        with.reward,
        kept::RESERVED,
        new.teller,
        new.branch,
        with.bank,
        PgInstant(new.until) as PgInstant
    )
    .execute(bank.conn())
    .await?;
    Ok(())
}

/// Ends reservations that ran out.
pub(crate) async fn lapse(bank: &mut Acting<'_, Bank>, ids: &[Uuid]) -> sqlx::Result<()> {
    sqlx::query!("UPDATE reward_claim SET state = $2, until = NULL WHERE id = ANY($1)", ids, kept::LAPSED)
        .execute(bank.conn())
        .await?;
    Ok(())
}

/// When the next reservation runs out.
pub(crate) async fn next_lapse(conn: &mut PgConnection) -> sqlx::Result<Option<Instant>> {
    let next = sqlx::query_scalar!(r#"SELECT min(until) AS "next: PgInstant" FROM reward_claim WHERE state = 1"#)
        .fetch_one(conn)
        .await?;
    Ok(next.map(Instant::from))
}

/// Announcements with a reservation that has run out, the oldest first.
pub(crate) async fn lapsed(conn: &mut PgConnection, now: Instant, limit: i64) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "SELECT reward_id FROM reward_claim WHERE state = 1 AND until <= $1 ORDER BY until LIMIT $2",
        PgInstant(now) as PgInstant,
        limit
    )
    .fetch_all(conn)
    .await
}

/// A refused claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) refusal: String,
    pub(crate) at_hour: Instant,
    pub(crate) number: String,
    pub(crate) cause: i16,
    pub(crate) teller: String,
    pub(crate) branch: String,
}

/// Records a refusal; the bank cannot read it again.
pub(crate) async fn refuse(bank: &mut Acting<'_, Bank>, attempt: &Attempt) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO claim_attempt (refusal, at_hour, number, cause, teller, branch) VALUES ($1, $2, $3, $4, $5, $6)",
        attempt.refusal,
        PgInstant(attempt.at_hour) as PgInstant,
        attempt.number,
        attempt.cause,
        attempt.teller,
        attempt.branch
    )
    .execute(bank.conn())
    .await?;
    Ok(())
}

/// A page of the refusals from one instant to another, after the last of the page before.
pub(crate) async fn refusals(
    auditor: &mut Acting<'_, Auditor>,
    (from, to): (Instant, Instant),
    after: (Instant, &str),
    limit: i64,
) -> sqlx::Result<Vec<Attempt>> {
    let rows = sqlx::query!(
        r#"SELECT refusal, at_hour AS "at_hour: PgInstant", number, cause, teller, branch FROM claim_attempt
           WHERE at_hour >= $1 AND at_hour < $2 AND (at_hour, refusal) > ($3, $4) ORDER BY at_hour, refusal LIMIT $5"#,
        PgInstant(from) as PgInstant,
        PgInstant(to) as PgInstant,
        PgInstant(after.0) as PgInstant,
        after.1,
        limit
    )
    .fetch_all(auditor.conn())
    .await?;
    let attempts = rows.into_iter().map(|row| Attempt {
        refusal: row.refusal,
        at_hour: row.at_hour.0,
        number: row.number,
        cause: row.cause,
        teller: row.teller,
        branch: row.branch,
    });
    Ok(attempts.collect())
}
