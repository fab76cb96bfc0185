//! Inspections: written by batch, listed by region, agency, sector and enterprise.

use dafei_kernel::{
    agency::Agency,
    inspection::ActFound,
    measure::Measure,
    owner::Post,
    region::{Level, Region, RegionPath},
    sector::Sector,
    subject::Subject,
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::OfRegion;

/// An inspection as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inspection {
    pub(crate) id: Uuid,
    pub(crate) region: Region,
    pub(crate) by: Post,
    pub(crate) subject: Subject,
    pub(crate) sector: Sector,
    pub(crate) enforcement: bool,
    pub(crate) outside_scope: bool,
    pub(crate) inspected_at: Instant,
    pub(crate) received_at: Instant,
    pub(crate) situation: String,
    pub(crate) acts: Vec<ActFound>,
    pub(crate) measures: Vec<Measure>,
    pub(crate) evidence: Vec<Uuid>,
}

/// Columns of a batch, for UNNEST.
#[derive(Default)]
struct Columns<'a> {
    ids: Vec<Uuid>,
    /// County, township and village.
    places: [Vec<&'a str>; 3],
    /// Role, level, code and agency of the inspector.
    by: [Vec<&'a str>; 4],
    credit_codes: Vec<Option<String>>,
    subjects: Vec<Json<&'a Subject>>,
    sectors: Vec<&'a str>,
    enforcement: Vec<bool>,
    outside_scope: Vec<bool>,
    inspected_at: Vec<PgInstant>,
    received_at: Vec<PgInstant>,
    situations: Vec<&'a str>,
    acts: Vec<Json<&'a [ActFound]>>,
    measures: Vec<Json<&'a [Measure]>>,
    evidence: Vec<Json<&'a [Uuid]>>,
}

impl<'a> Columns<'a> {
    fn of(rows: &[&'a (Inspection, RegionPath)]) -> Self {
        let mut columns = Self::default();
        for (row, path) in rows {
            columns.ids.push(row.id);
            for (column, level) in columns.places.iter_mut().zip([Level::County, Level::Township, Level::Village]) {
                column.push(path.at(level).map_or("", |region| region.code().as_str()));
            }
            let (region, agency) = (&row.by.region, row.by.agency.map_or("", Agency::code));
            let by = [row.by.role.code(), region.level().code(), region.code().as_str(), agency];
            for (column, value) in columns.by.iter_mut().zip(by) {
                column.push(value);
            }
            columns.credit_codes.push(match &row.subject {
                Subject::Enterprise { credit_code, .. } => Some(credit_code.to_string()),
                Subject::Den { .. } => None,
            });
            columns.subjects.push(Json(&row.subject));
            columns.sectors.push(row.sector.code());
            columns.enforcement.push(row.enforcement);
            columns.outside_scope.push(row.outside_scope);
            columns.inspected_at.push(PgInstant(row.inspected_at));
            columns.received_at.push(PgInstant(row.received_at));
            columns.situations.push(&row.situation);
            columns.acts.push(Json(&row.acts));
            columns.measures.push(Json(&row.measures));
            columns.evidence.push(Json(&row.evidence));
        }
        columns
    }
}

/// Writes inspections; each path is that of its region. Answers the ids of those that were not there yet: the others stay as they are.
pub(crate) async fn insert(conn: &mut PgConnection, rows: &[&(Inspection, RegionPath)]) -> sqlx::Result<Vec<Uuid>> {
    let columns = Columns::of(rows);
    let ([counties, townships, villages], [roles, levels, codes, agencies]) = (&columns.places, &columns.by);
    sqlx::query_scalar!(
        "INSERT INTO inspection (id, county, township, village, by_role, by_level, by_code, agency, credit_code, subject, sector,
                                 enforcement, outside_scope, inspected_at, received_at, situation, acts, measures, evidence)
         SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                              $10::jsonb[], $11::text[], $12::bool[], $13::bool[], $14::timestamptz[], $15::timestamptz[],
                              $16::text[], $17::jsonb[], $18::jsonb[], $19::jsonb[])
         ON CONFLICT (id) DO NOTHING RETURNING id",
        &columns.ids,
        counties as &[&str],
        townships as &[&str],
        villages as &[&str],
        roles as &[&str],
        levels as &[&str],
        codes as &[&str],
        agencies as &[&str],
        &columns.credit_codes as &[Option<String>],
        &columns.subjects as &[Json<&Subject>],
        &columns.sectors as &[&str],
        &columns.enforcement,
        &columns.outside_scope,
        &columns.inspected_at as &[PgInstant],
        &columns.received_at as &[PgInstant],
        &columns.situations as &[&str],
        &columns.acts as &[Json<&[ActFound]>],
        &columns.measures as &[Json<&[Measure]>],
        &columns.evidence as &[Json<&[Uuid]>]
    )
    .fetch_all(conn)
    .await
}

/// A row as stored.
struct Row {
    id: Uuid,
    township: String,
    village: String,
    by_role: String,
    by_level: String,
    by_code: String,
    agency: String,
    subject: Json<Subject>,
    sector: String,
    enforcement: bool,
    outside_scope: bool,
    inspected_at: PgInstant,
    received_at: PgInstant,
    situation: String,
    acts: Json<Vec<ActFound>>,
    measures: Json<Vec<Measure>>,
    evidence: Json<Vec<Uuid>>,
}

fn read<T, E: std::error::Error + Send + Sync + 'static>(parsed: Result<T, E>) -> sqlx::Result<T> {
    parsed.map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

impl TryFrom<Row> for Inspection {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Self> {
        let region = if row.village.is_empty() {
            read(Region::new(Level::Township, &row.township))?
        } else {
            read(Region::new(Level::Village, &row.village))?
        };
        let by = Post {
            role: read(row.by_role.parse())?,
            region: read(Region::new(read(row.by_level.parse())?, &row.by_code))?,
            agency: Some(read(row.agency.parse())?),
        };
        Ok(Self {
            id: row.id,
            region,
            by,
            subject: row.subject.0,
            sector: read(row.sector.parse())?,
            enforcement: row.enforcement,
            outside_scope: row.outside_scope,
            inspected_at: row.inspected_at.0,
            received_at: row.received_at.0,
            situation: row.situation,
            acts: row.acts.0,
            measures: row.measures.0,
            evidence: row.evidence.0,
        })
    }
}

/// One inspection.
pub(crate) async fn get(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Inspection>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, township, village, by_role, by_level, by_code, agency, subject AS "subject: Json<Subject>", sector, enforcement,
                  outside_scope, inspected_at AS "inspected_at: PgInstant", received_at AS "received_at: PgInstant", situation,
                  acts AS "acts: Json<Vec<ActFound>>", measures AS "measures: Json<Vec<Measure>>",
                  evidence AS "evidence: Json<Vec<Uuid>>"
           FROM inspection WHERE id = $1"#,
        id
    )
    .fetch_optional(conn)
    .await?;
    row.map(Inspection::try_from).transpose()
}

/// Which inspections to list.
pub(crate) struct Filter<'a> {
    pub(crate) of: OfRegion<'a>,
    pub(crate) agency: Option<Agency>,
    pub(crate) sector: Option<Sector>,
    pub(crate) credit_code: Option<String>,
    pub(crate) enforcement_only: bool,
    pub(crate) since: Instant,
    pub(crate) until: Instant,
}

/// One query per column, or pair of columns, that is looked for by, so that each has its index, from `$9` on. What is left of
/// agency and sector is a condition on the rows that the index gives.
macro_rules! page {
    ($conn:expr, $filter:expr, $where:literal $(, $value:expr)*) => {{
        let (at, id) = $filter.of.cursor();
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT id, township, village, by_role, by_level, by_code, agency, subject AS "subject: Json<Subject>", sector, enforcement,
                      outside_scope, inspected_at AS "inspected_at: PgInstant", received_at AS "received_at: PgInstant", situation,
                      acts AS "acts: Json<Vec<ActFound>>", measures AS "measures: Json<Vec<Measure>>",
                      evidence AS "evidence: Json<Vec<Uuid>>"
               FROM inspection
               WHERE (inspected_at, id) < ($1, $2) AND inspected_at >= $3 AND inspected_at < $4
                 AND (NOT $5 OR enforcement) AND ($6 = '' OR agency = $6) AND ($7 = '' OR sector = $7) AND "# + $where
                + " ORDER BY inspected_at DESC, id DESC LIMIT $8",
            PgInstant(at) as PgInstant,
            id,
            PgInstant($filter.since) as PgInstant,
            PgInstant($filter.until) as PgInstant,
            $filter.enforcement_only,
            $filter.agency.map_or("", Agency::code),
            $filter.sector.map_or("", Sector::code),
            $filter.of.limit
            $(, $value)*
        )
        .fetch_all($conn)
        .await?;
        rows.into_iter().map(Inspection::try_from).collect()
    }};
}

/// A page of inspections, the latest first.
pub(crate) async fn list(conn: &mut PgConnection, filter: &Filter<'_>) -> sqlx::Result<Vec<Inspection>> {
    if let Some(credit_code) = &filter.credit_code {
        return of_enterprise(conn, filter, credit_code).await;
    }
    let code = filter.of.region.code().as_str();
    let agency = filter.agency.map(Agency::code);
    let sector = filter.sector.map(Sector::code);
    match (filter.of.region.level(), agency, sector) {
        (Level::City, Some(agency), _) => page!(conn, filter, "agency = $9", agency),
        (Level::City, None, Some(sector)) => page!(conn, filter, "sector = $9", sector),
        (Level::City, None, None) => page!(conn, filter, "TRUE"),
        (Level::County, Some(agency), _) => page!(conn, filter, "county = $9 AND agency = $10", code, agency),
        (Level::County, None, Some(sector)) => page!(conn, filter, "county = $9 AND sector = $10", code, sector),
        (Level::County, None, None) => page!(conn, filter, "county = $9", code),
        (Level::Township, ..) => page!(conn, filter, "township = $9", code),
        (Level::Village, ..) => page!(conn, filter, "village = $9", code),
        (Level::WorkArea, ..) => page!(conn, filter, "village = ANY($9)", &filter.of.villages),
    }
}

/// The history of an enterprise, as far as it lies in the region.
async fn of_enterprise(
    conn: &mut PgConnection,
    filter: &Filter<'_>,
    credit_code: &str,
) -> sqlx::Result<Vec<Inspection>> {
    let code = filter.of.region.code().as_str();
    match filter.of.region.level() {
        Level::City => page!(conn, filter, "credit_code = $9", credit_code),
        Level::County => page!(conn, filter, "credit_code = $9 AND county = $10", credit_code, code),
        Level::Township => page!(conn, filter, "credit_code = $9 AND township = $10", credit_code, code),
        Level::Village => page!(conn, filter, "credit_code = $9 AND village = $10", credit_code, code),
        Level::WorkArea => {
            page!(conn, filter, "credit_code = $9 AND village = ANY($10)", credit_code, &filter.of.villages)
        }
    }
}
