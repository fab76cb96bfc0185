//! The use cases of intake and what they stand on. What comes in together is written together: commands, photos and imports each have
//! a queue and one writer.

mod cases;
mod import;
mod patrols;
mod photos;
mod refusal;
mod request;
mod writer;

use std::sync::Arc;

use dafei_intake_core::suspicion::Rules;
use dafei_kernel::{clock::SharedClock, ids::IdSource};
use dafei_messaging::batch::{BatchOptions, BatchWriter, group_commit};
use dafei_shell::roster::RosterView;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

pub(crate) use cases::{Learned, Order, learn};
pub(crate) use import::{ImportWriter, Upload};
pub(crate) use patrols::Patrol;
pub(crate) use photos::{PhotoWriter, SentIn};
pub(crate) use refusal::Refusal;
pub(crate) use request::Asked;
pub(crate) use writer::{Action, Answer, Write, Writer};

/// What everything in the service shares.
pub struct App {
    /// Its database.
    pub pool: PgPool,
    /// The suite's clock.
    pub clock: SharedClock,
    /// Where ids come from.
    pub ids: Arc<dyn IdSource>,
    /// The roster.
    pub roster: RosterView,
    /// What is configured of the village's steps.
    pub rules: Rules,
}

impl App {
    /// The service's name: source of its events.
    pub const SERVICE: &str = "intake";
}

/// Where writes are submitted.
#[derive(Clone)]
pub struct Queues {
    pub(crate) commands: dafei_messaging::batch::BatchQueue<Writer>,
    pub(crate) photos: dafei_messaging::batch::BatchQueue<PhotoWriter>,
    pub(crate) imports: dafei_messaging::batch::BatchQueue<ImportWriter>,
}

/// Photos of one transaction: each up to 8 MiB.
const PHOTO_BATCH: usize = 4;

/// The tasks that empty the queues.
pub struct Writers {
    commands: BatchWriter<Writer>,
    photos: BatchWriter<PhotoWriter>,
    imports: BatchWriter<ImportWriter>,
}

/// The queues of the service and the writers that empty them.
#[must_use]
pub fn queues(app: &Arc<App>) -> (Queues, Writers) {
    let (commands, command_writer) = group_commit(Writer::new(app.clone()), BatchOptions::default());
    let photo_options = BatchOptions { queue: 64, max_batch: PHOTO_BATCH, ..BatchOptions::default() };
    let (photos, photo_writer) = group_commit(PhotoWriter::new(app.clone()), photo_options);
    let import_options = BatchOptions { queue: 4, max_batch: 1, ..BatchOptions::default() };
    let (imports, import_writer) = group_commit(ImportWriter::new(app.clone()), import_options);
    let writers = Writers { commands: command_writer, photos: photo_writer, imports: import_writer };
    (Queues { commands, photos, imports }, writers)
}

impl Writers {
    /// Writes until `shutdown`; then what was accepted is still written.
    pub async fn run(self, shutdown: CancellationToken) {
        tokio::join!(
            self.commands.run(shutdown.clone()),
            self.photos.run(shutdown.clone()),
            self.imports.run(shutdown)
        );
    }
}
