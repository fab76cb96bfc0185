//! The settings of rewards and of their claims.

use dafei_kernel::money::Fen;
use dafei_runtime::config::{
    Checked, Pending, Reader,
    parse::{self, Parsed},
};
use jiff::SignedDuration;

/// What is configured of rewards and their claims (clauses D3, D4).
#[derive(Debug, Clone)]
pub struct RewardSettings {
    /// Highest reward of one payment, as agreed with the bank.
    pub cap: Fen,
    /// How long a claim is reserved for its teller.
    pub reservation: SignedDuration,
    /// The span of the limits below.
    pub span: SignedDuration,
    /// Failed claims of a teller in a span.
    pub teller: u32,
    /// Failed claims of a branch in a span.
    pub branch: u32,
    /// Failed claims of an announcement in a span.
    pub announcement: u32,
    /// Failed claims of one teller at one announcement in a span.
    pub teller_announcement: u32,
    /// No claim is refused before this time has passed.
    pub refusal_after: std::time::Duration,
}

/// The settings that were asked for.
pub(super) struct Asked {
    cap: Pending<Fen>,
    reservation: Pending<SignedDuration>,
    span: Pending<SignedDuration>,
    tries: [Pending<u32>; 4],
    refusal_after: Pending<std::time::Duration>,
}

impl Asked {
    pub(super) fn ask(reader: &mut Reader<'_>) -> Self {
        Self {
            cap: reader.value("DAFEI_REWARD_CAP_FEN", cap),
            reservation: reader.value("DAFEI_CLAIM_RESERVATION_MINUTES", minutes(240)),
            span: reader.value("DAFEI_CLAIM_SPAN_MINUTES", minutes(1_440)),
            tries: [
                "DAFEI_CLAIM_TRIES_TELLER",
                "DAFEI_CLAIM_TRIES_BRANCH",
                "DAFEI_CLAIM_TRIES_ANNOUNCEMENT",
                "DAFEI_CLAIM_TRIES_TELLER_ANNOUNCEMENT",
            ]
            .map(|name| reader.value(name, parse::whole(1, 10_000))),
            refusal_after: reader.value("DAFEI_CLAIM_REFUSAL_MILLIS", |text| {
                parse::whole(0_u64, 10_000)(text).map(std::time::Duration::from_millis)
            }),
        }
    }

    pub(super) fn get(self, checked: &Checked) -> RewardSettings {
        let [teller, branch, announcement, teller_announcement] = self.tries.map(|tries| tries.get(checked));
        RewardSettings {
            cap: self.cap.get(checked),
            reservation: self.reservation.get(checked),
            span: self.span.get(checked),
            teller,
            branch,
            announcement,
            teller_announcement,
            refusal_after: self.refusal_after.get(checked),
        }
    }
}

fn cap(text: &str) -> Parsed<Fen> {
    Fen::new(parse::whole(1_i64, 100_000_000_000)(text)?).map_err(|error| error.to_string())
}

/// Minutes, from 1 on.
fn minutes(most: i64) -> impl Fn(&str) -> Parsed<SignedDuration> {
    move |text| parse::whole(1, most)(text).map(SignedDuration::from_mins)
}
