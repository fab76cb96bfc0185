//! Broadcasts: checked, listed.

use dafei_contracts::{convert, intake::v1 as api};
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::faults;

use super::{listed, number, written};
use crate::{
    acting::Acting,
    app::NewBroadcast,
    grpc::{Grpc, pages, request_key, text},
    store::broadcasts,
    wire::publicity as wire,
};

/// Longest broadcast, in seconds.
const SECONDS: u32 = 14_400;
/// Longest text, in characters.
const TEXT: usize = 2_000;

impl Grpc {
    pub(super) fn new_broadcast(
        &self,
        caller: &Principal,
        body: &api::RecordBroadcastRequest,
    ) -> Result<NewBroadcast, Fault> {
        let path = written(caller, &self.app.roster.current(), body.village.as_ref())?;
        Ok(NewBroadcast {
            request: (request_key(caller, "RecordBroadcast", &body.request_id)?, faults::payload_hash(body)),
            actor: Acting::of(caller),
            path,
            made_at: convert::instant("made_at", body.made_at).map_err(faults::convert)?,
            seconds: number("seconds", body.seconds, 1, SECONDS)?,
            text: text("text", &body.text, TEXT)?,
        })
    }

    pub(super) async fn broadcasts(
        &self,
        caller: &Principal,
        body: &api::ListBroadcastsRequest,
    ) -> Result<api::ListBroadcastsResponse, Fault> {
        let roster = self.app.roster.current();
        let region = listed(caller, &roster, body.region.as_ref())?;
        let asked = api::ListBroadcastsRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let page = pages::of_region(&roster, &region, (body.page_size, &body.page_token), &asked)?;
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let mut rows = broadcasts::list(&mut conn, &page).await.map_err(faults::database)?;
        let next_page_token = pages::cut(&mut rows, page.limit, &asked, |last| (last.made_at, last.id));
        Ok(api::ListBroadcastsResponse { broadcasts: rows.iter().map(wire::broadcast).collect(), next_page_token })
    }
}
