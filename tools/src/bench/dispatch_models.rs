//! One case per stage, played on the running suite by those who have it: what the generated cases are like.

use anyhow::Context as _;
use dafei_contracts::{
    dispatch::v1::{Case, CaseState, DeclineInstructionRequest, agency_service_client::AgencyServiceClient},
    types::v1::{CloseDown, Measure, measure::Kind},
};
use dafei_kernel::{
    agency::Agency,
    clock::{Clock as _, SystemClock},
    role::Role,
};

use crate::{
    actors::{Actor, request_id},
    client::{Caller, Keys, Service, Suite},
};

const COUNTY: &str = "county:371302";
const TOWNSHIP: &str = "township:371302101";
const VILLAGE: &str = "village:371302101208";
/// 非法经营液化气 in a den: within the authority of a township.
const ACT: &str = "HC-9";
const STATION: Agency = Agency::MarketRegulation;

/// The posts that play.
struct Cast<'a> {
    suite: &'a Suite,
    keys: &'a Keys,
    member: Actor<'a>,
    secretary: Actor<'a>,
    centre: Actor<'a>,
    office: Actor<'a>,
    station: Actor<'a>,
}

/// Plays the models and prints their ids, a line.
pub(super) async fn run(suite: &Suite, keys: &Keys) -> anyhow::Result<()> {
    let cast = Cast {
        suite,
        keys,
        member: Actor::new(suite, keys, Role::GridMember, VILLAGE)?,
        secretary: Actor::new(suite, keys, Role::VillageSecretary, VILLAGE)?,
        centre: Actor::new(suite, keys, Role::TownshipCentre, TOWNSHIP)?,
        office: Actor::new(suite, keys, Role::CountyOffice, COUNTY)?,
        station: Actor::agency(suite, keys, Role::TownshipAgency, TOWNSHIP, STATION)?,
    };
    for (state, township) in [
        (CaseState::AtCentre, true),
        (CaseState::WithTownshipAgency, true),
        (CaseState::Declined, true),
        (CaseState::TownshipResult, true),
        (CaseState::AtOffice, false),
        (CaseState::WithDepartment, false),
        (CaseState::DepartmentResult, false),
        (CaseState::OutcomeAvailable, true),
        (CaseState::Closed, true),
        (CaseState::Closed, false),
    ] {
        let id = cast.reported().await?;
        if township {
            cast.in_township(&id, state).await?;
        } else {
            cast.in_county(&id, state).await?;
        }
        cast.centre.case_in(&id, state).await?;
        println!("{id}");
    }
    Ok(())
}

impl Cast<'_> {
    async fn reported(&self) -> anyhow::Result<String> {
        let id = self.member.suspect_plainly(ACT, "村北养殖场西侧院内").await?;
        self.member.notify(&id).await?;
        self.secretary.persuade(&id, false, "拒不停止").await?;
        self.secretary.report_up(&id).await?;
        self.centre.case_in(&id, CaseState::AtCentre).await?;
        Ok(id)
    }

    async fn in_township(&self, id: &str, state: CaseState) -> anyhow::Result<()> {
        if state == CaseState::AtCentre {
            return Ok(());
        }
        let case = self.centre.instruct(id, STATION.code(), "立即查处非法充装点").await?;
        let instruction = last_instruction(&case)?;
        match state {
            CaseState::WithTownshipAgency => return self.station.read(&instruction).await,
            CaseState::Declined => return self.decline(&instruction).await,
            _ => self.station.work_off(&instruction, None, "窝点已取缔", &[ACT], vec![close_down()]).await?,
        }
        if matches!(state, CaseState::OutcomeAvailable | CaseState::Closed) {
            self.centre.accept_result(id, "村北液化气非法充装点已取缔").await?;
        }
        if state == CaseState::Closed {
            self.secretary.publish(id).await?;
        }
        Ok(())
    }

    async fn in_county(&self, id: &str, state: CaseState) -> anyhow::Result<()> {
        self.centre.escalate_now(id, "超出乡镇职权范围").await?;
        if state == CaseState::AtOffice {
            return Ok(());
        }
        let case = self.office.assign(id, "立即处置").await?;
        let lead = case.instructions.iter().find(|instruction| instruction.lead).context("no lead")?;
        let agency: Agency = lead.post.as_ref().context("no post")?.agency.parse()?;
        let department = Actor::agency(self.suite, self.keys, Role::CountyDepartment, COUNTY, agency)?;
        if state == CaseState::WithDepartment {
            return department.read(&lead.instruction_id).await;
        }
        department.work_off(&lead.instruction_id, Some("现场处置"), "窝点已取缔", &[ACT], vec![close_down()]).await?;
        if state == CaseState::Closed {
            self.office.feed_back(id, "已取缔", "窝点已取缔").await?;
            self.secretary.publish(id).await?;
        }
        Ok(())
    }

    async fn decline(&self, instruction: &str) -> anyhow::Result<()> {
        self.station.read(instruction).await?;
        let bearer = self.keys.bearer(&Caller::new(Role::TownshipAgency, TOWNSHIP.parse()?).of(STATION))?;
        let message = DeclineInstructionRequest {
            request_id: request_id(),
            instruction_id: instruction.to_owned(),
            reason: "不属于本机构职责".to_owned(),
            legal_basis: String::new(),
        };
        AgencyServiceClient::new(self.suite.with(Service::Dispatch, &bearer)).decline_instruction(message).await?;
        Ok(())
    }
}

fn last_instruction(case: &Case) -> anyhow::Result<String> {
    Ok(case.instructions.last().context("no instruction")?.instruction_id.clone())
}

fn close_down() -> Measure {
    Measure {
        measure_id: "close".to_owned(),
        decided_at: Some(SystemClock.now().into()),
        comply_by: None,
        kind: Some(Kind::CloseDown(CloseDown { note: "拆除充装设备".to_owned() })),
    }
}
