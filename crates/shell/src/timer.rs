//! What a service does by itself as time goes on: work that falls due is looked for, done in batches, and looked for again when the next
//! falls due, when the exercise clock was moved, or after a pause, since other replicas' work falls due, too.

use std::{fmt::Display, future::Future, sync::Arc, time::Duration};

use dafei_kernel::{clock::SharedClock, time::Instant};
use dafei_messaging::silence::ANSWER;
use jiff::SignedDuration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::ops::Progress;

/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The shortest pause until what falls due next.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// The pause after a round that could not be done, or that others were doing.
const RETRY: Duration = Duration::from_millis(500);

/// What a round found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// A full batch: more may be due.
    More,
    /// All that was due is done.
    Done,
    /// Something is due that cannot be done just now: another transaction has it, or something must come first.
    Waits,
}

/// Work that falls due.
pub trait Due: Send + Sync + 'static {
    /// Why a round failed.
    type Error: Display + Send;

    /// Its name in logs.
    fn name(&self) -> &'static str;

    /// When the next falls due, or fell due and is not done; none when nothing waits.
    fn next_due(&self) -> impl Future<Output = sqlx::Result<Option<Instant>>> + Send;

    /// Does a batch of what is due at `now`.
    fn round(&self, now: Instant) -> impl Future<Output = Result<Round, Self::Error>> + Send;
}

/// A timer over work that falls due.
pub struct Timer<D> {
    due: Arc<D>,
    clock: SharedClock,
    wake: Arc<Notify>,
    answer: Duration,
}

impl<D: Due> Timer<D> {
    /// A timer by this clock.
    #[must_use]
    pub fn new(due: Arc<D>, clock: SharedClock) -> Self {
        Self { due, clock, wake: Arc::default(), answer: ANSWER }
    }

    /// Gives a round so long at its first try.
    #[must_use]
    pub fn answered_within(self, answer: Duration) -> Self {
        Self { answer, ..self }
    }

    /// What it has to do and how far it is, for operations and for the exercise clock.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let (next, done, clock, wake) =
            (Arc::clone(&self.due), Arc::clone(&self.due), Arc::clone(&self.clock), Arc::clone(&self.wake));
        Progress {
            next_due: Progress::moment(move || {
                let due = Arc::clone(&next);
                async move { due.next_due().await }
            }),
            done_through: Progress::moment(move || {
                let (due, now) = (Arc::clone(&done), clock.now());
                async move { Ok(Some(done_through(due.next_due().await?, now))) }
            }),
            clock_moved: Some(Arc::new(move || wake.notify_one())),
        }
    }

    /// Does what falls due until `shutdown`. A database that is away is waited for. A round on which nothing is heard is broken off, and the next try
    /// given twice the time: one that is only slow must get through some day.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut answer = self.answer;
        while !shutdown.is_cancelled() {
            let found = tokio::time::timeout(answer, self.look_and_wait()).await;
            answer = if found.is_ok() { self.answer } else { answer.saturating_mul(2) };
            let pause = match found.unwrap_or_else(|_| Err("no answer of the database".to_owned())) {
                Ok(None) => continue,
                Ok(Some(pause)) => pause,
                Err(error) => {
                    tracing::warn!(%error, timer = self.due.name(), "what is due waits");
                    RETRY
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Does a round, and answers how long to wait until the next; not at all when more is due.
    async fn look_and_wait(&self) -> Result<Option<Duration>, String> {
        Ok(match self.look().await? {
            Round::More => None,
            Round::Done => Some(self.until_next().await),
            Round::Waits => Some(RETRY),
        })
    }

    async fn look(&self) -> Result<Round, String> {
        let now = self.clock.now();
        if self.due.next_due().await.map_err(|error| error.to_string())?.is_none_or(|next| next > now) {
            return Ok(Round::Done);
        }
        self.due.round(now).await.map_err(|error| error.to_string())
    }

    /// How long until the next falls due, by the machine's time; an exercise's clock wakes the timer when it is moved.
    async fn until_next(&self) -> Duration {
        let next = self.due.next_due().await.ok().flatten();
        let wait = next.map(|next| next.duration_since(self.clock.now()));
        wait.and_then(|wait| Duration::try_from(wait).ok())
            .unwrap_or(LONGEST_PAUSE)
            .clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
    }
}

/// Up to which instant all that was due is done: the clock's, or just before the oldest that waits.
fn done_through(next: Option<Instant>, now: Instant) -> Instant {
    match next.filter(|next| *next <= now) {
        Some(waiting) => waiting.saturating_sub(SignedDuration::from_micros(1)).unwrap_or(waiting),
        None => now,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{Arc, Mutex},
        time::Duration,
    };

    use dafei_kernel::{
        clock::{Clock as _, ControlledClock},
        time::Instant,
    };
    use jiff::SignedDuration;
    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::{Due, Round, Timer};

    /// Instants at which something falls due; done ones are told.
    struct Alarms {
        waiting: Mutex<Vec<Instant>>,
        done: mpsc::UnboundedSender<Instant>,
    }

    impl Due for Alarms {
        type Error = Infallible;

        fn name(&self) -> &'static str {
            "alarms"
        }

        async fn next_due(&self) -> sqlx::Result<Option<Instant>> {
            Ok(self.waiting.lock().expect("not poisoned").first().copied())
        }

        async fn round(&self, now: Instant) -> Result<Round, Infallible> {
            let mut waiting = self.waiting.lock().expect("not poisoned");
            if waiting.first().is_none_or(|first| *first > now) {
                return Ok(Round::Done);
            }
            let first = waiting.remove(0);
            self.done.send(first).expect("the test listens");
            Ok(Round::More)
        }
    }

    /// Something is always due; the first round hears nothing, and the others are told.
    struct Deaf {
        heard: std::sync::atomic::AtomicBool,
        done: mpsc::UnboundedSender<Instant>,
    }

    impl Due for Deaf {
        type Error = Infallible;

        fn name(&self) -> &'static str {
            "deaf"
        }

        async fn next_due(&self) -> sqlx::Result<Option<Instant>> {
            Ok(Some(Instant::MIN))
        }

        async fn round(&self, now: Instant) -> Result<Round, Infallible> {
            if !self.heard.swap(true, std::sync::atomic::Ordering::SeqCst) {
                return std::future::pending().await;
            }
            self.done.send(now).expect("the test listens");
            Ok(Round::Waits)
        }
    }

    #[tokio::test]
    async fn a_round_that_hears_nothing_is_broken_off_and_tried_again() {
        let clock = ControlledClock::new("2026-11-23T02:00:00Z".parse().expect("an instant"));
        let (done, mut told) = mpsc::unbounded_channel();
        let deaf = Arc::new(Deaf { heard: false.into(), done });
        let timer = Timer::new(deaf, Arc::new(clock)).answered_within(Duration::from_millis(50));
        let stop = CancellationToken::new();
        let running = tokio::spawn(timer.run(stop.clone()));
        assert!(tokio::time::timeout(Duration::from_secs(60), told.recv()).await.expect("in time").is_some());
        stop.cancel();
        running.await.expect("it ends");
    }

    #[tokio::test]
    async fn what_falls_due_is_done_when_the_clock_is_moved_and_not_before() {
        let start: Instant = "2026-11-23T02:00:00Z".parse().expect("an instant");
        let hour = |hours| start + SignedDuration::from_hours(hours);
        let clock = ControlledClock::new(start);
        let (done, mut told) = mpsc::unbounded_channel();
        let alarms = Arc::new(Alarms { waiting: Mutex::new(vec![hour(1), hour(2), hour(9)]), done });
        let timer = Timer::new(alarms, Arc::new(clock.clone()));
        let (progress, stop) = (timer.progress(), CancellationToken::new());
        assert_eq!(progress.next().await.expect("known"), Some(hour(1)));
        assert_eq!(progress.through().await.expect("known"), Some(start));
        clock.set(hour(3));
        assert!(progress.through().await.expect("known").expect("an instant") < hour(1));
        let running = tokio::spawn(timer.run(stop.clone()));
        let mut next = async || tokio::time::timeout(Duration::from_secs(20), told.recv()).await.expect("in time");
        assert_eq!((next().await, next().await), (Some(hour(1)), Some(hour(2))));
        assert_eq!(progress.next().await.expect("known"), Some(hour(9)));
        clock.set(hour(9));
        progress.clock_moved.as_ref().expect("it can be woken")();
        assert_eq!(next().await, Some(hour(9)));
        assert_eq!(progress.through().await.expect("known"), Some(clock.now()));
        stop.cancel();
        running.await.expect("it ends");
    }
}
