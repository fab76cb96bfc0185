//! The import of a roster file: all of it or nothing, in one transaction with the snapshots that announce what changed (clause B1).

use std::sync::Arc;

use dafei_contracts::{Event as Public, events::v1 as ev, intake::v1 as api};
use dafei_intake_core::roster::{self, File, Import, Unit};
use dafei_kernel::{ids, owner::Post, region::RegionPath, time::Instant};
use dafei_messaging::{
    batch::{BatchCommand, BatchExecutor, BatchFailure},
    event::{MAX_PAYLOAD, NewEvent},
    log,
    requests::{self, RequestKey},
    tx,
};
use dafei_shell::roster::{RosterError, RosterPart, RosterRegion};
use prost::Message;
use sqlx::PgConnection;

use super::{App, Asked, Refusal};
use crate::{
    publisher::{self, About, Cursor},
    store,
};

/// A file that was sent in.
pub struct Upload {
    pub(crate) asked: Asked,
    pub(crate) file: File,
    pub(crate) bytes: Vec<u8>,
    pub(crate) actor: Post,
    pub(crate) traceparent: Option<String>,
}

impl BatchCommand for Upload {
    fn request_key(&self) -> Option<&RequestKey> {
        Some(&self.asked.key)
    }
}

/// Takes files into the roster, one at a time.
pub struct ImportWriter {
    app: Arc<App>,
}

/// What ended an import without an answer.
enum Stopped {
    Refused(Refusal),
    Failed(BatchFailure),
}

impl<E: Into<BatchFailure>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl ImportWriter {
    /// A writer of the service.
    #[must_use]
    pub(crate) const fn new(app: Arc<App>) -> Self {
        Self { app }
    }

    async fn import(&self, upload: &Upload) -> Result<api::ImportRosterResponse, Stopped> {
        let mut tx = tx::begin_write(&self.app.pool).await?;
        store::parts::alone(&mut tx).await?;
        let now = self.app.clock.now();
        let answered = requests::find(&mut tx, std::slice::from_ref(&upload.asked.key)).await?;
        if let Some(first) = upload.asked.answered(&answered) {
            let decoded = first.and_then(|bytes| Ok(api::ImportRosterResponse::decode(bytes)?));
            return decoded.map_err(Stopped::Refused);
        }
        let contents = store::roster::contents(&mut tx).await?;
        let import = roster::import(&contents, upload.file, &upload.bytes)
            .map_err(|errors| Stopped::Refused(Refusal::Rows(errors)))?;
        let answer = answer(&import);
        let units = import.contents.units(&import.touched);
        if !units.is_empty() {
            self.write(&mut tx, upload, &units, now).await?;
        }
        requests::store(&mut tx, &[upload.asked.with_answer(answer.encode_to_vec(), now)]).await?;
        tx::commit(tx).await?;
        if let Err(error) = self.app.roster.reload(&self.app.pool).await {
            // The notification of the commit makes the service read it again.
            tracing::warn!(%error, "the roster cannot be read again yet");
        }
        Ok(answer)
    }

    /// Writes parts into the roster's tables and their snapshots into the log: the city first, then counties, then townships.
    async fn write(&self, conn: &mut PgConnection, upload: &Upload, units: &[Unit], now: Instant) -> Result<(), Stopped> {
        let parts: Vec<RosterPart> = units.iter().map(part).collect();
        dafei_shell::roster::replace(conn, &parts).await.map_err(|error| match error {
            RosterError::Sql(error) => Stopped::Failed(error.into()),
            other => Stopped::Failed(BatchFailure::Data(sqlx::Error::Encode(Box::new(other)))),
        })?;
        let regions: Vec<_> = units.iter().map(|unit| &unit.region).collect();
        let mut announced = store::parts::of(conn, &regions).await?;
        let (mut rows, mut saved) = (Vec::new(), Vec::new());
        for (unit, part) in units.iter().zip(&parts) {
            let mut at = announced.remove(&unit.region.to_string()).unwrap_or_default();
            let cursor = Cursor { sequence: &mut at.sequence, chain_head: &mut at.chain_head };
            rows.push(self.snapshot(upload, unit, part, cursor, now).map_err(Stopped::Refused)?);
            saved.push((&unit.region, at));
        }
        store::parts::save(conn, &saved).await?;
        log::append(conn, &rows).await?;
        Ok(())
    }

    fn snapshot(
        &self,
        upload: &Upload,
        unit: &Unit,
        part: &RosterPart,
        cursor: Cursor<'_>,
        now: Instant,
    ) -> Result<NewEvent, Refusal> {
        let path = RegionPath::new(unit.path.clone()).map_err(|_| Refusal::TooMuch(unit.region.clone()))?;
        let about = About {
            aggregate: ids::derived(&["roster", unit.region.level().code(), unit.region.code().as_str()]),
            path: &path,
            actor: Some(&upload.actor),
            claimed_at: None,
            traceparent: upload.traceparent.as_deref(),
        };
        let event = Public::from(ev::RosterSnapshot::from(part));
        let row = publisher::next(&self.app, now, event, &about, cursor)?;
        if row.payload.len() > MAX_PAYLOAD {
            return Err(Refusal::TooMuch(unit.region.clone()));
        }
        Ok(row)
    }
}

impl BatchExecutor for ImportWriter {
    type Command = Upload;
    type Answer = api::ImportRosterResponse;
    type Error = Refusal;

    async fn execute(&self, batch: &[Upload]) -> Result<Vec<Result<Self::Answer, Refusal>>, BatchFailure> {
        let mut answers = Vec::with_capacity(batch.len());
        for upload in batch {
            answers.push(match self.import(upload).await {
                Ok(answer) => Ok(answer),
                Err(Stopped::Refused(refusal)) => Err(refusal),
                Err(Stopped::Failed(failure)) => return Err(failure),
            });
        }
        Ok(answers)
    }
}

fn answer(import: &Import) -> api::ImportRosterResponse {
    api::ImportRosterResponse {
        rows: u32::try_from(import.rows).unwrap_or(u32::MAX),
        changed: u32::try_from(import.changed).unwrap_or(u32::MAX),
        warnings: import.warnings.clone(),
    }
}

fn part(unit: &Unit) -> RosterPart {
    RosterPart {
        region: unit.region.clone(),
        regions: unit
            .regions
            .iter()
            .map(|entry| RosterRegion {
                region: entry.region.clone(),
                name: entry.name.clone(),
                parent: entry.parent.clone(),
                work_area: entry.work_area.clone(),
            })
            .collect(),
        holders: unit.holders.clone(),
        enterprises: unit.enterprises.clone(),
    }
}
