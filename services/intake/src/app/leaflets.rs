//! Recording a distribution of leaflets (clause D7).

use dafei_contracts::{events::v1 as ev, intake::v1 as api};
use dafei_intake_core::coverage;
use dafei_kernel::{claimed, region::RegionPath, time::Instant};
use dafei_messaging::requests::RequestKey;
use dafei_runtime::status::Fault;
use dafei_shell::{
    faults,
    once::{Begun, Once},
};

use super::book::Book;
use crate::{
    acting::Acting,
    app::{App, untimely},
    store::leaflets::{self, Distribution, EnterpriseReached},
    wire::publicity as wire,
};

/// A distribution on its way; the path leads to its village.
pub(crate) struct NewDistribution {
    pub(crate) request: (RequestKey, [u8; 32]),
    pub(crate) actor: Acting,
    pub(crate) path: RegionPath,
    pub(crate) distributed_at: Instant,
    pub(crate) copies: u32,
    pub(crate) households: u32,
    pub(crate) enterprises: Vec<EnterpriseReached>,
    /// As named; empty for the civil quarter.
    pub(crate) round: String,
}

/// Records a distribution, and adds to what its round has reached.
///
/// # Errors
/// When its time cannot be, or the database is away.
pub(crate) async fn distribute(app: &App, new: NewDistribution) -> Result<api::DistributeLeafletsResponse, Fault> {
    let (key, hash) = new.request;
    let mut once = match Once::begin(&app.pool, &*app.clock, key, &hash).await? {
        Begun::Answered(first) => return Ok(first),
        Begun::New(once) => once,
    };
    let now = once.now;
    claimed::check(new.distributed_at, now).map_err(|why| untimely("distributed_at", why))?;
    let mut book = Book::open(app, &mut once, &new.path, &new.actor).await?;
    let at = new.distributed_at;
    let distribution = Distribution {
        id: app.ids.ordered(now),
        village: new.path.leaf().clone(),
        distributed_at: at,
        copies: new.copies,
        households: new.households,
        enterprises: new.enterprises,
        round: if new.round.is_empty() { coverage::quarter(at) } else { new.round },
    };
    leaflets::insert(once.conn(), &distribution, &new.path, coverage::year(at), now).await.map_err(faults::database)?;
    book.tell(told(&distribution), at)?;
    book.close(once.conn()).await?;
    once.finish(api::DistributeLeafletsResponse { distribution: Some(wire::distribution(&distribution)) }).await
}

fn told(distribution: &Distribution) -> ev::LeafletsDistributed {
    ev::LeafletsDistributed {
        meta: None,
        distribution_id: distribution.id.to_string(),
        village: Some((&distribution.village).into()),
        copies: distribution.copies,
        households: distribution.households,
        enterprises: distribution.enterprises.iter().map(|one| one.credit_code.clone()).collect(),
        employees: distribution.enterprises.iter().map(|one| one.employees).fold(0, u32::saturating_add),
        distributed_at: Some(distribution.distributed_at.into()),
    }
}
