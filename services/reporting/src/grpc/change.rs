//! A call that changes something, once for its request id.

use dafei_kernel::clock::SharedClock;
use dafei_messaging::requests::RequestKey;
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::{
    faults,
    once::{Begun, Once},
};
use prost::Message;
use sqlx::PgPool;

/// Begins the write of a call, unless its request id was answered before.
///
/// # Errors
/// When the request id is none or was used for something else; when PostgreSQL is away.
pub(super) async fn begin<A: Message + Default>(
    pool: &PgPool,
    clock: &SharedClock,
    caller: &Principal,
    method: &str,
    request_id: &str,
    body: &impl Message,
) -> Result<Begun<A>, Fault> {
    let request_id = faults::request_id(request_id)?.to_string();
    let key = RequestKey { subject: caller.subject.clone(), method: method.to_owned(), request_id };
    Once::begin(pool, &**clock, key, &faults::payload_hash(body)).await
}
