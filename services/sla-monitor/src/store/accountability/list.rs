//! Pages of entries, newest first, and counts by person.

use dafei_kernel::{
    owner::Post,
    region::{Level, Region},
    roster::RosterIndex,
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use dafei_sla_core::accountability::Entry;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

/// Which of its columns a page is led by: the most selective one that was asked for.
pub(crate) enum Lead {
    /// Entries that charge a post.
    Post(String),
    /// Entries that charge a person.
    Person(String),
    /// Entries that wait for an office.
    Awaits(String),
    /// Entries of a region.
    City(String),
    County(String),
    Township(String),
    /// Of villages and work areas.
    Places(Vec<String>),
}

impl Lead {
    /// The entries of a region; of a work area its own and those of its villages.
    pub(crate) fn region(region: &Region, roster: &RosterIndex) -> Self {
        let code = region.code().to_string();
        match region.level() {
            Level::City => Self::City(code),
            Level::County => Self::County(code),
            Level::Township => Self::Township(code),
            Level::Village => Self::Places(vec![code]),
            Level::WorkArea => {
                let villages = roster.of_level(Level::Village);
                let own = villages.filter(|village| village.work_area.as_ref() == Some(region));
                Self::Places(
                    std::iter::once(code).chain(own.map(|village| village.region.code().to_string())).collect(),
                )
            }
        }
    }
}

/// What is asked for beside.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Within these codes of regions; anywhere when empty.
    pub(crate) within: Vec<String>,
    pub(crate) person: String,
    pub(crate) state: String,
    pub(crate) source: String,
    /// From this instant, before that one.
    pub(crate) opened: (Instant, Instant),
    /// Opening and id of the last one seen.
    pub(crate) after: (Instant, Uuid),
    pub(crate) limit: i64,
}

macro_rules! page {
    ($lead:literal, $conn:expr, $asked:expr, $value:expr) => {
        sqlx::query_scalar!(
            r#"SELECT body AS "body: Json<Entry>" FROM accountability_entry
               WHERE "#
                + $lead
                + r#" AND (opened_at, id) < ($2, $3)
                 AND ($4 = '' OR state = $4) AND ($5 = '' OR source = $5) AND opened_at >= $6 AND opened_at < $7
                 AND ($8::text[] = '{}' OR ARRAY[city, county, township, place] && $8)
                 AND ($9 = '' OR id IN (SELECT entry_id FROM accountability_person WHERE person = $9))
               ORDER BY opened_at DESC, id DESC LIMIT $10"#,
            $value,
            PgInstant($asked.after.0) as PgInstant,
            $asked.after.1,
            $asked.state,
            $asked.source,
            PgInstant($asked.opened.0) as PgInstant,
            PgInstant($asked.opened.1) as PgInstant,
            &$asked.within,
            $asked.person,
            $asked.limit
        )
        .fetch_all($conn)
        .await?
    };
}

/// A page of entries.
pub(crate) async fn page(conn: &mut PgConnection, lead: &Lead, asked: &Asked) -> sqlx::Result<Vec<Entry>> {
    let bodies: Vec<Json<Entry>> = match lead {
        Lead::Post(post) => {
            page!(
                "id IN (SELECT entry_id FROM accountability_person WHERE post = $1 AND post <> '')",
                conn,
                asked,
                post
            )
        }
        Lead::Person(name) => {
            page!(
                "id IN (SELECT entry_id FROM accountability_person WHERE person = $1 AND person <> '')",
                conn,
                asked,
                name
            )
        }
        Lead::Awaits(post) => page!("awaits = $1 AND awaits <> ''", conn, asked, post),
        Lead::City(code) => page!("city = $1", conn, asked, code),
        Lead::County(code) => page!("county = $1 AND county <> ''", conn, asked, code),
        Lead::Township(code) => page!("township = $1 AND township <> ''", conn, asked, code),
        Lead::Places(codes) => page!("place = ANY($1) AND place <> ''", conn, asked, codes),
    };
    Ok(bodies.into_iter().map(|body| body.0).collect())
}

/// How often persons of a post had an outcome: person, outcome, entries.
pub(crate) async fn counts(
    conn: &mut PgConnection,
    post: &Post,
    person: &str,
) -> sqlx::Result<Vec<(String, String, i64)>> {
    let rows = sqlx::query!(
        r#"SELECT person, outcome, count(*) AS "entries!" FROM accountability_person
           WHERE post = $1 AND post <> '' AND ($2 = '' OR person = $2)
           GROUP BY person, outcome ORDER BY person, outcome"#,
        post.to_string(),
        person
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.person, row.outcome, row.entries)).collect())
}
