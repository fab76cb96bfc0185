//! The routing table and the townships' authority in force, as this process sees them.
//!
//! The database has them. Every transaction asks for the serial of the last replacement and reads the texts anew when it has moved on, so
//! all replicas decide by a replaced table from the commit of its replacement on, and none by an older one afterwards.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Context as _;
use dafei_dispatch_core::{
    authority::{Authority, CountyAuthority},
    problem::Problems,
    routing::{CountyTable, Table},
};
use dafei_kernel::{region::Region, time::Instant};
use dafei_messaging::tx;
use sqlx::{PgConnection, PgPool};
use tokio::sync::watch;

use crate::store::routing::{self, Kind, Stored};

/// A text in force that this release cannot read, or the files that the service was started with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RulesError {
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    #[error("{kind} {version}: {problems}")]
    Text { kind: &'static str, version: String, problems: Problems },
    #[error("no text of the kind {0} is in force")]
    Missing(&'static str),
}

/// What cases are decided by: one state for a whole transaction.
#[derive(Debug)]
pub struct Rules {
    /// The routing table, with the counties' own.
    pub routing: Table,
    /// The townships' authority, with the counties' own.
    pub authority: Authority,
    own_tables: BTreeMap<Region, CountyTable>,
    serial: i64,
}

impl Rules {
    async fn read(conn: &mut PgConnection) -> Result<Self, RulesError> {
        let serial = routing::serial(conn).await?;
        let (city, own) = parsed(conn, Kind::Routing, Table::read, CountyTable::parse).await?;
        let (authority, own_authorities) =
            parsed(conn, Kind::Authority, Authority::parse, CountyAuthority::parse).await?;
        let routing = with_tables(city, &own);
        let authority = with_authorities(authority, &own_authorities);
        Ok(Self { routing, authority, own_tables: own, serial })
    }

    /// The table as it would be with this city's table in place.
    pub(crate) fn with_city_table(&self, city: Table) -> Table {
        with_tables(city, &self.own_tables)
    }
}

fn with_tables(city: Table, own: &BTreeMap<Region, CountyTable>) -> Table {
    own.iter().fold(city, |table, (county, own)| table.with_county(county, own.clone()))
}

fn with_authorities(city: Authority, own: &BTreeMap<Region, CountyAuthority>) -> Authority {
    own.iter().fold(city, |authority, (county, own)| authority.with_county(county, own.clone()))
}

/// The texts of a kind in force: the city's, and the counties' own.
async fn parsed<C, O>(
    conn: &mut PgConnection,
    kind: Kind,
    city: impl Fn(&str) -> Result<C, Problems>,
    own: impl Fn(&str) -> Result<O, Problems>,
) -> Result<(C, BTreeMap<Region, O>), RulesError> {
    let (mut whole, mut counties) = (None, BTreeMap::new());
    for Stored { county, version, text, .. } in routing::in_force(conn, kind).await? {
        let wrong = |problems| RulesError::Text { kind: kind.code(), version: version.clone(), problems };
        match county {
            None => whole = Some(city(&text).map_err(wrong)?),
            Some(county) => {
                counties.insert(county, own(&text).map_err(wrong)?);
            }
        }
    }
    Ok((whole.ok_or(RulesError::Missing(kind.code()))?, counties))
}

/// The rules in force; shared by all of the service.
#[derive(Debug)]
pub struct RulesView(watch::Sender<Arc<Rules>>);

impl RulesView {
    /// Opens the service's rules. The texts of the files are put in force when their versions were never in force before: then they are
    /// newer than what the database has. Otherwise the database's hold.
    ///
    /// # Errors
    /// When a text fails a check, when a file bears the version of a text that it is not, or when PostgreSQL is away.
    pub async fn open(pool: &PgPool, table: &str, authority: &str, now: Instant) -> anyhow::Result<Self> {
        let table_version = Table::parse(table).context("routing table")?.version().to_owned();
        let authority_version = Authority::parse(authority).context("authority of the townships")?.version().to_owned();
        let mut tx = tx::begin_write(pool).await?;
        routing::lock(&mut tx).await?;
        take(&mut tx, Kind::Routing, table, table_version, now).await?;
        take(&mut tx, Kind::Authority, authority, authority_version, now).await?;
        let rules = Rules::read(&mut tx).await?;
        Problems::none_of(rules.routing.check(), ()).context("routing table with the counties' own")?;
        tx.commit().await?;
        Ok(Self(watch::Sender::new(Arc::new(rules))))
    }

    /// The rules in force for a transaction, or for a reading, on this connection.
    ///
    /// # Errors
    /// When PostgreSQL is away. A text that this release cannot read, which a newer one has put in force, leaves the rules as they are, and
    /// is logged.
    pub async fn refresh(&self, conn: &mut PgConnection) -> sqlx::Result<Arc<Rules>> {
        let known = Arc::clone(&self.0.borrow());
        if routing::serial(conn).await? <= known.serial {
            return Ok(known);
        }
        let newer = match Rules::read(conn).await {
            Ok(newer) => Arc::new(newer),
            Err(RulesError::Sql(error)) => return Err(error),
            Err(error) => {
                tracing::error!(%error, "the rules in force cannot be read, those before them are used");
                return Ok(known);
            }
        };
        self.0.send_if_modified(|current| {
            let moved = newer.serial > current.serial;
            if moved {
                *current = Arc::clone(&newer);
            }
            moved
        });
        Ok(newer)
    }
}

/// Puts a file's text in force, if its version never was.
async fn take(conn: &mut PgConnection, kind: Kind, text: &str, version: String, now: Instant) -> anyhow::Result<()> {
    match routing::find(conn, kind, None, Some(&version)).await? {
        Some(known) if known.text == text => return Ok(()),
        Some(_) => anyhow::bail!(
            "the file of the {} bears the version {version} of another text that was in force: give it a new one",
            kind.code()
        ),
        None => {}
    }
    let revision = routing::find(conn, kind, None, None).await?.map_or(1, |current| current.revision + 1);
    let new = Stored { county: None, revision, version, text: text.to_owned(), since: now, by: None };
    routing::append(conn, kind, &new).await?;
    Ok(())
}
