//! Whether photos that a request names are of the place that it is about.

use dafei_kernel::{region::Region, roster::RosterIndex};
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
    check(conn, photos, |of| of == village).await
}

/// They are there, and of the region or of one that lies in it.
///
/// # Errors
/// `EVIDENCE_NOT_FOUND` on the first that is not.
pub(super) async fn within(
    conn: &mut PgConnection,
    photos: &[Uuid],
    roster: &RosterIndex,
    region: &Region,
) -> Result<(), Fault> {
    check(conn, photos, |of| roster.contains(region, of)).await
}

async fn check(conn: &mut PgConnection, photos: &[Uuid], of_place: impl Fn(&Region) -> bool) -> Result<(), Fault> {
    let places = evidence::regions(conn, photos).await.map_err(faults::database)?;
    let found = |id: &Uuid| places.get(id).is_some_and(&of_place);
    match photos.iter().position(|id| !found(id)) {
        Some(at) => Err(Refusal::NoEvidence(at).into()),
        None => Ok(()),
    }
}
