//! The rules and the calendar in force, as this process sees them.
//!
//! The database has them. Whoever computes deadlines asks for the serials of the last texts and reads anew when they have moved on: facts are
//! taken under the lock under which texts are replaced, so no replica computes by an older text after a replacement's commit.

mod replace;

use std::{collections::BTreeMap, sync::Arc};

use dafei_kernel::{
    region::{Level, Region, RegionPath},
    time::{Instant, civil_date},
    workdays::Calendar,
};
use dafei_messaging::tx;
use dafei_sla_core::{CountyRules, Rules, Terms, calendar, quiet::Quiet, rules::Problems, terms::Version};
use sqlx::{PgConnection, PgPool};
use tokio::sync::watch;

pub(crate) use replace::{Draft, Replacement, TOLD, check, refused, replace};

use crate::store::{calendars, facts, texts};

/// Texts that this release cannot read.
#[derive(Debug, thiserror::Error)]
pub enum TermsError {
    /// PostgreSQL refused or is away.
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    /// A text of the rules.
    #[error("rules {version}: {problems}")]
    Rules {
        /// Its version.
        version: String,
        /// What is wrong.
        problems: Problems,
    },
    /// A calendar.
    #[error("calendar {version}: {source}")]
    Calendar {
        /// Its version.
        version: String,
        /// What is wrong.
        source: dafei_kernel::workdays::CalendarError,
    },
    /// Nothing is in force.
    #[error("no {0} is in force")]
    Missing(&'static str),
    /// What is shipped bears the label of another text.
    #[error("the shipped {0} bears the version {1} of another text that was in force")]
    Label(&'static str, String),
}

/// What obligations follow from, beside the facts: one state for a whole transaction.
#[derive(Debug)]
pub struct InForce {
    /// The clocks, of all times and counties.
    pub rules: Terms,
    /// The working days.
    pub calendar: Calendar,
    /// Serials of the last texts of both.
    serials: (i64, i64),
}

impl InForce {
    /// The hours in which people are not to be disturbed now, where a region path leads.
    pub(crate) fn quiet(&self, region_path: &str, now: Instant) -> Quiet {
        let path = region_path.parse::<RegionPath>().ok();
        self.rules.at(path.as_ref().and_then(|path| path.at(Level::County)), now).quiet()
    }
}

/// The rules and the calendar in force; shared by all of the service.
#[derive(Debug, Clone)]
pub struct TermsView(Arc<watch::Sender<Arc<InForce>>>);

impl TermsView {
    /// Opens the service's rules and calendar. Those that are shipped are the first; later ones that come with a new release are taken as
    /// long as no office has replaced them, the calendar where it may follow the one in force.
    ///
    /// # Errors
    /// When a text in force cannot be read, when a shipped one bears the label of another, or when PostgreSQL is away.
    pub async fn open(pool: &PgPool, now: Instant) -> Result<Self, TermsError> {
        Self::open_with(pool, now, Rules::builtin_text(), Calendar::builtin_text()).await
    }

    /// As [`TermsView::open`], with other texts in the place of those that are shipped.
    ///
    /// # Errors
    /// As there, and when one of these texts cannot be read.
    pub async fn open_with(pool: &PgPool, now: Instant, rules: &str, calendar: &str) -> Result<Self, TermsError> {
        let mut tx = tx::begin_write(pool).await?;
        facts::lock(&mut tx).await?;
        take_rules(&mut tx, rules, now).await?;
        take_calendar(&mut tx, calendar, now).await?;
        let in_force = read(&mut tx).await?;
        tx.commit().await?;
        Ok(Self(Arc::new(watch::Sender::new(Arc::new(in_force)))))
    }

    /// What is in force for a transaction, or for a reading, on this connection.
    ///
    /// # Errors
    /// When PostgreSQL is away. A text that this release cannot read, which a newer one has put in force, leaves all as it is, and is logged.
    pub async fn refresh(&self, conn: &mut PgConnection) -> sqlx::Result<Arc<InForce>> {
        let known = self.current();
        if texts::serials(conn).await? == known.serials {
            return Ok(known);
        }
        let newer = match read(conn).await {
            Ok(newer) => Arc::new(newer),
            Err(TermsError::Sql(error)) => return Err(error),
            Err(error) => {
                tracing::error!(%error, "what is in force cannot be read, what was before is used");
                return Ok(known);
            }
        };
        self.0.send_if_modified(|current| {
            let moved = newer.serials.0 >= current.serials.0 && newer.serials.1 >= current.serials.1;
            if moved {
                *current = Arc::clone(&newer);
            }
            moved
        });
        Ok(newer)
    }

    /// What was in force when it was last looked.
    #[must_use]
    pub fn current(&self) -> Arc<InForce> {
        Arc::clone(&self.0.borrow())
    }
}

async fn read(conn: &mut PgConnection) -> Result<InForce, TermsError> {
    let serials = texts::serials(conn).await?;
    let (mut city, mut counties) = (Vec::new(), BTreeMap::<Region, Vec<_>>::new());
    for stored in texts::all(conn).await? {
        let (revision, from) = (stored.revision, stored.from);
        let wrong = |problems| TermsError::Rules { version: stored.version.clone(), problems };
        match stored.county {
            None => city.push(Version { revision, from, rules: Rules::parse(&stored.text).map_err(wrong)? }),
            Some(county) => {
                let rules = CountyRules::parse(&stored.text).map_err(wrong)?;
                counties.entry(county).or_default().push(Version { revision, from, rules });
            }
        }
    }
    let stored = calendars::find(conn, None).await?.ok_or(TermsError::Missing("calendar"))?;
    let calendar =
        Calendar::parse(&stored.text).map_err(|source| TermsError::Calendar { version: stored.version, source })?;
    let rules = Terms::new(city, counties).ok_or(TermsError::Missing("rules"))?;
    Ok(InForce { rules, calendar, serials })
}

async fn take_rules(conn: &mut PgConnection, text: &str, now: Instant) -> Result<(), TermsError> {
    let shipped =
        Rules::parse(text).map_err(|problems| TermsError::Rules { version: "shipped".to_owned(), problems })?;
    let version = shipped.version().to_owned();
    if let Some(known) = texts::of_version(conn, None, &version).await? {
        return if known.text == text { Ok(()) } else { Err(TermsError::Label("rules", version)) };
    }
    let newest = texts::at(conn, None, Instant::MAX).await?;
    if newest.as_ref().is_some_and(|newest| newest.by.is_some()) {
        tracing::info!(%version, "the shipped rules are newer, those of the office stay in force");
        return Ok(());
    }
    let revision = newest.map_or(1, |newest| newest.revision + 1);
    let new = texts::Stored { county: None, revision, version, text: text.to_owned(), from: now, kept: now, by: None };
    Ok(texts::append(conn, &new).await?)
}

async fn take_calendar(conn: &mut PgConnection, text: &str, now: Instant) -> Result<(), TermsError> {
    let shipped =
        Calendar::parse(text).map_err(|source| TermsError::Calendar { version: "shipped".to_owned(), source })?;
    let version = shipped.version().to_owned();
    if let Some(known) = calendars::find(conn, Some(&version)).await? {
        return if known.text == text { Ok(()) } else { Err(TermsError::Label("calendar", version)) };
    }
    let in_force = calendars::find(conn, None).await?;
    if let Some(in_force) = &in_force {
        let before = Calendar::parse(&in_force.text)
            .map_err(|source| TermsError::Calendar { version: in_force.version.clone(), source })?;
        if let Err(problems) = calendar::read(text, &before, civil_date(now)) {
            let fault = problems.first().map_or("", |problem| problem.detail.as_str());
            tracing::warn!(
                %version,
                in_force = %in_force.version,
                fault,
                "the shipped calendar may not follow the one in force, which stays"
            );
            return Ok(());
        }
    }
    let revision = in_force.as_ref().map_or(1, |in_force| in_force.revision + 1);
    let (text, moving) = (text.to_owned(), in_force.is_some());
    let new = calendars::Stored { revision, version, text, loaded: now, by: None, moving, moved: 0 };
    calendars::append(conn, &new).await?;
    if moving {
        calendars::begin_moving(conn, revision, now).await?;
    }
    Ok(())
}
