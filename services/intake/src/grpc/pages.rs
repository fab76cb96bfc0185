//! Pages of lists by region, newest first.

use dafei_kernel::{region::Region, roster::RosterIndex, time::Instant};
use dafei_runtime::status::Fault;
use dafei_shell::paging;
use prost::Message;
use uuid::Uuid;

use super::{Cursor, before, suspicions::villages_of};
use crate::store::OfRegion;

/// The page of a region that is asked for: one row more than its size, which says whether there is a next one. `asked` is the request without its page
/// fields.
pub(super) fn of_region<'a>(
    roster: &RosterIndex,
    region: &'a Region,
    (page_size, page_token): (i32, &str),
    asked: &impl Message,
) -> Result<OfRegion<'a>, Fault> {
    Ok(OfRegion {
        villages: villages_of(roster, region),
        region,
        before: before(paging::decode(page_token, asked)?)?,
        limit: paging::page_size(page_size, 50, 500)? + 1,
    })
}

/// Cuts the rows to the page's size; the token of the next page, empty at the end.
pub(super) fn cut<T>(
    rows: &mut Vec<T>,
    limit: i64,
    asked: &impl Message,
    place: impl Fn(&T) -> (Instant, Uuid),
) -> String {
    let size = usize::try_from(limit - 1).unwrap_or(usize::MAX);
    let full = rows.len() > size;
    rows.truncate(size);
    let cursor = rows.last().filter(|_| full).map(|last| -> Cursor {
        let (at, id) = place(last);
        (at.as_microsecond(), id)
    });
    cursor.map(|cursor| paging::encode(&cursor, asked)).unwrap_or_default()
}
