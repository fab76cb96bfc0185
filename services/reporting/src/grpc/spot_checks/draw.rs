//! Drawing a sample.

use dafei_contracts::{convert, events::v1 as events, reporting::v1 as pb};
use dafei_kernel::{
    act::Act,
    region::{Level, Region, RegionPath},
    roster::RosterIndex,
};
use dafei_reporting_core::spot_check::{self, Kind, MAX_SIZE, Rejection, SEED, Weighted};
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::{faults, once::Begun, scope};
use sqlx::PgConnection;

use super::{DRAWERS, SpotChecks, bounds, record::refused, wire};
use crate::{
    grpc::change,
    publisher::{self, Told},
    store::spot_checks::{self as store, Bounds, Member, NewSample},
};

/// A seed as it is used: without white space around it, and long enough that it is none by chance.
fn seed(given: &str) -> Result<String, Fault> {
    let seed = convert::bounded("seed", given, *SEED.end()).map_err(faults::convert)?;
    if seed.chars().count() < *SEED.start() {
        return Err(Fault::field("seed", "TOO_SHORT", "has fewer than 6 characters", "种子不能少于6个字符"));
    }
    Ok(seed)
}

impl SpotChecks {
    pub(super) async fn draw(
        &self,
        caller: &Principal,
        body: &pb::DrawSampleRequest,
    ) -> Result<pb::DrawSampleResponse, Fault> {
        scope::require(caller, &DRAWERS)?;
        let roster = self.roster.current();
        let region = convert::region("region", body.region.as_ref()).map_err(faults::convert)?;
        let path = scope::require_region(caller, &roster, "region", &region)?;
        if !matches!(region.level(), Level::City | Level::County | Level::Township) {
            let english = format!("nothing is drawn in a {}", region.level().code());
            return Err(Fault::field("region", "WRONG_LEVEL", english, "抽查范围应为市、县区或乡镇"));
        }
        let kind = wire::asked_kind(body.kind)?;
        let seed = seed(&body.seed)?;
        if !(1..=MAX_SIZE).contains(&body.size) {
            return Err(Fault::field("size", "OUT_OF_RANGE", "is not within 1 and 500", "抽查数量应为1至500"));
        }
        let begun = change::begin(&self.pool, &self.clock, caller, "DrawSample", &body.request_id, body).await?;
        let mut once = match begun {
            Begun::Answered(first) => return Ok(first),
            Begun::New(once) => once,
        };
        let (now, within) = (once.now, bounds(&path));
        let mut population = match kind {
            Kind::Village => villages(once.conn(), &roster, &region, &within).await?,
            Kind::Case => {
                let since = spot_check::closed_since(now);
                store::cases(once.conn(), &within, since).await.map_err(faults::database)?
            }
        };
        population.sort_by(|one, other| one.weighted.order(&other.weighted));
        if population.is_empty() {
            return Err(refused(Rejection::Nothing));
        }
        let list: Vec<Weighted> = population.iter().map(|one| one.weighted.clone()).collect();
        let sha256 = spot_check::digest(&list);
        let drawn: Vec<(usize, String)> = spot_check::draw(&list, &seed, body.size)
            .into_iter()
            .filter_map(|place| population.get(place).map(|member| (place, name(&roster, member))))
            .collect();
        let by = scope::post(caller);
        // Seeds could be tried against an id that follows from them, by all who see the sample before its end.
        let sample_id = self.ids.random();
        let city = path.at(Level::City).map(|city| city.code().to_string()).unwrap_or_default();
        let sample = NewSample {
            sample_id,
            kind: kind.code(),
            region: &region,
            city,
            county: within.county.unwrap_or_default(),
            township: within.township.unwrap_or_default(),
            seed: &seed,
            drawn_at: now,
            drawn_by: &by,
            sha256: &sha256,
        };
        if !store::insert(once.conn(), &sample, &population, &drawn).await.map_err(faults::database)? {
            return Err(seed_used(once.conn(), &sample).await?);
        }
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let event = events::SpotCheckDrawn {
            meta: None,
            sample_id: sample_id.to_string(),
            kind: kind.code().to_owned(),
            seed: seed.clone(),
            population_sha256: sha256.clone(),
            population: count(population.len()),
            size: count(drawn.len()),
            drawn_at: Some(now.into()),
        };
        let told = Told { aggregate: sample_id, path: &path, actor: Some(&by), at: now };
        publisher::tell(once.conn(), told, event).await?;
        let mut kept = store::samples(&mut *once.conn(), Some(sample_id), &Bounds::default(), None, 1)
            .await
            .map_err(faults::database)?;
        let kept = kept.pop().ok_or_else(|| Fault::internal("a sample that was kept is not there"))?;
        let rows =
            store::drawn(&mut *once.conn(), sample_id, None, &Bounds::default()).await.map_err(faults::database)?;
        let sample = pb::Sample { drawn: wire::drawn(rows, &[])?, ..wire::sample(&kept, true)? };
        once.finish(pb::DrawSampleResponse { sample: Some(sample) }).await
    }
}

/// The refusal of a seed that was used, which names the sample that was drawn with it.
async fn seed_used(conn: &mut PgConnection, sample: &NewSample<'_>) -> Result<Fault, Fault> {
    let drawn = store::of_seed(conn, sample).await.map_err(faults::database)?;
    let (english, zh) = ("the seed was used for this region and kind", "该范围已用此种子抽取过，不能重复抽取");
    Ok(Fault::precondition("SEED_USED", format!("sample/{drawn}"), english, zh))
}

/// The villages of a region by the roster of now, each with its weight.
async fn villages(
    conn: &mut PgConnection,
    roster: &RosterIndex,
    region: &Region,
    within: &Bounds,
) -> Result<Vec<Member>, Fault> {
    let breaches = store::village_breaches(conn, within).await.map_err(faults::database)?;
    let all = roster.within(region).into_iter().filter(|one| one.level() == Level::Village);
    let member = |village: &Region| {
        let path: RegionPath = roster.path(village)?;
        let Bounds { county, township } = bounds(&path);
        let open = breaches.get(village.code().as_str()).copied().unwrap_or_default();
        Some(Member {
            weighted: Weighted { id: village.code().to_string(), weight: store::weight(open) },
            county: county.unwrap_or_default(),
            township: township.unwrap_or_default(),
            place: village.to_string(),
            act: String::new(),
        })
    };
    Ok(all.filter_map(member).collect())
}

/// A village with its township, or a case by its place and act.
fn name(roster: &RosterIndex, member: &Member) -> String {
    let place: Option<Region> = member.place.parse().ok();
    let path = place.and_then(|place| roster.path(&place));
    let regions = path.iter().flat_map(|path| path.regions()).skip(2);
    let names: String = regions.filter_map(|region| roster.get(region)).map(|entry| entry.name.as_str()).collect();
    let act = Act::parse(&member.act).map(Act::name_zh).unwrap_or_default();
    format!("{names} {act}").trim().to_owned()
}
