//! Directives: written one by one, listed by command, addressee and case, newest first.

use std::collections::HashMap;

use dafei_dispatch_core::{
    case::Facts,
    directive::{Addressee, Directive},
};
use dafei_kernel::{agency::Agency, owner::Post, region::Region, time::Instant};
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

/// A directive with the head of the chain over its events.
pub(crate) struct Kept {
    pub(crate) directive: Directive,
    pub(crate) chain_head: String,
}

/// Columns of addressees, for UNNEST.
struct Posts<'a> {
    roles: Vec<&'a str>,
    levels: Vec<&'a str>,
    regions: Vec<&'a str>,
    agencies: Vec<&'a str>,
    answered: Vec<bool>,
}

impl<'a> Posts<'a> {
    fn of(addressees: &'a [Addressee]) -> Self {
        let posts = || addressees.iter().map(|addressee| &addressee.post);
        Self {
            roles: posts().map(|post| post.role.code()).collect(),
            levels: posts().map(|post| post.region.level().code()).collect(),
            regions: posts().map(|post| post.region.code().as_str()).collect(),
            agencies: posts().map(agency).collect(),
            answered: addressees.iter().map(|addressee| !addressee.answers.is_empty()).collect(),
        }
    }

    fn unanswered(&self) -> bool {
        self.answered.contains(&false)
    }
}

fn agency(post: &Post) -> &'static str {
    post.agency.map_or("", Agency::code)
}

/// Where these cases lie: the lowest region that has a part in each. Those that are not there are left out.
pub(crate) async fn places(conn: &mut PgConnection, cases: &[Uuid]) -> sqlx::Result<HashMap<Uuid, Region>> {
    let rows = sqlx::query!(
        r#"SELECT id, body->'facts' AS "facts!: Json<Facts>" FROM case_file WHERE id = ANY($1::uuid[])"#,
        cases
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.facts.0.lowest().clone())).collect())
}

/// Writes a new directive.
pub(crate) async fn insert(conn: &mut PgConnection, kept: &Kept) -> sqlx::Result<()> {
    let Kept { directive, chain_head } = kept;
    let posts = Posts::of(&directive.addressees);
    let (due_at, issued_at) = (PgInstant(directive.due_at), PgInstant(directive.issued_at));
    sqlx::query!(
        "INSERT INTO directive (id, level, region, open, unanswered, due_at, issued_at, chain_head, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        directive.id,
        directive.commander.region.level().code(),
        directive.commander.region.code().as_str(),
        directive.is_open(),
        posts.unanswered(),
        due_at as PgInstant,
        issued_at as PgInstant,
        chain_head,
        Json(directive) as _
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO directive_addressee (directive_id, role, level, region, agency, open, answered, due_at, issued_at)
         SELECT $1, u.role, u.level, u.region, u.agency, TRUE, FALSE, $6, $7
         FROM UNNEST($2::text[], $3::text[], $4::text[], $5::text[]) AS u (role, level, region, agency)",
        directive.id,
        &posts.roles as &[&str],
        &posts.levels as &[&str],
        &posts.regions as &[&str],
        &posts.agencies as &[&str],
        due_at as PgInstant,
        issued_at as PgInstant
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO directive_case (case_id, issued_at, directive_id)
         SELECT u.case_id, $2, $1 FROM UNNEST($3::uuid[]) AS u (case_id)",
        directive.id,
        issued_at as PgInstant,
        &directive.cases
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes what has become of a directive that was locked.
pub(crate) async fn update(conn: &mut PgConnection, kept: &Kept) -> sqlx::Result<()> {
    let Kept { directive, chain_head } = kept;
    let posts = Posts::of(&directive.addressees);
    sqlx::query!(
        "UPDATE directive SET open = $2, unanswered = $3, chain_head = $4, body = $5 WHERE id = $1",
        directive.id,
        directive.is_open(),
        posts.unanswered(),
        chain_head,
        Json(directive) as _
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE directive_addressee a SET open = $2, answered = u.answered
         FROM UNNEST($3::text[], $4::text[], $5::text[], $6::text[], $7::bool[]) AS u (role, level, region, agency, answered)
         WHERE a.directive_id = $1 AND a.role = u.role AND a.level = u.level AND a.region = u.region AND a.agency = u.agency
           AND (a.open <> $2 OR a.answered <> u.answered)",
        directive.id,
        directive.is_open(),
        &posts.roles as &[&str],
        &posts.levels as &[&str],
        &posts.regions as &[&str],
        &posts.agencies as &[&str],
        &posts.answered
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A directive, locked.
pub(crate) async fn lock(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Kept>> {
    let row = sqlx::query!(
        r#"SELECT body AS "body: Json<Directive>", chain_head FROM directive WHERE id = $1 FOR NO KEY UPDATE"#,
        id
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Kept { directive: row.body.0, chain_head: row.chain_head }))
}

/// A directive.
pub(crate) async fn get(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Directive>> {
    let row = sqlx::query!(r#"SELECT body AS "body: Json<Directive>" FROM directive WHERE id = $1"#, id)
        .fetch_optional(conn)
        .await?;
    Ok(row.map(|row| row.body.0))
}

/// Which of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    Open,
    /// Open, and not answered at this instant although the time is over.
    Overdue(Instant),
}

/// A page of a list: after what, and how many.
pub(crate) struct Page {
    pub(crate) which: Which,
    pub(crate) after: Option<(Instant, Uuid)>,
    pub(crate) limit: i64,
}

impl Page {
    fn cursor(&self) -> (PgInstant, Uuid) {
        let (at, id) = self.after.unwrap_or((Instant::MAX, Uuid::max()));
        (PgInstant(at), id)
    }

    fn overdue(&self) -> (bool, PgInstant) {
        match self.which {
            Which::Overdue(now) => (true, PgInstant(now)),
            Which::All | Which::Open => (false, PgInstant(Instant::UNIX_EPOCH)),
        }
    }
}

/// One query for each index: the conditions that the partial ones have must stand in the text. Values begin at `$4`.
macro_rules! page {
    ($conn:expr, $page:expr, $from:literal, $at:literal, $id:literal, $where:literal, $($value:expr),+) => {{
        let (at, id) = $page.cursor();
        let rows = sqlx::query!(
            r#"SELECT d.body AS "body: Json<Directive>" FROM "# + $from + " WHERE (" + $at + ", " + $id + ") < ($1, $2) AND " + $where
                + " ORDER BY " + $at + " DESC, " + $id + " DESC LIMIT $3",
            at as PgInstant,
            id,
            $page.limit,
            $($value),+
        )
        .fetch_all($conn)
        .await?;
        Ok(rows.into_iter().map(|row| row.body.0).collect())
    }};
}

macro_rules! of_command {
    ($conn:expr, $page:expr, $where:literal, $($value:expr),+) => {
        page!($conn, $page, "directive d", "d.issued_at", "d.id", $where, $($value),+)
    };
}

/// Those that the command of a region gave.
pub(crate) async fn of_command(conn: &mut PgConnection, region: &Region, page: &Page) -> sqlx::Result<Vec<Directive>> {
    let (level, code) = (region.level().code(), region.code().as_str());
    match page.which {
        Which::All => of_command!(conn, page, "d.level = $4 AND d.region = $5", level, code),
        Which::Open => of_command!(conn, page, "d.level = $4 AND d.region = $5 AND d.open", level, code),
        Which::Overdue(now) => of_command!(
            conn,
            page,
            "d.level = $4 AND d.region = $5 AND d.open AND d.unanswered AND d.due_at < $6",
            level,
            code,
            PgInstant(now) as PgInstant
        ),
    }
}

macro_rules! addressed {
    ($conn:expr, $page:expr, $where:literal, $post:expr $(, $value:expr)*) => {
        page!(
            $conn,
            $page,
            "directive_addressee a JOIN directive d ON d.id = a.directive_id",
            "a.issued_at",
            "a.directive_id",
            $where,
            $post.role.code(),
            $post.region.level().code(),
            $post.region.code().as_str(),
            agency($post)
            $(, $value)*
        )
    };
}

/// Those that are addressed to a post.
pub(crate) async fn addressed(conn: &mut PgConnection, post: &Post, page: &Page) -> sqlx::Result<Vec<Directive>> {
    match page.which {
        Which::All => {
            addressed!(conn, page, "a.role = $4 AND a.level = $5 AND a.region = $6 AND a.agency = $7", post)
        }
        Which::Open => {
            addressed!(conn, page, "a.role = $4 AND a.level = $5 AND a.region = $6 AND a.agency = $7 AND a.open", post)
        }
        Which::Overdue(now) => addressed!(
            conn,
            page,
            "a.role = $4 AND a.level = $5 AND a.region = $6 AND a.agency = $7 AND a.open AND NOT a.answered AND a.due_at < $8",
            post,
            PgInstant(now) as PgInstant
        ),
    }
}

/// Who asks for the directives of a case.
pub(crate) struct Reader<'a> {
    /// He sees all.
    pub(crate) all: bool,
    /// Else those of this region's command.
    pub(crate) command: Option<&'a Region>,
    /// And those that are addressed to him.
    pub(crate) post: &'a Post,
}

/// Those that name a case. A case has few.
pub(crate) async fn of_case(
    conn: &mut PgConnection,
    case: Uuid,
    reader: &Reader<'_>,
    page: &Page,
) -> sqlx::Result<Vec<Directive>> {
    let (overdue, now) = page.overdue();
    page!(
        conn,
        page,
        "directive_case c JOIN directive d ON d.id = c.directive_id
         LEFT JOIN directive_addressee a ON a.directive_id = d.id AND a.role = $11 AND a.level = $12 AND a.region = $13 AND a.agency = $14",
        "c.issued_at",
        "c.directive_id",
        "c.case_id = $4 AND (NOT $5 OR d.open) AND (NOT $6 OR d.due_at < $7)
         AND ((NOT $6 OR d.unanswered) AND ($8 OR (d.level = $9 AND d.region = $10))
              OR (a.directive_id IS NOT NULL AND (NOT $6 OR NOT a.answered)))",
        case,
        page.which != Which::All,
        overdue,
        now as PgInstant,
        reader.all,
        reader.command.map_or("", |region| region.level().code()),
        reader.command.map_or("", |region| region.code().as_str()),
        reader.post.role.code(),
        reader.post.region.level().code(),
        reader.post.region.code().as_str(),
        agency(reader.post)
    )
}
