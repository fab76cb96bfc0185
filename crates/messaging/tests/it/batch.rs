//! Group commit: one transaction for what arrived together, each caller its own answer, nothing twice.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use dafei_messaging::{
    MIGRATOR,
    batch::{Answers, BatchCommand, BatchExecutor, BatchFailure, BatchOptions, BatchQueue, SubmitError, group_commit},
    requests::{self, RequestKey, StoredRequest},
    tx,
};
use dafei_testkit::{TestDb, eventually};
use futures::future::join_all;
use sqlx::PgPool;
use tokio::{sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::support::{Running, start_of_tests};

/// Adds a number to the ledger; -1 is rejected by the rules, 13 by the database, 99 makes the executor panic.
pub(crate) struct Add {
    pub(crate) number: i32,
    key: RequestKey,
}

impl BatchCommand for Add {
    fn request_key(&self) -> Option<&RequestKey> {
        Some(&self.key)
    }
}

pub(crate) fn add(number: i32, request_id: &str) -> Add {
    let key = RequestKey { subject: "me".to_owned(), method: "Add".to_owned(), request_id: request_id.to_owned() };
    Add { number, key }
}

pub(crate) struct Ledger {
    pool: PgPool,
    gate: Arc<Semaphore>,
    /// Calls that have begun.
    started: Arc<AtomicU32>,
    transactions: Arc<AtomicU32>,
    /// So many commits are reported as lost although they happened.
    lost: AtomicU32,
}

impl BatchExecutor for Ledger {
    type Command = Add;
    type Answer = i32;
    type Error = &'static str;

    async fn execute(&self, batch: &[Add]) -> Result<Answers<Self>, BatchFailure> {
        self.started.fetch_add(1, Ordering::SeqCst);
        let _permit = self.gate.acquire().await.map_err(|_| BatchFailure::Unavailable(sqlx::Error::PoolClosed))?;
        let mut tx = tx::begin_write(&self.pool).await?;
        let keys: Vec<RequestKey> = batch.iter().map(|command| command.key.clone()).collect();
        let known = requests::find(&mut tx, &keys).await?;
        let mut answers = Vec::new();
        let mut stored = Vec::new();
        for command in batch {
            assert!(command.number != 99, "told to panic");
            if let Some(answer) = known.get(&command.key) {
                answers.push(Ok(i32::from(answer.answer[0])));
                continue;
            }
            if command.number == -1 {
                answers.push(Err("no negative numbers"));
                continue;
            }
            let place: i32 = sqlx::query_scalar("INSERT INTO ledger (number) VALUES ($1) RETURNING place")
                .bind(command.number)
                .fetch_one(&mut *tx)
                .await?;
            answers.push(Ok(place));
            let answer = vec![u8::try_from(place).expect("a small ledger")];
            stored.push(StoredRequest {
                key: command.key.clone(),
                payload_hash: Vec::new(),
                answer,
                recorded_at: start_of_tests(),
            });
        }
        requests::store(&mut tx, &stored).await?;
        tx::commit(tx).await?;
        self.transactions.fetch_add(1, Ordering::SeqCst);
        let lost = self.lost.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if lost {
            return Err(BatchFailure::at_commit(sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into())));
        }
        Ok(answers)
    }
}

pub(crate) struct Bench {
    pub(crate) db: TestDb,
    pub(crate) queue: BatchQueue<Ledger>,
    writer: Running<()>,
    gate: Arc<Semaphore>,
    started: Arc<AtomicU32>,
    pub(crate) transactions: Arc<AtomicU32>,
}

async fn bench(permits: usize, lost: u32, options: BatchOptions) -> Bench {
    let db = ledger_db().await;
    let pool = db.pool.clone();
    bench_on(db, pool, (permits, lost), options)
}

pub(crate) async fn ledger_db() -> TestDb {
    let db = TestDb::new(&[&MIGRATOR]).await;
    sqlx::raw_sql("CREATE TABLE ledger (place serial PRIMARY KEY, number int NOT NULL CHECK (number <> 13))")
        .execute(&db.pool)
        .await
        .expect("a ledger");
    db
}

/// A writer on a database, by a pool that may be another than the test's own.
pub(crate) fn bench_on(db: TestDb, pool: PgPool, (permits, lost): (usize, u32), options: BatchOptions) -> Bench {
    let gate = Arc::new(Semaphore::new(permits));
    let (started, transactions) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let ledger = Ledger {
        pool,
        gate: Arc::clone(&gate),
        started: Arc::clone(&started),
        transactions: Arc::clone(&transactions),
        lost: AtomicU32::new(lost),
    };
    let (queue, writer) = group_commit(ledger, options);
    let writer = Running::spawn((), |token: CancellationToken| writer.run(token));
    Bench { db, queue, writer, gate, started, transactions }
}

impl Bench {
    pub(crate) async fn numbers(&self) -> Vec<i32> {
        sqlx::query_scalar("SELECT number FROM ledger ORDER BY place")
            .fetch_all(&self.db.pool)
            .await
            .expect("the ledger")
    }

    /// Submits the first, which then holds up the writer, and the others behind it.
    async fn submitted(&self, commands: Vec<Add>) -> Vec<JoinHandle<Result<i32, SubmitError<&'static str>>>> {
        let mut tasks = Vec::new();
        for command in commands {
            let queue = self.queue.clone();
            tasks.push(tokio::spawn(async move { queue.submit(command).await }));
            let behind = tasks.len() - 1;
            eventually(Duration::from_secs(10), "the command is taken or waits", async || {
                (self.started.load(Ordering::SeqCst) == 1 && self.queue.depth() == behind).then_some(())
            })
            .await;
        }
        tasks
    }

    /// All their answers, once the writer is let go.
    async fn together(&self, commands: Vec<Add>) -> Vec<Result<i32, SubmitError<&'static str>>> {
        let tasks = self.submitted(commands).await;
        self.gate.add_permits(1);
        join_all(tasks).await.into_iter().map(|answer| answer.expect("no panic")).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_together_is_written_together_and_each_caller_gets_its_own_answer() {
    let bench = bench(0, 0, BatchOptions::default()).await;
    let commands = (1..=10).map(|number| add(if number == 5 { -1 } else { number }, &number.to_string())).collect();
    let answers = bench.together(commands).await;
    assert_eq!(bench.transactions.load(Ordering::SeqCst), 2, "the first alone, the others with each other");
    assert_eq!(bench.numbers().await, [1, 2, 3, 4, 6, 7, 8, 9, 10]);
    assert!(matches!(answers[4], Err(SubmitError::Rejected("no negative numbers"))));
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 9);
    assert!(matches!(answers[9], Ok(9)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_again_gets_the_first_answer_also_within_one_batch() {
    let bench = bench(0, 0, BatchOptions::default()).await;
    let commands = vec![add(1, "a"), add(2, "b"), add(2, "b"), add(2, "b"), add(3, "c")];
    let answers: Vec<i32> =
        bench.together(commands).await.into_iter().map(|answer| answer.expect("an answer")).collect();
    assert_eq!(answers[1], answers[2]);
    assert_eq!(answers[2], answers[3]);
    assert_eq!(
        bench.transactions.load(Ordering::SeqCst),
        4,
        "a; b and c; b again; and again: no batch had to fail for it"
    );
    assert_eq!(bench.numbers().await, [1, 2, 3]);
    assert_eq!(bench.queue.submit(add(1, "a")).await.expect("an answer"), answers[0]);
    assert_eq!(bench.numbers().await, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_the_database_refuses_falls_out_alone() {
    let bench = bench(0, 0, BatchOptions::default()).await;
    let answers = bench.together(vec![add(1, "a"), add(2, "b"), add(13, "c"), add(99, "d"), add(4, "e")]).await;
    assert!(answers[1].is_ok() && answers[4].is_ok());
    assert!(matches!(answers[2], Err(SubmitError::Data(_))), "{:?}", answers[2]);
    assert!(matches!(answers[3], Err(SubmitError::Broken(_))), "{:?}", answers[3]);
    assert_eq!(bench.numbers().await, [1, 2, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_was_lost_is_looked_up_and_not_repeated() {
    let bench = bench(1, 1, BatchOptions::default()).await;
    let answer = bench.queue.submit(add(7, "a")).await.expect("an answer");
    assert_eq!(answer, 1);
    assert_eq!(bench.numbers().await, [7]);
    assert_eq!(bench.transactions.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_two_replicas_do_at_the_same_time_has_one_answer() {
    let bench = bench(1, 0, BatchOptions::default()).await;
    let executor = Ledger {
        pool: bench.db.pool.clone(),
        gate: Arc::new(Semaphore::new(1)),
        started: Arc::default(),
        transactions: Arc::default(),
        lost: AtomicU32::new(0),
    };
    let (there, writer) = group_commit(executor, BatchOptions::default());
    let _replica = Running::spawn((), |token: CancellationToken| writer.run(token));
    let held = bench.db.hold_answers().await;
    let (here, again) = tokio::join!(bench.queue.submit(add(7, "a")), async {
        let (again, ()) = tokio::join!(there.submit(add(7, "a")), async {
            bench.db.until_waiting(2).await;
            held.rollback().await.expect("let go");
        });
        again
    });
    assert_eq!(here.expect("an answer"), again.expect("the same answer"));
    assert_eq!(bench.numbers().await, [7]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_at_once() {
    let bench = bench(0, 0, BatchOptions { queue: 2, ..BatchOptions::default() }).await;
    let accepted = bench.submitted(vec![add(1, "a"), add(2, "b"), add(3, "c")]).await;
    let refused = bench.queue.submit(add(4, "d")).await;
    assert!(matches!(refused, Err(SubmitError::Overloaded { .. })), "{refused:?}");
    bench.gate.add_permits(1);
    for task in accepted {
        task.await.expect("no panic").expect("written");
    }
    assert_eq!(bench.numbers().await, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_said_and_nothing_is_written() {
    let bench = bench(1, 0, BatchOptions::default()).await;
    bench.db.pool.close().await;
    let refused = bench.queue.submit(add(1, "a")).await;
    assert!(matches!(refused, Err(SubmitError::Unavailable { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_writes_what_was_accepted_and_takes_no_more() {
    let bench = bench(0, 0, BatchOptions::default()).await;
    let accepted = bench.submitted((0..5).map(|number| add(number, &number.to_string())).collect()).await;
    bench.gate.add_permits(1);
    bench.writer.stop().await;
    for task in accepted {
        task.await.expect("no panic").expect("written");
    }
    assert!(matches!(bench.queue.submit(add(9, "z")).await, Err(SubmitError::Closed)));
}
