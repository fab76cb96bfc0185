//! A run: the stories are told to the service, step by step, through all trouble.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::context::PublishAckFuture;
use dafei_contracts::Stream;
use dafei_messaging::consumer::{ConsumerHandle, ConsumerLoop};
use dafei_shell::{ops::Progress, roster::RosterView, timer::Timer};
use dafei_sla_core::Rules;
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
    DAY, Dice, HOUR, Micros, Plan, SECOND, check,
    city::{self, Place, Story},
    days::{self, Workdays},
    duties::{self, Books},
    story,
    tell::{self, instant},
    trouble::Publisher,
};
use crate::{events::Told, world::World};

/// The most events whose acknowledgement is waited for at once.
const PIPELINE: usize = 200;
/// How long anything may take: after a year a consumer that starts over has tens of thousands of events to read.
const PATIENCE: Duration = Duration::from_secs(300);
/// In each county.
const CASES_A_DAY: u128 = 1;

/// Runs a plan to its end and says how much was compared, or what differs.
pub(crate) async fn run(plan: Plan) -> Result<String, String> {
    let begun = std::time::Instant::now();
    let mut dice = Dice::new(plan.seed);
    let start = days::start_of("2026-01-01") + dice.below(366 - i64::from(plan.days)) * DAY;
    let end = start + i64::from(plan.days) * DAY;
    let places = places(&mut dice, plan, start);
    let stories = stories(&mut dice, plan, &places, start, end);
    let books: Vec<Books> = places.iter().map(|place| duties::books(&mut dice, place, start, end)).collect();
    let events: Vec<(Micros, Told)> =
        stories.iter().flat_map(tell::events).chain(books.iter().flat_map(duties::events)).collect();
    let mut monitor = Monitor::start(&places, start).await;
    let mut publishers = ["intake", "dispatch"].map(|service| Publisher::new(service, &events, start));
    let (mut now, mut steps) = (start, 0);
    while now < end {
        now = (now + HOUR + dice.seconds_below(35 * HOUR)).min(end);
        steps += 1;
        monitor.step(&mut dice, &mut publishers, now, now == end).await;
    }
    let stepped = begun.elapsed();
    monitor.settle(now).await;
    let lights = check::announced(&monitor.world).await;
    let tally = check::all(&monitor.world, &stories, &lights, end).await?;
    let undone = duties::check(&monitor.world, &books, &lights, start, end).await?;
    // A run in which something never happens would show nothing of it.
    if tally.clocks.len() < 12 || tally.breached < 20 || tally.annulled == 0 || undone == 0 {
        return Err(format!("too little happened: {tally:?}"));
    }
    let (cases, told, from) = (stories.len(), events.len(), instant(start));
    Ok(format!(
        "from {from}: {cases} cases, {told} events in {steps} steps, {} outages, {stepped:?} of {:?}; {undone} weekly duties not done; {tally:?}",
        monitor.outages,
        begun.elapsed()
    ))
}

/// The villages, whose posts change hands once somewhere in the run.
fn places(dice: &mut Dice, plan: Plan, start: Micros) -> Vec<Place> {
    let days = i64::from(plan.days);
    let changes: Vec<Micros> = (0..plan.counties).map(|_| start + dice.seconds_below(days * DAY)).collect();
    city::places(&changes)
}

/// The stories up to the end of the run.
fn stories(dice: &mut Dice, plan: Plan, places: &[Place], start: Micros, end: Micros) -> Vec<Story> {
    let workdays = Workdays::read();
    let cases = u128::from(plan.days) * u128::from(plan.counties) * CASES_A_DAY;
    let mut stories = Vec::new();
    for number in 1..=cases {
        let begin = start + SECOND + dice.seconds_below(end - start);
        let place = dice.index(places.len());
        let mut story = story::story(dice, &workdays, &places[place], number, begin);
        story.acts.retain(|act| act.told < end);
        stories.push(story);
    }
    stories
}

/// The monitor: two replicas that fire, and the consumers while they run.
struct Monitor {
    world: World,
    replicas: [Firing; 2],
    terms: TermsView,
    roster: RosterView,
    consumers: Vec<(Stream, ConsumerHandle, JoinHandle<()>)>,
    sweepers: Vec<(Progress, JoinHandle<()>)>,
    stop: CancellationToken,
    /// For how many steps more it is down.
    down: i64,
    outages: u32,
}

impl Monitor {
    async fn start(places: &[Place], start: Micros) -> Self {
        let world = World::at_rest(&instant(start).to_string(), Rules::builtin_text()).await;
        world.consuming.cancel();
        let terms = TermsView::open(&world.db.pool, instant(start)).await.unwrap();
        let replicas = [
            world.firing.clone(),
            Firing::new(world.db.pool.clone(), Arc::new(world.clock.clone())).ruled_by(terms.clone()),
        ];
        let roster = RosterView::load(&world.db.pool).await.unwrap();
        let mut monitor = Self {
            world,
            replicas,
            terms,
            roster,
            consumers: Vec::new(),
            sweepers: Vec::new(),
            stop: CancellationToken::new(),
            down: 0,
            outages: 0,
        };
        monitor.publish(&tell::roster(places, start - 30 * DAY, start - HOUR)).await;
        monitor.up();
        monitor.caught_up().await;
        monitor
    }

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
    async fn step(&mut self, dice: &mut Dice, publishers: &mut [Publisher; 2], now: Micros, last: bool) {
        self.outage(dice, last).await;
        self.world.clock.set(instant(now));
        self.wake_sweepers();
        let together = self.down == 0 && dice.chance(30);
        let firing = together.then(|| self.fire());
        for publisher in publishers {
            let behind = if !last && dice.chance(25) { dice.seconds_below(40 * HOUR) } else { 0 };
            let (batch, through) = publisher.publish(dice, now - behind);
            self.publish(&batch).await;
            if last || !dice.chance(10) {
                self.world.watermark(publisher.service, instant(through)).await;
            }
        }
        if let Some(firing) = firing {
            all(firing).await;
        } else if self.down == 0 {
            self.work(dice).await;
        }
    }

    /// Now and then the monitor is down for some steps, and now and then it starts over from the streams afterwards.
    async fn outage(&mut self, dice: &mut Dice, last: bool) {
        if self.down > 0 {
            self.down = if last { 0 } else { self.down - 1 };
            if self.down == 0 {
                if dice.chance(15) {
                    consumers::rebuild(&self.world.db.pool).await.unwrap();
                }
                self.up();
            }
        } else if !last && dice.chance(8) {
            self.down = 1 + dice.below(6);
            self.outages += 1;
            self.down().await;
        }
    }

    async fn work(&self, dice: &mut Dice) {
        match dice.below(10) {
            // Nobody fires.
            0 => {}
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
            3..=5 => all(self.fire()).await,
            _ => {
                self.caught_up().await;
                all(self.fire()).await;
            }
        }
    }

    /// Both replicas fire at once until nothing is due.
    fn fire(&self) -> Vec<JoinHandle<()>> {
        let drain = |firing: Firing| tokio::spawn(async move { while firing.pass().await.unwrap() > 0 {} });
        self.replicas.iter().cloned().map(drain).collect()
    }

    fn wake_sweepers(&self) {
        for (progress, _) in &self.sweepers {
            progress.clock_moved.as_ref().unwrap()();
        }
    }

    /// Waits until all that was told is in effect and announced.
    async fn settle(&self, now: Micros) {
        self.caught_up().await;
        eventually(PATIENCE, "all duties that are due are recorded", || async {
            self.wake_sweepers();
            (self.sweepers[0].0.through().await.unwrap() >= Some(instant(now))).then_some(())
        })
        .await;
        eventually(PATIENCE, "all that is due is announced", || async {
            all(self.fire()).await;
            (self.replicas[0].done_through().await.unwrap() >= instant(now)).then_some(())
        })
        .await;
    }

    async fn caught_up(&self) {
        for (stream, consumer, _) in &self.consumers {
            let last = self.world.js.get_stream(stream.name()).await.unwrap().cached_info().state.last_sequence;
            let what = format!("{} read up to {last}", stream.name());
            eventually(PATIENCE, &what, || async { (consumer.status().last_sequence >= last).then_some(()) }).await;
        }
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

async fn all(tasks: Vec<JoinHandle<()>>) {
    for task in tasks {
        task.await.unwrap();
    }
}
