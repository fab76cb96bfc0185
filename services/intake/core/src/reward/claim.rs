//! The claim of a reward (兑现, clause D4), as a state machine per announcement: whatever the order in which tellers, the office and the clock
//! come, it is paid at most once, and only to a reservation that was made with the right code while the announcement was open.

use std::collections::BTreeMap;

use dafei_kernel::time::Instant;
use jiff::SignedDuration;
use uuid::Uuid;

/// How much longer than a reservation a withdrawn announcement keeps its tip: a confirmation that came in time may have waited for a lock, and
/// replicas' clocks differ.
const MARGIN: SignedDuration = SignedDuration::from_mins(1);

/// A teller's hold on an announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Its id, random.
    pub id: Uuid,
    /// The teller: subject of the token.
    pub teller: String,
    /// Code of the teller's branch.
    pub branch: String,
    /// Until here, exclusive; never later than the claim window.
    pub until: Instant,
}

/// What became of a reservation without a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The teller gave it up.
    Cancelled,
    /// It ran out.
    Lapsed,
}

/// Where the announcement stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nobody holds it.
    Available,
    /// A teller holds it.
    Reserved(Reservation),
    /// It was paid.
    Paid {
        /// By which reservation.
        reservation: Uuid,
        /// Who paid.
        teller: String,
        /// The bank's serial.
        serial: String,
    },
    /// It was not claimed in time.
    Expired,
}

/// The claim of an announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// End of the claim window, exclusive.
    pub until: Instant,
    /// The office takes no new claims.
    pub withdrawn: bool,
    /// Where it stands.
    pub standing: Standing,
    /// Reservations that ended without a payment, with their tellers.
    pub past: BTreeMap<Uuid, (Ended, String)>,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A teller has a code in hand.
    Reserve {
        /// Id of the reservation to be.
        id: Uuid,
        /// The teller.
        teller: String,
        /// The branch.
        branch: String,
        /// Whether the code is the informant's.
        code_fits: bool,
        /// How long a reservation lasts.
        span: SignedDuration,
    },
    /// The money was handed out.
    Confirm {
        /// The reservation.
        id: Uuid,
        /// The teller.
        teller: String,
        /// The bank's serial.
        serial: String,
    },
    /// Nothing was handed out.
    Cancel {
        /// The reservation.
        id: Uuid,
        /// The teller.
        teller: String,
    },
    /// The office withdraws the announcement.
    Withdraw,
    /// Time has passed: what has run out is ended.
    Tick,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A teller holds it.
    Reserved(Reservation),
    /// The reservation ran out.
    Lapsed {
        /// Which.
        id: Uuid,
        /// Whose.
        teller: String,
    },
    /// The reservation was given up.
    Cancelled {
        /// Which.
        id: Uuid,
        /// Whose.
        teller: String,
    },
    /// It was paid.
    Paid {
        /// By which reservation.
        id: Uuid,
        /// Who paid.
        teller: String,
        /// The bank's serial.
        serial: String,
    },
    /// No new claims.
    Withdrawn,
    /// The window is over.
    Expired,
}

/// Why something is refused; nothing has changed. Of a refused reservation the teller is told nothing of this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// Another code than the informant's.
    #[error("the code is another")]
    WrongCode,
    /// It was paid.
    #[error("it was paid")]
    Paid,
    /// The claim window is over.
    #[error("the claim window is over")]
    Expired,
    /// The office has withdrawn it.
    #[error("it was withdrawn")]
    Withdrawn,
    /// Another teller holds it.
    #[error("another teller holds it")]
    Reserved,
    /// The teller has no such reservation.
    #[error("the teller has no such reservation")]
    NoSuchReservation,
    /// The reservation was given up.
    #[error("the reservation was given up")]
    Cancelled,
    /// The reservation ran out, and the announcement went on without it.
    #[error("the reservation ran out")]
    Lapsed,
    /// It was paid under another serial.
    #[error("it was paid under another serial")]
    OtherSerial,
}

impl Claim {
    /// A claim that nobody has touched.
    #[must_use]
    pub const fn new(until: Instant) -> Self {
        Self { until, withdrawn: false, standing: Standing::Available, past: BTreeMap::new() }
    }

    /// Whether a new claim is taken, reservations aside.
    fn open(&self, now: Instant) -> Result<(), Refusal> {
        match self.standing {
            Standing::Paid { .. } => Err(Refusal::Paid),
            Standing::Expired => Err(Refusal::Expired),
            Standing::Available | Standing::Reserved(_) if now >= self.until => Err(Refusal::Expired),
            Standing::Available | Standing::Reserved(_) if self.withdrawn => Err(Refusal::Withdrawn),
            Standing::Available | Standing::Reserved(_) => Ok(()),
        }
    }
}

/// From when on the tip of an announcement that is withdrawn at an instant may have another one: every reservation of this span has run out, and
/// none is paid late. It is the same where there is none, so that the office cannot learn of one.
#[must_use]
pub fn free_from(withdrawn: Instant, span: SignedDuration) -> Instant {
    let out = withdrawn.checked_add(span).and_then(|out| out.checked_add(MARGIN));
    out.unwrap_or(Instant::MAX)
}

/// Decides a command at an instant. No events: it is already so.
///
/// # Errors
/// When it cannot be; the claim stays as it is.
pub fn decide(claim: &Claim, command: &Command, now: Instant) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Reserve { id, teller, branch, code_fits, span } => {
            claim.open(now)?;
            if !code_fits {
                return Err(Refusal::WrongCode);
            }
            let until = now.checked_add(*span).unwrap_or(Instant::MAX).min(claim.until);
            let new = Reservation { id: *id, teller: teller.clone(), branch: branch.clone(), until };
            reserve(&claim.standing, new, now)
        }
        Command::Confirm { id, teller, serial } => confirm(claim, *id, teller, serial, now),
        Command::Cancel { id, teller } => cancel(claim, *id, teller),
        Command::Withdraw => {
            claim.open(now)?;
            Ok(vec![Event::Withdrawn])
        }
        Command::Tick => Ok(tick(claim, now)),
    }
}

fn reserve(standing: &Standing, new: Reservation, now: Instant) -> Result<Vec<Event>, Refusal> {
    match standing {
        Standing::Reserved(held) if now < held.until && held.teller == new.teller => Ok(Vec::new()),
        Standing::Reserved(held) if now < held.until => Err(Refusal::Reserved),
        Standing::Reserved(held) => Ok(vec![lapsed(held), Event::Reserved(new)]),
        Standing::Available | Standing::Paid { .. } | Standing::Expired => Ok(vec![Event::Reserved(new)]),
    }
}

fn lapsed(held: &Reservation) -> Event {
    Event::Lapsed { id: held.id, teller: held.teller.clone() }
}

/// In time it is paid, also after a withdrawal: the teller stands there with the money. Late it is paid while a new claim would be taken and
/// nobody else has made one since.
fn confirm(claim: &Claim, id: Uuid, teller: &str, serial: &str, now: Instant) -> Result<Vec<Event>, Refusal> {
    let paid = || vec![Event::Paid { id, teller: teller.to_owned(), serial: serial.to_owned() }];
    let late = || claim.open(now).map_err(|_| Refusal::Lapsed);
    match &claim.standing {
        Standing::Paid { reservation, teller: by, serial: known } if *reservation == id && by == teller => {
            if known == serial { Ok(Vec::new()) } else { Err(Refusal::OtherSerial) }
        }
        Standing::Reserved(held) if held.id == id && held.teller == teller => {
            if now >= held.until {
                late()?;
            }
            Ok(paid())
        }
        standing => match claim.past.get(&id) {
            Some((Ended::Cancelled, by)) if by == teller => Err(Refusal::Cancelled),
            Some((Ended::Lapsed, by)) if by == teller && *standing == Standing::Available => late().map(|()| paid()),
            Some((Ended::Lapsed, by)) if by == teller => Err(Refusal::Lapsed),
            Some(_) | None => Err(Refusal::NoSuchReservation),
        },
    }
}

/// What ran out is given up, too: a late payment no longer comes.
fn cancel(claim: &Claim, id: Uuid, teller: &str) -> Result<Vec<Event>, Refusal> {
    let cancelled = || vec![Event::Cancelled { id, teller: teller.to_owned() }];
    match &claim.standing {
        Standing::Reserved(held) if held.id == id && held.teller == teller => Ok(cancelled()),
        Standing::Paid { reservation, teller: by, .. } if *reservation == id && by == teller => Err(Refusal::Paid),
        _ => match claim.past.get(&id) {
            Some((Ended::Cancelled, by)) if by == teller => Ok(Vec::new()),
            Some((Ended::Lapsed, by)) if by == teller => Ok(cancelled()),
            Some(_) | None => Err(Refusal::NoSuchReservation),
        },
    }
}

fn tick(claim: &Claim, now: Instant) -> Vec<Event> {
    let mut events = Vec::new();
    if let Standing::Reserved(held) = &claim.standing
        && now >= held.until
    {
        events.push(lapsed(held));
    }
    let unpaid = matches!(claim.standing, Standing::Available | Standing::Reserved(_));
    if unpaid && !claim.withdrawn && now >= claim.until {
        events.push(Event::Expired);
    }
    events
}

/// The claim after an event.
#[must_use]
pub fn evolve(mut claim: Claim, event: &Event) -> Claim {
    let (standing, past) = match event {
        Event::Reserved(new) => (Some(Standing::Reserved(new.clone())), None),
        Event::Lapsed { id, teller } => (Some(Standing::Available), Some((*id, (Ended::Lapsed, teller.clone())))),
        Event::Cancelled { id, teller } => {
            let ended = Some((*id, (Ended::Cancelled, teller.clone())));
            // One that had run out before leaves alone who holds it now.
            let own = matches!(&claim.standing, Standing::Reserved(held) if held.id == *id);
            (own.then_some(Standing::Available), ended)
        }
        Event::Paid { id, teller, serial } => {
            claim.past.remove(id);
            (Some(Standing::Paid { reservation: *id, teller: teller.clone(), serial: serial.clone() }), None)
        }
        Event::Withdrawn => {
            claim.withdrawn = true;
            (None, None)
        }
        Event::Expired => (Some(Standing::Expired), None),
    };
    claim.standing = standing.unwrap_or(claim.standing);
    claim.past.extend(past);
    claim
}
