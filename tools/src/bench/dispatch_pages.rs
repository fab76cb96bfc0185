//! How long a page takes: inboxes of units drawn at random, and the lists of cases of counties and townships, each walked some pages deep.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use dafei_contracts::dispatch::v1::{
    CaseState, InboxKind, ListCasesRequest, ListInboxRequest, case_service_client::CaseServiceClient,
    inbox_service_client::InboxServiceClient,
};
use dafei_kernel::{agency::Agency, region::Region, role::Role};
use sqlx::PgPool;
use tokio::task::JoinSet;

use crate::client::{self, Bearer, Caller, Keys, Service, Suite};

/// Who reads at the same time.
const READERS: usize = 4;
/// Pages that a reader follows at most before another unit is drawn.
const DEPTH: usize = 4;

/// A list that is read: whose, and which.
#[derive(Clone)]
struct Screen {
    bearer: Bearer,
    region: Region,
    kind: InboxKind,
}

/// What was measured: an inbox's pages, a list's pages, and how many entries the inboxes' pages had.
#[derive(Default)]
pub(super) struct Pages {
    pub(super) inbox: Vec<Duration>,
    pub(super) cases: Vec<Duration>,
    pub(super) entries: usize,
}

/// Reads pages for a time.
pub(super) async fn run(suite: &Suite, keys: &Keys, time: Duration) -> anyhow::Result<Pages> {
    let screens = Arc::new(screens(keys).await?);
    let next = Arc::new(AtomicU64::new(1));
    let end = Instant::now() + time;
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        let (suite, screens, next) = (suite.clone(), screens.clone(), next.clone());
        readers.spawn(async move { read(&suite, &screens, &next, end).await });
    }
    let mut all = Pages::default();
    while let Some(pages) = readers.join_next().await {
        let pages = pages??;
        all.inbox.extend(pages.inbox);
        all.cases.extend(pages.cases);
        all.entries += pages.entries;
    }
    Ok(all)
}

async fn read(suite: &Suite, screens: &[Screen], next: &AtomicU64, end: Instant) -> anyhow::Result<Pages> {
    let mut pages = Pages::default();
    while Instant::now() < end {
        let drawn = scattered(next.fetch_add(1, Ordering::Relaxed));
        let screen = &screens[usize::try_from(drawn % u64::try_from(screens.len())?)?];
        inbox(suite, screen, &mut pages).await?;
        // As often as the inbox of what is open: the lists are the same whatever kind was drawn.
        if matches!(screen.kind, InboxKind::Open) {
            list(suite, screen, drawn, &mut pages).await?;
        }
    }
    Ok(pages)
}

async fn inbox(suite: &Suite, screen: &Screen, pages: &mut Pages) -> anyhow::Result<()> {
    let mut client = InboxServiceClient::new(suite.with(Service::Dispatch, &screen.bearer));
    let mut page_token = String::new();
    for _ in 0..DEPTH {
        let begun = Instant::now();
        let asked = ListInboxRequest { kind: screen.kind.into(), page_token, ..Default::default() };
        let answer = client.list_inbox(asked).await?.into_inner();
        pages.inbox.push(begun.elapsed());
        pages.entries += answer.items.len();
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    Ok(())
}

/// All cases of the region, or those that are open, or those in one state.
async fn list(suite: &Suite, screen: &Screen, drawn: u64, pages: &mut Pages) -> anyhow::Result<()> {
    let states = match drawn / 7 % 3 {
        0 => Vec::new(),
        1 => vec![CaseState::AtCentre.into(), CaseState::AtOffice.into()],
        _ => vec![CaseState::DepartmentResult.into()],
    };
    let mut client = CaseServiceClient::new(suite.with(Service::Dispatch, &screen.bearer));
    let mut page_token = String::new();
    for _ in 0..DEPTH {
        let begun = Instant::now();
        let asked = ListCasesRequest {
            region: Some((&screen.region).into()),
            states: states.clone(),
            page_token,
            ..Default::default()
        };
        page_token = client.list_cases(asked).await?.into_inner().next_page_token;
        pages.cases.push(begun.elapsed());
        if page_token.is_empty() {
            break;
        }
    }
    Ok(())
}

/// The inboxes of every county's office and department and of every township's centre and agency, in each kind that they have entries of.
async fn screens(keys: &Keys) -> anyhow::Result<Vec<Screen>> {
    let pool = PgPool::connect(&client::setting("DAFEI_DISPATCH_DATABASE_URL")?).await?;
    let regions: Vec<String> = sqlx::query_scalar(
        "SELECT level || ':' || code FROM roster_region WHERE level IN ('county', 'township') ORDER BY level, code",
    )
    .fetch_all(&pool)
    .await?;
    let agencies: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT agency FROM instruction WHERE level = 'county'").fetch_all(&pool).await?;
    let mut screens = Vec::new();
    for region in regions {
        let county = region.starts_with("county:");
        let region: Region = region.parse()?;
        let (post, unit) = if county {
            (Role::CountyOffice, Role::CountyDepartment)
        } else {
            (Role::TownshipCentre, Role::TownshipAgency)
        };
        let mut callers = vec![Caller::new(post, region.clone())];
        if county {
            for agency in &agencies {
                callers.push(Caller::new(unit, region.clone()).of(agency.parse()?));
            }
        } else {
            callers.push(Caller::new(unit, region.clone()).of(Agency::MarketRegulation));
        }
        for caller in callers {
            let bearer = keys.bearer(&caller)?;
            for kind in [InboxKind::Open, InboxKind::Returned, InboxKind::DueSoon, InboxKind::Overdue] {
                screens.push(Screen { bearer: bearer.clone(), region: region.clone(), kind });
            }
        }
    }
    Ok(screens)
}

/// A number that jumps, the same in every run: the next of SplitMix64.
const fn scattered(number: u64) -> u64 {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}
