//! A write that is rare or large enough for a transaction of its own, and is done once for its request id (AIP-155). What comes often goes
//! through the group commit instead.

use std::time::Duration;

use dafei_kernel::{clock::Clock, time::Instant};
use dafei_messaging::{
    batch::BatchFailure,
    requests::{self, RequestKey, StoredRequest},
    silence, tx,
};
use dafei_runtime::status::Fault;
use prost::Message;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use crate::faults;

/// The transaction of a write.
pub struct Once {
    tx: Transaction<'static, Postgres>,
    key: RequestKey,
    payload_hash: Vec<u8>,
    longest: Duration,
    /// The transaction's instant: every event of it is recorded at it.
    pub now: Instant,
}

/// A write that begins.
pub enum Begun<A> {
    /// It was done before: the first answer.
    Answered(A),
    /// It is new.
    New(Once),
}

impl Once {
    /// Begins, unless the request id was answered before. The same request that comes again before this one has ended waits for its answer.
    ///
    /// # Errors
    /// `REQUEST_ID_REUSED` when it was answered for another payload; `UNAVAILABLE` without the database, or when the first takes too long.
    pub async fn begin<A: Message + Default>(
        pool: &PgPool,
        clock: &dyn Clock,
        key: RequestKey,
        payload_hash: &[u8],
    ) -> Result<Begun<A>, Fault> {
        Self::begin_within(silence::ANSWER, pool, clock, key, payload_hash).await
    }

    /// As [`Once::begin`], with another bound for its beginning and its end.
    ///
    /// # Errors
    /// As [`Once::begin`].
    pub async fn begin_within<A: Message + Default>(
        longest: Duration,
        pool: &PgPool,
        clock: &dyn Clock,
        key: RequestKey,
        payload_hash: &[u8],
    ) -> Result<Begun<A>, Fault> {
        let looked_up = async {
            let mut tx = tx::begin_write(pool).await?;
            requests::lock(&mut tx, &key).await?;
            let now = clock.now();
            let known = requests::find(&mut tx, std::slice::from_ref(&key)).await?;
            Ok((tx, now, known))
        };
        let (tx, now, known) = silence::answer(longest, looked_up).await.map_err(faults::database)?;
        match known.get(&key) {
            Some(first) if first.payload_hash == payload_hash => {
                A::decode(first.answer.as_slice()).map(Begun::Answered).map_err(Fault::internal)
            }
            Some(_) => Err(reused()),
            None => Ok(Begun::New(Self { tx, key, payload_hash: payload_hash.to_vec(), longest, now })),
        }
    }

    /// Where the write's statements go.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// Keeps the answer and commits.
    ///
    /// # Errors
    /// `ABORTED` when the same call was answered meanwhile, by a replica whose release does not wait yet; `UNAVAILABLE` without the database: the same request id
    /// then tells what became of it.
    pub async fn finish<A: Message>(self, answer: A) -> Result<A, Fault> {
        let recorded_at = self.now;
        self.finish_at(answer, recorded_at).await
    }

    /// As [`Once::finish`], with another instant beside the stored answer: for writes of which the exact time must not be kept.
    ///
    /// # Errors
    /// As [`Once::finish`].
    pub async fn finish_at<A: Message>(mut self, answer: A, recorded_at: Instant) -> Result<A, Fault> {
        let stored = StoredRequest {
            key: self.key,
            payload_hash: self.payload_hash,
            answer: answer.encode_to_vec(),
            recorded_at,
        };
        let kept = async {
            match requests::store(&mut self.tx, &[stored]).await {
                Ok(()) => Ok(tx::commit(self.tx).await.map_err(failed)),
                Err(error) => Ok(Err(concurrent(error))),
            }
        };
        silence::answer(self.longest, kept).await.map_err(faults::database)??;
        Ok(answer)
    }
}

/// The request id stands for another payload.
#[must_use]
pub fn reused() -> Fault {
    Fault::AlreadyExists {
        reason: "REQUEST_ID_REUSED".into(), description_zh: "请求编号已用于另一份内容".into()
    }
}

fn concurrent(error: sqlx::Error) -> Fault {
    match &error {
        sqlx::Error::Database(database) if database.is_unique_violation() => {
            Fault::Aborted { reason: "CONCURRENT_REQUEST".into() }
        }
        _ => faults::database(error),
    }
}

/// What became of statements that report as a batch does.
#[must_use]
pub fn failed(failure: BatchFailure) -> Fault {
    match failure {
        BatchFailure::Data(error)
        | BatchFailure::TooLong(error)
        | BatchFailure::Unavailable(error)
        | BatchFailure::Unknown(error) => faults::database(error),
    }
}
