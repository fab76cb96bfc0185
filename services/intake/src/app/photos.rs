//! Whether photos that a request names are of the place that it is about.

use dafei_kernel::{
    region::{Level, Region},
    roster::RosterIndex,
};
use dafei_runtime::status::Fault;
use dafei_shell::faults;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{app::Refusal, store::evidence};

/// They are there, and of this village.
///
/// # Errors
/// `EVIDENCE_NOT_FOUND` on the first that is not.
pub(super) async fn of_village(conn: &mut PgConnection, photos: &[Uuid], village: &Region) -> Result<(), Fault> {
    check(conn, photos, |code| code == village.code().as_str()).await
}

/// They are there, and of a village that is the region or lies in it.
///
/// # Errors
/// `EVIDENCE_NOT_FOUND` on the first that is not.
pub(super) async fn within(
    conn: &mut PgConnection,
    photos: &[Uuid],
    roster: &RosterIndex,
    region: &Region,
) -> Result<(), Fault> {
    let inside = |code: &str| Region::new(Level::Village, code).is_ok_and(|village| roster.contains(region, &village));
    check(conn, photos, inside).await
}

async fn check(conn: &mut PgConnection, photos: &[Uuid], of_place: impl Fn(&str) -> bool) -> Result<(), Fault> {
    let villages = evidence::villages(conn, photos).await.map_err(faults::database)?;
    let found = |id: &Uuid| villages.get(id).is_some_and(|code| of_place(code));
    match photos.iter().position(|id| !found(id)) {
        Some(at) => Err(Refusal::NoEvidence(at).into()),
        None => Ok(()),
    }
}
