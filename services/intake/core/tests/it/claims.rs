//! Claims of rewards: any interleaving of tellers, the office and the clock pays at most once, and only who knows the code.

use dafei_intake_core::reward::claim::{Claim, Command, Event, Refusal, Standing, decide, evolve, free_from};
use dafei_kernel::time::Instant;
use jiff::SignedDuration;
use proptest::prelude::*;
use uuid::Uuid;

const SPAN: SignedDuration = SignedDuration::from_mins(30);

fn start() -> Instant {
    "2026-11-23T10:00:00+08:00".parse().expect("an instant")
}

/// Ten hours: long enough for several reservations, short enough to end.
fn window() -> Instant {
    start() + SignedDuration::from_hours(10)
}

fn teller(number: u8) -> String {
    format!("teller-{number}")
}

fn reserve(id: u128, by: u8, code_fits: bool) -> Command {
    Command::Reserve { id: Uuid::from_u128(id), teller: teller(by), branch: "B1".to_owned(), code_fits, span: SPAN }
}

fn confirm(id: u128, by: u8, serial: &str) -> Command {
    Command::Confirm { id: Uuid::from_u128(id), teller: teller(by), serial: serial.to_owned() }
}

fn cancel(id: u128, by: u8) -> Command {
    Command::Cancel { id: Uuid::from_u128(id), teller: teller(by) }
}

/// A claim driven in time.
struct Run {
    claim: Claim,
    now: Instant,
}

impl Run {
    fn new() -> Self {
        Self { claim: Claim::new(window()), now: start() }
    }

    fn after(&mut self, minutes: i64) -> &mut Self {
        self.now += SignedDuration::from_mins(minutes);
        self
    }

    fn take(&mut self, command: &Command) -> Result<Vec<Event>, Refusal> {
        let events = decide(&self.claim, command, self.now)?;
        for event in &events {
            self.claim = evolve(self.claim.clone(), event);
        }
        Ok(events)
    }

    fn good(&mut self, command: &Command) -> Vec<Event> {
        self.take(command).expect("it can be")
    }
}

#[test]
fn the_right_code_reserves_and_the_confirmation_pays_once() {
    let mut run = Run::new();
    assert_eq!(run.take(&reserve(1, 1, false)), Err(Refusal::WrongCode));
    run.good(&reserve(2, 1, true));
    assert_eq!(run.take(&reserve(3, 2, true)), Err(Refusal::Reserved));
    assert_eq!(run.good(&reserve(4, 1, true)), [], "the same teller has it already");
    assert_eq!(run.take(&confirm(2, 2, "S-1")), Err(Refusal::NoSuchReservation), "another teller's");
    assert!(matches!(run.good(&confirm(2, 1, "S-1"))[..], [Event::Paid { .. }]));
    assert_eq!(run.good(&confirm(2, 1, "S-1")), [], "the same serial again is the same payout");
    assert_eq!(run.take(&confirm(2, 1, "S-2")), Err(Refusal::OtherSerial));
    assert_eq!(run.take(&cancel(2, 1)), Err(Refusal::Paid));
    assert_eq!(run.take(&reserve(5, 2, true)), Err(Refusal::Paid));
}

#[test]
fn a_late_confirmation_is_taken_unless_somebody_else_came_in_between() {
    for seen in [false, true] {
        let mut run = Run::new();
        run.good(&reserve(1, 1, true));
        run.after(31);
        if seen {
            assert_eq!(run.good(&Command::Tick).len(), 1, "the timer saw it run out");
        }
        assert!(matches!(run.good(&confirm(1, 1, "S-1"))[..], [Event::Paid { .. }]));
    }
    let mut run = Run::new();
    run.good(&reserve(1, 1, true));
    run.after(31).good(&reserve(2, 2, true));
    assert_eq!(run.take(&confirm(1, 1, "S-1")), Err(Refusal::Lapsed));
    run.good(&cancel(2, 2));
    run.good(&cancel(1, 1));
    assert_eq!(run.take(&confirm(1, 1, "S-1")), Err(Refusal::Cancelled), "what was given up stays so");
}

#[test]
fn a_reservation_never_outlasts_the_claim_window() {
    let mut run = Run::new();
    run.after(590).good(&reserve(1, 1, true));
    let Standing::Reserved(held) = &run.claim.standing else { panic!("{:?}", run.claim) };
    assert_eq!(held.until, window());
    run.after(10);
    assert_eq!(run.take(&confirm(1, 1, "S-1")), Err(Refusal::Lapsed));
    assert_eq!(run.take(&reserve(2, 2, true)), Err(Refusal::Expired), "before the timer has come");
    assert!(matches!(run.good(&Command::Tick)[..], [Event::Lapsed { .. }, Event::Expired]));
    assert_eq!(run.good(&Command::Tick), []);
}

#[test]
fn a_withdrawal_ends_new_claims_and_spares_the_one_at_the_counter() {
    let mut run = Run::new();
    run.good(&reserve(1, 1, true));
    run.good(&Command::Withdraw);
    assert_eq!(run.take(&Command::Withdraw), Err(Refusal::Withdrawn));
    assert!(matches!(run.good(&confirm(1, 1, "S-1"))[..], [Event::Paid { .. }]));
    let mut run = Run::new();
    run.good(&reserve(1, 1, true));
    run.good(&Command::Withdraw);
    assert_eq!(run.after(31).take(&confirm(1, 1, "S-1")), Err(Refusal::Lapsed));
    assert_eq!(run.take(&reserve(2, 2, true)), Err(Refusal::Withdrawn));
    assert!(matches!(run.after(600).good(&Command::Tick)[..], [Event::Lapsed { .. }]), "it never expires");
}

#[test]
fn once_the_tip_of_a_withdrawn_announcement_is_free_nobody_is_paid_by_it() {
    for seen in [false, true] {
        let mut run = Run::new();
        run.good(&reserve(1, 1, true));
        run.good(&Command::Withdraw);
        run.now = free_from(run.now, SPAN);
        assert!(run.now > start() + SPAN, "and not at the last moment of a reservation");
        if seen {
            assert!(matches!(run.good(&Command::Tick)[..], [Event::Lapsed { .. }]));
        }
        assert_eq!(run.take(&confirm(1, 1, "S-1")), Err(Refusal::Lapsed));
        assert_eq!(run.take(&reserve(2, 1, true)), Err(Refusal::Withdrawn));
    }
    assert_eq!(free_from(Instant::MAX, SPAN), Instant::MAX);
}

/// A command, or minutes that pass.
#[derive(Debug, Clone)]
enum Act {
    Wait(i64),
    Take(Command),
}

fn act() -> impl Strategy<Value = Act> {
    let (id, by) = (1_u128..8, 0_u8..3);
    prop_oneof![
        3 => (1_i64..60).prop_map(Act::Wait),
        4 => (8_u128..10_000, by.clone(), prop::bool::weighted(0.7)).prop_map(|(id, by, fits)| Act::Take(reserve(id, by, fits))),
        4 => (id.clone(), by.clone(), "S-[1-3]").prop_map(|(id, by, serial)| Act::Take(confirm(id, by, &serial))),
        2 => (id, by).prop_map(|(id, by)| Act::Take(cancel(id, by))),
        1 => Just(Act::Take(Command::Withdraw)),
        2 => Just(Act::Take(Command::Tick)),
    ]
}

/// What tellers do: they confirm and cancel reservations that were made, not ids out of the air.
fn aimed(command: Command, made: &[(Uuid, String)]) -> Command {
    let pick = |id: Uuid| made.get(usize::try_from(id.as_u128()).unwrap_or(0) % made.len().max(1)).cloned();
    match command {
        Command::Confirm { id, teller, serial } => match pick(id) {
            Some((id, own)) if teller != "teller-2" => Command::Confirm { id, teller: own, serial },
            Some((id, _)) => Command::Confirm { id, teller, serial },
            None => Command::Confirm { id, teller, serial },
        },
        Command::Cancel { id, .. } if !made.is_empty() => {
            pick(id).map_or(Command::Tick, |(id, teller)| Command::Cancel { id, teller })
        }
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_interleaving_pays_at_most_once_and_only_who_knew_the_code_in_time(acts in prop::collection::vec(act(), 1..60)) {
        let mut run = Run::new();
        let (mut made, mut payments, mut withdrawn_at) = (Vec::new(), 0, None);
        for act in acts {
            let command = match act {
                Act::Wait(minutes) => {
                    run.after(minutes);
                    continue;
                }
                Act::Take(command) => aimed(command, &made),
            };
            let fits = matches!(&command, Command::Reserve { code_fits: true, .. });
            let events = run.take(&command).unwrap_or_default();
            for event in &events {
                match event {
                    Event::Reserved(new) => {
                        prop_assert!(fits, "only the right code reserves");
                        prop_assert!(run.now < window() && withdrawn_at.is_none() && new.until <= window());
                        made.push((new.id, new.teller.clone()));
                    }
                    Event::Paid { id, teller, .. } => {
                        payments += 1;
                        prop_assert!(made.contains(&(*id, teller.clone())), "only who reserved is paid");
                        prop_assert!(run.now < window(), "never after the window");
                        let in_time = withdrawn_at.is_none_or(|at: Instant| run.now < at + SPAN);
                        prop_assert!(in_time, "after a withdrawal only what was at the counter");
                    }
                    Event::Withdrawn => withdrawn_at = Some(run.now),
                    Event::Expired => prop_assert!(run.now >= window() && payments == 0),
                    Event::Lapsed { .. } | Event::Cancelled { .. } => {}
                }
            }
            prop_assert!(payments <= 1);
            prop_assert_eq!(payments == 1, matches!(run.claim.standing, Standing::Paid { .. }), "paid is the end");
        }
        if let Some(at) = withdrawn_at.filter(|_| payments == 0) {
            run.now = run.now.max(free_from(at, SPAN));
            for (id, teller) in made {
                let late = run.take(&Command::Confirm { id, teller, serial: "S-4".to_owned() });
                prop_assert!(late.is_err(), "its tip is free for another announcement");
            }
        }
    }

    #[test]
    fn the_informant_is_paid_once_nobody_holds_the_announcement(acts in prop::collection::vec(act(), 0..30)) {
        let mut run = Run::new();
        for act in acts {
            match act {
                Act::Wait(minutes) => { run.after(minutes % 10); }
                // What others can do without the code, and without the office.
                Act::Take(Command::Reserve { id, teller, branch, span, .. }) => {
                    let _ = run.take(&Command::Reserve { id, teller, branch, code_fits: false, span });
                }
                Act::Take(Command::Withdraw) => {}
                Act::Take(command) => { let _ = run.take(&command); }
            }
        }
        run.good(&reserve(77_777, 9, true));
        let paid = run.good(&confirm(77_777, 9, "S-9"));
        prop_assert!(matches!(paid[..], [Event::Paid { .. }]), "paid");
    }
}
