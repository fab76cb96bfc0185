//! Tips of one matter come together in one case (clause D2). The rule is the core's; here it is found which two cases it is about.
//!
//! The two tips are told by two aggregates, and each leaves intake after a delay of its own, so a link may come before the first tip's case
//! is open. It waits then, and the later tip's case goes on meanwhile: nothing is left undone for a case that may never come.

use std::collections::BTreeSet;

use dafei_dispatch_core::case::{self, Command, Means};
use dafei_kernel::time::Instant;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    store::{cases, links},
    work::{Order, Refusal, Work},
};

/// A later tip, its own case, and the case of the first tip of the matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Link {
    pub(crate) tip: Uuid,
    pub(crate) case: Uuid,
    pub(crate) into: Uuid,
    /// From when it counts.
    pub(crate) at: Instant,
}

/// The links of one batch: those that it brings, and those that have waited for what it opens.
pub(crate) struct Links {
    waiting: BTreeSet<Link>,
    /// Those of them that are stored.
    stored: BTreeSet<Link>,
    cases: Vec<Uuid>,
}

impl Links {
    /// Loads what has waited for the cases that open, and finds out in which cases those that are named have ended.
    pub(crate) async fn load(conn: &mut PgConnection, opening: &[Uuid], fresh: &[Link]) -> sqlx::Result<Self> {
        let stored: BTreeSet<Link> = if opening.is_empty() {
            BTreeSet::new()
        } else {
            links::waiting_for(conn, opening).await?.into_iter().collect()
        };
        let named: Vec<Uuid> = stored.iter().chain(fresh).flat_map(|link| [link.case, link.into]).collect();
        let cases = if named.is_empty() { named } else { cases::with_successors(conn, &named).await? };
        Ok(Self { waiting: stored.clone(), stored, cases })
    }

    /// All cases that may change by these links, to be loaded.
    pub(crate) fn cases(&self) -> &[Uuid] {
        &self.cases
    }

    /// Whether a case has ended meanwhile in one that is not loaded: it was merged while its lock was waited for.
    pub(crate) fn outdated(&self, work: &Work<'_>) -> bool {
        let mut ended = self.cases.iter().filter_map(|id| work.case(*id)?.merged_into());
        ended.any(|into| work.case(into).is_none())
    }

    /// Carries a link out, or lets it wait for the first tip's case.
    pub(crate) fn take(&mut self, work: &mut Work<'_>, link: Link) -> Result<(), Refusal> {
        let Some(first) = work.case(last(work, link.into)) else {
            self.waiting.insert(link);
            return Ok(());
        };
        let into = first.facts.id;
        // The later tip's own case, wherever that has ended: the rule sees that nothing is left to give.
        let case::Link::Join(tips) = case::link(work.case(link.case), first, link.tip)? else { return Ok(()) };
        work.carry_out(&order(link.case, Command::HandOver { into }, link.at))?;
        work.carry_out(&order(into, Command::AttachTips(tips), link.at))?;
        Ok(())
    }

    /// A case is open: what has waited for it is carried out.
    pub(crate) fn opened(&mut self, work: &mut Work<'_>, case: Uuid) -> Result<(), Refusal> {
        let due: Vec<Link> = self.waiting.iter().filter(|link| link.into == case).copied().collect();
        for link in due {
            self.waiting.remove(&link);
            self.take(work, link)?;
        }
        Ok(())
    }

    /// Keeps what waits on, and forgets what does not.
    pub(crate) async fn save(self, conn: &mut PgConnection) -> sqlx::Result<()> {
        let done: Vec<Link> = self.stored.difference(&self.waiting).copied().collect();
        let fresh: Vec<Link> = self.waiting.difference(&self.stored).copied().collect();
        links::forget(conn, &done).await?;
        links::wait(conn, &fresh).await
    }
}

/// The case in which a case ended, on to the last.
fn last(work: &Work<'_>, case: Uuid) -> Uuid {
    let mut at = case;
    while let Some(into) = work.case(at).and_then(case::Case::merged_into) {
        at = into;
    }
    at
}

fn order(case: Uuid, command: Command, at: Instant) -> Order {
    Order {
        case: Some(case),
        command,
        actor: None,
        guarded: false,
        expected_version: None,
        then: None,
        at: Some(at),
        means: Means::Rpc,
        traceparent: None,
    }
}
