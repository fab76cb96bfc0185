//! Lists of suspicions, page by page. Which index leads is decided here and not left to the planner's guess about a filter: what is rare
//! has an index of its own, and everything else is told while a list is read in its order.

use dafei_intake_core::suspicion::{Facts, State, Suspicion};
use dafei_kernel::{
    region::{Level, Region},
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::suspicions::suspicion;

/// Which suspicions to list.
pub(crate) struct Filter<'a> {
    pub(crate) region: &'a Region,
    /// Villages of the region, when it is a work area.
    pub(crate) villages: Vec<String>,
    /// Only these states; all when empty.
    pub(crate) states: Vec<i16>,
    /// States are asked for, and none of them is an end.
    pub(crate) open: bool,
    /// Only these acts; all when empty.
    pub(crate) acts: Vec<String>,
    /// Found from this instant on.
    pub(crate) found_from: Option<Instant>,
    /// Found before this instant.
    pub(crate) found_until: Option<Instant>,
    /// Only enterprises, or only dens.
    pub(crate) enterprises: Option<bool>,
    /// Only this enterprise; all when empty.
    pub(crate) credit_code: String,
    pub(crate) skewed: Option<bool>,
    pub(crate) suspected_crime: Option<bool>,
    /// The last of the page before, by what the list is in the order of.
    pub(crate) before: Option<(Instant, Uuid)>,
    pub(crate) limit: i64,
}

impl Filter<'_> {
    /// Whether the list is in the order of the findings: where a time of finding is asked for.
    pub(crate) const fn by_finding(&self) -> bool {
        self.found_from.is_some() || self.found_until.is_some()
    }

    /// Whether the region's own index leads whatever else is asked: a village has few.
    const fn is_small(&self) -> bool {
        matches!(self.region.level(), Level::Village | Level::WorkArea)
    }

    /// The code of a county or a township; empty for the city.
    fn scope(&self) -> &str {
        if self.region.level() == Level::City { "" } else { self.region.code().as_str() }
    }

    /// Behind which row the page begins. The first one by finding begins at the range's own end: from the newest row on, an index would be
    /// read down to it.
    fn start(&self) -> (Instant, Uuid) {
        let first = self.found_until.map_or((Instant::MAX, Uuid::max()), |until| (until, Uuid::nil()));
        self.before.unwrap_or(if self.by_finding() { first } else { (Instant::MAX, Uuid::max()) })
    }

    /// The only act that is asked for, where an act is rarer than a region.
    fn rare_act(&self) -> Option<&str> {
        let wide = matches!(self.region.level(), Level::City | Level::County);
        if let ([act], true) = (self.acts.as_slice(), wide) { Some(act) } else { None }
    }
}

/// A query in the order of `$order`. What is not in its index is told row by row.
macro_rules! page {
    ($conn:expr, $filter:expr, $order:literal, $where:literal $(, $argument:expr)*) => {{
        let (at, id) = $filter.start();
        let rows = sqlx::query!(
            r#"SELECT facts AS "facts: Json<Facts>", body AS "body: Json<State>", suspected_crime, last_step, version
               FROM suspicion
               WHERE ($1::smallint[] = '{}' OR state = ANY($1)) AND ($2::text[] = '{}' OR act = ANY($2))
                 AND ($3::timestamptz IS NULL OR found_at >= $3) AND ($4::timestamptz IS NULL OR found_at < $4)
                 AND ($5::boolean IS NULL OR (credit_code IS NOT NULL) = $5) AND ($6 = '' OR credit_code = $6)
                 AND ($7::boolean IS NULL OR skewed = $7) AND ($8::boolean IS NULL OR suspected_crime = $8)
                 AND "# + $where + " AND (" + $order + ", id) < ($9, $10) ORDER BY " + $order + " DESC, id DESC LIMIT $11",
            &$filter.states,
            &$filter.acts,
            $filter.found_from.map(PgInstant) as Option<PgInstant>,
            $filter.found_until.map(PgInstant) as Option<PgInstant>,
            $filter.enterprises,
            &$filter.credit_code,
            $filter.skewed,
            $filter.suspected_crime,
            PgInstant(at) as PgInstant,
            id,
            $filter.limit
            $(, $argument)*
        )
        .fetch_all($conn)
        .await?;
        Ok(rows.into_iter().map(|row| suspicion!(row)).collect())
    }};
}

/// The page of an order, led by the region's own index.
macro_rules! by_region {
    ($conn:expr, $filter:expr, $order:literal) => {{
        let code = $filter.region.code().as_str();
        match $filter.region.level() {
            Level::City => page!($conn, $filter, $order, "TRUE"),
            Level::County => page!($conn, $filter, $order, "county = $12", code),
            Level::Township => page!($conn, $filter, $order, "township = $12", code),
            Level::Village => page!($conn, $filter, $order, "village = $12", code),
            Level::WorkArea => page!($conn, $filter, $order, "village = ANY($12)", &$filter.villages),
        }
    }};
}

/// The page of what is rare everywhere, led by its own index.
macro_rules! of_rare {
    ($conn:expr, $filter:expr, $where:literal) => {
        page!($conn, $filter, "recorded_at", $where, $filter.scope())
    };
}

/// The page of an order, led by the enterprise's index.
macro_rules! by_enterprise {
    ($conn:expr, $filter:expr, $order:literal) => {
        page!(
            $conn,
            $filter,
            $order,
            "credit_code = $12 AND ($13 = '' OR county = $13 OR township = $13)",
            $filter.credit_code.as_str(),
            $filter.scope()
        )
    };
}

/// A page of suspicions: the newest reports first, or the newest findings where a time of finding is asked for.
pub(crate) async fn list(conn: &mut PgConnection, filter: &Filter<'_>) -> sqlx::Result<Vec<Suspicion>> {
    let wide = !filter.is_small();
    let of_enterprise = wide && !filter.credit_code.is_empty();
    match (filter.by_finding(), filter.rare_act()) {
        (true, _) if of_enterprise => by_enterprise!(conn, filter, "found_at"),
        (true, _) => by_region!(conn, filter, "found_at"),
        (false, _) if of_enterprise => by_enterprise!(conn, filter, "recorded_at"),
        (false, _) if wide && filter.skewed == Some(true) => {
            of_rare!(conn, filter, "skewed AND ($12 = '' OR county = $12 OR township = $12)")
        }
        (false, _) if wide && filter.suspected_crime == Some(true) => {
            of_rare!(conn, filter, "suspected_crime AND ($12 = '' OR county = $12 OR township = $12)")
        }
        (false, _) if wide && filter.open => {
            of_rare!(conn, filter, "NOT ended AND ($12 = '' OR county = $12 OR township = $12)")
        }
        (false, Some(act)) => {
            page!(conn, filter, "recorded_at", "act = $12 AND ($13 = '' OR county = $13)", act, filter.scope())
        }
        (false, None) => by_region!(conn, filter, "recorded_at"),
    }
}
