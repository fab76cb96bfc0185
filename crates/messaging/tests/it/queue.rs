//! The queue of the group commit without a database: what is bounded, and what is tried apart.

use std::{
    sync::{Arc, Mutex},
    task::Poll,
};

use dafei_messaging::batch::{
    Answers, BatchExecutor, BatchFailure, BatchOptions, BatchQueue, SubmitError, group_commit,
};
use dafei_testkit::eventually;
use futures::{future::join_all, poll};
use tokio::sync::Semaphore;

use crate::{
    batch::{Add, add},
    support::{PATIENCE, Running},
};

/// Above this a command takes too long, alone or with others.
const TOO_MUCH: i32 = 100;

struct Noting {
    gate: Arc<Semaphore>,
    batches: Arc<Mutex<Vec<Vec<i32>>>>,
}

impl BatchExecutor for Noting {
    type Command = Add;
    type Answer = ();
    type Error = ();

    async fn execute(&self, batch: &[Add]) -> Result<Answers<Self>, BatchFailure> {
        self.batches.lock().expect("a lock").push(batch.iter().map(|command| command.number).collect());
        self.gate.acquire().await.expect("open").forget();
        if batch.iter().any(|command| command.number > TOO_MUCH) {
            return Err(BatchFailure::TooLong(sqlx::Error::PoolTimedOut));
        }
        Ok(batch.iter().map(|_| Ok(())).collect())
    }
}

struct Noted {
    queue: BatchQueue<Noting>,
    gate: Arc<Semaphore>,
    batches: Arc<Mutex<Vec<Vec<i32>>>>,
    _writer: Running<()>,
}

fn noting(options: BatchOptions) -> Noted {
    let (gate, batches) = (Arc::new(Semaphore::new(0)), Arc::default());
    let (queue, writer) = group_commit(Noting { gate: Arc::clone(&gate), batches: Arc::clone(&batches) }, options);
    Noted { queue, gate, batches, _writer: Running::spawn((), |token| writer.run(token)) }
}

impl Noted {
    async fn begun(&self, batches: usize) {
        let begun = async || (self.batches.lock().expect("a lock").len() == batches).then_some(());
        eventually(PATIENCE, "the batch is begun", begun).await;
    }
}

#[tokio::test]
async fn a_queue_full_of_one_request_id_stays_as_long_as_it_may_be() {
    let (room, batch) = (4, 2);
    let noted = noting(BatchOptions { queue: room, max_batch: batch, ..BatchOptions::default() });
    let mut waiting = Vec::new();
    for turn in 0..10 {
        // Whoever is refused now is told to come back.
        loop {
            let mut call = Box::pin(noted.queue.submit(add(1, "a")));
            match poll!(&mut call) {
                Poll::Pending => waiting.push(call),
                Poll::Ready(refused) => {
                    assert!(matches!(refused, Err(SubmitError::Overloaded { .. })), "{refused:?}");
                    break;
                }
            }
        }
        if turn > 0 {
            noted.gate.add_permits(1);
        }
        noted.begun(turn + 1).await;
        assert!(noted.queue.depth() < room + batch, "at turn {turn}: {}", noted.queue.depth());
        // Of what was accepted, one is answered at each turn.
        assert!(waiting.len() - turn <= room + batch, "at turn {turn} {} were accepted", waiting.len());
    }
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_written() {
    let noted = noting(BatchOptions::default());
    let (mut first, mut gone) = (Box::pin(noted.queue.submit(add(1, "a"))), Box::pin(noted.queue.submit(add(2, "b"))));
    assert!(poll!(&mut first).is_pending());
    noted.begun(1).await;
    assert!(poll!(&mut gone).is_pending());
    drop(gone);
    let mut third = Box::pin(noted.queue.submit(add(3, "c")));
    assert!(poll!(&mut third).is_pending());
    noted.gate.add_permits(2);
    first.await.expect("written");
    third.await.expect("written");
    assert_eq!(*noted.batches.lock().expect("a lock"), [vec![1], vec![3]]);
}

#[tokio::test]
async fn of_a_batch_that_takes_too_long_only_the_command_at_fault_is_refused() {
    let noted = noting(BatchOptions::default());
    let mut first = Box::pin(noted.queue.submit(add(1, "a")));
    assert!(poll!(&mut first).is_pending());
    noted.begun(1).await;
    let together = [(2, "b"), (TOO_MUCH + 1, "c"), (3, "d")].map(|(number, id)| noted.queue.submit(add(number, id)));
    let (answers, ()) = tokio::join!(join_all(together), async { noted.gate.add_permits(5) });
    first.await.expect("written");
    assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
    assert!(matches!(answers[1], Err(SubmitError::Unavailable { .. })), "{:?}", answers[1]);
    assert_eq!(noted.batches.lock().expect("a lock").len(), 5, "one, three together, and each of them alone");
}
