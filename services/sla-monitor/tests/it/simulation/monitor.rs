//! The monitor in a run: two replicas that fire, and the consumers while they run.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::context::PublishAckFuture;
use dafei_contracts::Stream;
use dafei_kernel::workdays::Calendar;
use dafei_messaging::consumer::{ConsumerHandle, ConsumerLoop};
use dafei_shell::{ops::Progress, roster::RosterView, timer::Timer};
use dafei_sla_monitor::{
    consumers::{self, CaseEvents},
    duties::Sweeps,
    firing::Firing,
    terms::TermsView,
};
use dafei_testkit::eventually;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{
    Dice, HOUR, Micros,
    laws::{Laws, Loaded},
    run::Watched,
    tell::instant,
    trouble::Publisher,
};
use crate::{events::Told, world::World};

/// The most events whose acknowledgement is waited for at once.
const PIPELINE: usize = 200;
/// How long anything may take: after a year a consumer that starts over has tens of thousands of events to read.
const PATIENCE: Duration = Duration::from_secs(300);

/// The monitor: two replicas that fire, and the consumers while they run.
pub(crate) struct Monitor {
    pub(crate) world: World,
    replicas: [Firing; 2],
    terms: TermsView,
    roster: RosterView,
    consumers: Vec<(Stream, ConsumerHandle, JoinHandle<()>)>,
    sweepers: Vec<(Progress, JoinHandle<()>)>,
    stop: CancellationToken,
    /// For how many steps more it is down.
    down: i64,
    pub(crate) outages: u32,
    pub(super) replaced: bool,
    /// How many limits the calendar has moved, by its own word.
    pub(crate) moved: Option<usize>,
    pub(crate) watched: Vec<Watched>,
}

impl Monitor {
    /// A monitor that takes the roster at the instant at which the first of it entered, before the run.
    pub(crate) async fn start(roster: &[Told], laws: &Laws, entered: Micros, start: Micros) -> Self {
        let rules = laws.first_text();
        let world = World::at_rest(&instant(entered).to_string(), &rules).await;
        world.consuming.cancel();
        let (pool, calendar) = (&world.db.pool, Calendar::builtin_text());
        let terms = TermsView::open_with(pool, instant(entered), &rules, calendar).await.unwrap();
        let view = RosterView::load(&world.db.pool).await.unwrap();
        let (pool, clock) = (world.db.pool.clone(), Arc::new(world.clock.clone()));
        let replicas = [world.firing.clone(), Firing::new(pool, clock, terms.clone(), view.clone())];
        let mut monitor = Self {
            world,
            replicas,
            terms,
            roster: view,
            consumers: Vec::new(),
            sweepers: Vec::new(),
            stop: CancellationToken::new(),
            down: 0,
            outages: 0,
            replaced: false,
            moved: None,
            watched: Vec::new(),
        };
        monitor.publish(roster).await;
        monitor.up();
        monitor.caught_up().await;
        monitor.world.clock.set(instant(start));
        monitor
    }

    /// Reporting's consumer is the world's: another replica's, which is always up.
    fn up(&mut self) {
        self.stop = CancellationToken::new();
        for (stream, handler) in [
            (Stream::Intake, CaseEvents::intake(self.terms.clone(), self.roster.clone())),
            (Stream::Dispatch, CaseEvents::dispatch(self.terms.clone(), self.roster.clone())),
        ] {
            let (config, clock) = (handler.config(), Arc::new(self.world.clock.clone()));
            let world = &self.world;
            let consumer = ConsumerLoop::new(world.db.pool.clone(), world.js.clone(), clock, Arc::new(handler), config);
            let handle = consumer.handle();
            self.consumers.push((stream, handle, tokio::spawn(consumer.run(self.stop.clone()))));
        }
        for _ in 0..2 {
            let sweeps = Sweeps::new(self.world.db.pool.clone(), self.terms.clone(), self.roster.clone());
            let timer = Timer::new(Arc::new(sweeps), Arc::new(self.world.clock.clone()));
            self.sweepers.push((timer.progress(), tokio::spawn(timer.run(self.stop.clone()))));
        }
    }

    async fn down(&mut self) {
        self.stop.cancel();
        for (_, _, task) in self.consumers.drain(..) {
            task.await.unwrap();
        }
        for (_, task) in self.sweepers.drain(..) {
            task.await.unwrap();
        }
    }

    /// The publishers publish up to somewhere before `now`, the clock leaps there, and what is up works.
    pub(crate) async fn step(
        &mut self,
        dice: &mut Dice,
        publishers: &mut [Publisher; 3],
        laws: &mut Laws,
        now: Micros,
        last: bool,
    ) {
        let loads = laws.loaded.is_none() && now >= laws.loading;
        self.outage(dice, last || loads).await;
        self.world.clock.set(instant(now));
        self.wake_sweepers();
        if !self.replaced && now >= laws.replacing {
            self.replace_rules(laws).await;
        }
        let together = self.down == 0 && dice.chance(30) && !loads;
        let firing = together.then(|| self.fire());
        for publisher in &mut *publishers {
            let behind = if !last && dice.chance(25) { dice.seconds_below(40 * HOUR) } else { 0 };
            let (batch, through) = publisher.publish(dice, now - behind);
            self.publish(&batch).await;
            if last || !dice.chance(10) {
                self.world.watermark(publisher.service, instant(through)).await;
                publisher.said = through;
            }
        }
        if let Some(firing) = firing {
            all(firing).await;
        } else if loads {
            let [intake, dispatch, _] = &*publishers;
            laws.loaded = Some(Loaded { at: now, intake: intake.through, dispatch: dispatch.through });
            self.load_calendar(laws).await;
        } else if self.down == 0 && self.work(dice).await && dice.chance(40) {
            self.watch(publishers, now).await;
        }
    }

    /// Sees to it that all that is due is recorded and announced, and keeps when that was.
    async fn watch(&mut self, publishers: &[Publisher; 3], now: Micros) {
        let [intake, _, reporting] = publishers.each_ref().map(|publisher| publisher.said.min(now));
        self.swept(intake.min(reporting)).await;
        all(self.fire()).await;
        self.watched.push(Watched { now, intake, reporting });
    }

    /// Now and then the monitor is down for some steps. Where it is needed it is up.
    async fn outage(&mut self, dice: &mut Dice, needed: bool) {
        if self.down > 0 {
            self.down = if needed { 0 } else { self.down - 1 };
            if self.down == 0 {
                self.start_over(dice).await;
                self.up();
            }
        } else if !needed && dice.chance(8) {
            self.down = 1 + dice.below(6);
            self.outages += 1;
            self.down().await;
            self.start_over(dice).await;
        }
    }

    /// Now and then the ledger is made again from the streams: at once by the reporting's consumer, by the others when they are up.
    async fn start_over(&self, dice: &mut Dice) {
        if dice.chance(10) {
            consumers::rebuild(&self.world.db.pool).await.unwrap();
        }
    }

    /// Says whether all that was told is in effect.
    async fn work(&self, dice: &mut Dice) -> bool {
        match dice.below(10) {
            // Nobody fires.
            0 => return false,
            // One replica is cut off somewhere within its pass, the other goes on.
            1 | 2 => {
                self.caught_up().await;
                let cut = self.replicas[1].clone();
                let cut = tokio::spawn(async move { cut.pass().await.map(drop) });
                for _ in 0..dice.below(60) {
                    tokio::task::yield_now().await;
                }
                cut.abort();
                let _ = cut.await;
                while self.replicas[0].pass().await.unwrap() > 0 {}
            }
            // While events still come in.
            3..=5 => {
                all(self.fire()).await;
                return false;
            }
            _ => self.caught_up().await,
        }
        true
    }

    /// Both replicas fire at once until nothing is due.
    pub(super) fn fire(&self) -> Vec<JoinHandle<()>> {
        let drain = |firing: Firing| tokio::spawn(async move { while firing.pass().await.unwrap() > 0 {} });
        self.replicas.iter().cloned().map(drain).collect()
    }

    fn wake_sweepers(&self) {
        for (progress, _) in &self.sweepers {
            progress.clock_moved.as_ref().unwrap()();
        }
    }

    /// Waits until all that was told is in effect and announced.
    pub(crate) async fn settle(&self, now: Micros) {
        self.caught_up().await;
        self.swept(now).await;
        eventually(PATIENCE, "all that is due is announced", || async {
            all(self.fire()).await;
            (self.replicas[0].done_through().await.unwrap() >= instant(now)).then_some(())
        })
        .await;
    }

    /// Waits until all duties are recorded whose yellow lights are due.
    async fn swept(&self, through: Micros) {
        eventually(PATIENCE, "all duties that are due are recorded", || async {
            self.wake_sweepers();
            (self.sweepers[0].0.through().await.unwrap() >= Some(instant(through))).then_some(())
        })
        .await;
    }

    pub(super) async fn caught_up(&self) {
        let last = self.last(Stream::Reporting).await;
        eventually(PATIENCE, "reporting's stream is read", || async {
            let read = "SELECT last_sequence FROM consumer_position WHERE stream = $1";
            let read = sqlx::query_scalar(read).bind(Stream::Reporting.name()).fetch_optional(&self.world.db.pool);
            (read.await.unwrap().unwrap_or(0) >= i64::try_from(last).unwrap()).then_some(())
        })
        .await;
        for (stream, consumer, _) in &self.consumers {
            let last = self.last(*stream).await;
            let what = format!("{} read up to {last}", stream.name());
            eventually(PATIENCE, &what, || async { (consumer.status().last_sequence >= last).then_some(()) }).await;
        }
    }

    /// The last sequence of a stream.
    async fn last(&self, stream: Stream) -> u64 {
        self.world.js.get_stream(stream.name()).await.unwrap().cached_info().state.last_sequence
    }

    /// Publishes events in this order, without waiting for each.
    async fn publish(&self, events: &[Told]) {
        for some in events.chunks(PIPELINE) {
            let mut acknowledgements: Vec<PublishAckFuture> = Vec::with_capacity(some.len());
            for told in some {
                acknowledgements.push(self.world.send(told).await);
            }
            for acknowledgement in acknowledgements {
                acknowledgement.await.unwrap();
            }
        }
    }
}

pub(super) async fn all(tasks: Vec<JoinHandle<()>>) {
    for task in tasks {
        task.await.unwrap();
    }
}
