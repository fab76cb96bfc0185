//! Publishing hotlines, standards and the bank that pays (clause D1).

use dafei_intake_core::reward::standard::Standard;
use dafei_messaging::requests::RequestKey;
use dafei_runtime::status::Fault;
use dafei_shell::{
    faults,
    once::{Begun, Once},
};
use prost::Message;

use crate::{
    app::App,
    store::{
        reward_data::{self, Hotline, RewardBank},
        roles::{Acting, Officer},
    },
};

/// What is published.
pub(crate) enum Data {
    /// A hotline; true when it ends.
    Hotline(Hotline, bool),
    /// A version of a standard.
    Standard(Standard),
    /// A bank.
    Bank(RewardBank),
}

/// Publishes it; the answer is empty.
///
/// # Errors
/// When the request id stands for something else; or the database.
pub(crate) async fn put<A: Message + Default>(
    app: &App,
    (request, payload_hash): (RequestKey, [u8; 32]),
    data: &Data,
) -> Result<A, Fault> {
    let mut once = match Once::begin(&app.pool, &*app.clock, request, &payload_hash).await? {
        Begun::Answered(first) => return Ok(first),
        Begun::New(once) => once,
    };
    let id = app.ids.ordered(once.now);
    let mut officer = Acting::<Officer>::take(once.conn()).await.map_err(faults::database)?;
    match data {
        Data::Hotline(hotline, ended) => reward_data::put_hotline(&mut officer, hotline, *ended).await,
        Data::Standard(standard) => reward_data::put_standard(&mut officer, id, standard).await,
        Data::Bank(bank) => reward_data::put_bank(&mut officer, bank).await,
    }
    .map_err(faults::database)?;
    officer.leave().await.map_err(faults::database)?;
    once.finish(A::default()).await
}
