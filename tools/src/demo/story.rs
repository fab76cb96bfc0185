//! The story: five cases and a public tip in one county, told as they happen.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use dafei_contracts::{
    dispatch::v1::{Case, CaseState},
    reporting::v1::{
        FilingUnit, GetMonthlyTableRequest, GetMonthlyTableResponse,
        monthly_table_service_client::MonthlyTableServiceClient,
    },
    sla::v1::{
        ListBreachesRequest, ListObligationsRequest, ObligationItem, breach_service_client::BreachServiceClient,
        deadline_service_client::DeadlineServiceClient,
    },
    timestamp::Timestamp,
    types::v1::{CloseDown, Den, Enterprise, Fine, Measure, Region, StopProduction, Subject, measure::Kind, subject},
};
use dafei_kernel::{
    agency::Agency,
    role::Role,
    time::{Instant, Month, format_local},
};
use serde_json::json;

use crate::{
    actors::Actor,
    agency,
    agency_system::AgencySystem,
    client::{Caller, Keys, Service, Suite},
    demo::tip,
    exercise::{self, Target},
};

const COUNTY: &str = "county:371302";
const TOWNSHIP: &str = "township:371302101";
const VILLAGE: &str = "village:371302101208";
const CREDIT_CODE: &str = "91350100M000100Y43";

/// Everything the story needs at hand.
struct Stage<'a> {
    suite: &'a Suite,
    keys: Keys,
    member: Actor<'a>,
    secretary: Actor<'a>,
    centre: Actor<'a>,
    office: Actor<'a>,
}

pub(super) async fn play(suite: &Suite) -> anyhow::Result<()> {
    let keys = Keys::from_env()?;
    let stage = Stage {
        suite,
        member: Actor::new(suite, &keys, Role::GridMember, VILLAGE)?,
        secretary: Actor::new(suite, &keys, Role::VillageSecretary, VILLAGE)?,
        centre: Actor::new(suite, &keys, Role::TownshipCentre, TOWNSHIP)?,
        office: Actor::new(suite, &keys, Role::CountyOffice, COUNTY)?,
        keys,
    };
    println!("—— 打非闭环演示 ——");
    let begun = stage.now().await?;
    println!("演练时钟：{}", format_local(begun));
    stage.patrol().await?;
    let mut cases = vec![stage.heeded().await?, stage.township_branch().await?];
    cases.push(stage.county_branch().await?);
    cases.push(stage.enterprise().await?);
    stage.left_alone().await?;
    stage.closed(&cases[1..]).await?;
    tip::play(suite, &stage.keys).await?;
    stage.table(Month::of(begun)).await
}

fn agency_name(code: &str) -> String {
    code.parse::<Agency>().map_or_else(|_| code.to_owned(), |agency| agency.name_zh().to_owned())
}

fn den(place: &str) -> Subject {
    Subject { kind: Some(subject::Kind::Den(Den { place: place.to_owned(), position: None, industry: String::new() })) }
}

fn measure(id: &str, at: Instant, kind: Kind) -> Measure {
    Measure { measure_id: id.to_owned(), decided_at: Some(Timestamp::from(at)), comply_by: None, kind: Some(kind) }
}

fn wire(region: &str) -> anyhow::Result<Region> {
    Ok((&region.parse::<dafei_kernel::region::Region>()?).into())
}

impl Stage<'_> {
    async fn now(&self) -> anyhow::Result<Instant> {
        exercise::now(self.suite, &self.keys).await
    }

    /// Lets exercise time pass; with the machine's clock the demo goes on at once.
    async fn pass(&self, minutes: u64) -> anyhow::Result<()> {
        if exercise::is_on(self.suite, &self.keys).await? {
            exercise::run(self.suite, &self.keys, Target::By(Duration::from_secs(minutes * 60))).await?;
        }
        Ok(())
    }

    async fn patrol(&self) -> anyhow::Result<()> {
        println!("\n一、巡查");
        for object in ["村东头旧厂房", "沿街商铺", "河边闲置院落"] {
            let count = self.member.patrol(object, "现场查看，拍照留存").await?;
            println!("  网格员巡查「{object}」，本周第 {count} 次");
        }
        Ok(())
    }

    /// Persuasion is heeded, the re-visit confirms it: closed in the village.
    async fn heeded(&self) -> anyhow::Result<String> {
        println!("\n二、听劝整改（村居闭环）");
        let found = self.member.suspect("FS-2", den("超市后门"), "货物堵塞安全出口").await?;
        println!("  网格员发现疑似非法行为 FS-2（占用疏散通道和安全出口）");
        self.member.notify(&found.case_id).await?;
        self.pass(10).await?;
        self.secretary.persuade(&found.case_id, true, "当场清理").await?;
        self.member.revisit(&found.case_id, "通道已清空").await?;
        println!("  支部书记教育劝导，对方听劝；回访并拍照，线索办结");
        Ok(found.case_id)
    }

    /// Refused, and within the township's authority.
    async fn township_branch(&self) -> anyhow::Result<String> {
        println!("\n三、乡镇吹哨");
        let found = self.member.suspect("HC-9", den("村北养殖场西侧院内"), "院内存放液化气钢瓶并对外充装").await?;
        let id = found.case_id;
        println!("  网格员发现非法经营液化气窝点（HC-9），1 小时内报告支部书记");
        self.pass(20).await?;
        self.member.notify(&id).await?;
        self.pass(30).await?;
        self.secretary.persuade(&id, false, "拒不停止").await?;
        self.secretary.report_up(&id).await?;
        println!("  教育劝导不听，支部书记上报乡镇网格化服务中心");
        let agency = Agency::MarketRegulation;
        let case = self.centre.instruct(&id, agency.code(), "立即查处非法充装点").await?;
        let instruction = case.instructions.last().context("没有指令")?.instruction_id.clone();
        println!("  中心分析研判，向乡镇{}机构下达指令", agency.name_zh());
        self.pass(60).await?;
        let now = self.now().await?;
        let station = Actor::agency(self.suite, &self.keys, Role::TownshipAgency, TOWNSHIP, agency)?;
        let measures = vec![
            measure("close", now, Kind::CloseDown(CloseDown { note: "拆除充装设备".to_owned() })),
            measure(
                "fine",
                now,
                Kind::Fine(Fine {
                    amount_fen: 3_000_000,
                    decision_number: "临兰市监罚〔2026〕1号".to_owned(),
                    mitigation: String::new(),
                }),
            ),
        ];
        station.work_off(&instruction, None, "窝点已取缔，罚款三万元", &["HC-9"], measures).await?;
        println!("  机构 4 小时内反馈结果：关闭取缔，罚款 3 万元");
        self.centre.accept_result(&id, "村北液化气非法充装点已取缔").await?;
        self.publish(&id).await?;
        Ok(id)
    }

    /// Beyond the township: the county's department works with a system of its own, on NATS.
    async fn county_branch(&self) -> anyhow::Result<String> {
        println!("\n四、部门报到（部门自有系统经消息总线接收指令）");
        let found = self.member.suspect("FW-1", den("村南废弃砖厂"), "室内堆放烟火药，有人作业").await?;
        let id = found.case_id;
        self.member.notify(&id).await?;
        self.secretary.report_up(&id).await?;
        println!("  发现非法生产烟花爆竹（FW-1，不得以劝导代替），直接上报乡镇");
        self.centre.escalate(&id, "超出乡镇职权范围").await?;
        let proposal = self.office.propose(&id).await?;
        println!(
            "  县区安委会办公室：建议牵头 {}，配合 {}（依据：{}）",
            agency_name(&proposal.lead),
            proposal.co_handlers.iter().map(|code| agency_name(code)).collect::<Vec<_>>().join("、"),
            proposal.basis
        );
        let credentials = agency::issue(self.suite, &self.keys, proposal.lead.parse()?, &COUNTY.parse()?).await?;
        let mut system = AgencySystem::connect(&credentials).await?;
        let case = self.office.assign(&id, "按职责立即处置").await?;
        let instruction = loop {
            let instruction = system.next("instruction").await?;
            if instruction["caseId"] == id.as_str() {
                break instruction;
            }
        };
        let number = instruction["instructionId"].as_str().context("指令没有编号")?.to_owned();
        println!("  部门系统收到指令 {number}");
        self.feed(&mut system, "accepted", &number, json!({"by": "值班室"})).await?;
        self.pass(180).await?;
        self.feed(&mut system, "response", &number, json!({"plan": "会同公安现场处置"})).await?;
        println!("  12 小时内响应：会同公安现场处置");
        self.co_handlers(&case).await?;
        self.pass(24 * 60).await?;
        let now = self.now().await?.to_string();
        let result = json!({
            "kind": "RESULT_KIND_FINAL",
            "text": "收缴原料，取缔窝点，移送公安机关",
            "confirmedActs": ["FW-1"],
            "measures": [
                {"measureId": "close", "decidedAt": now, "closeDown": {"note": "拆除设备，收缴原料"}},
                {"measureId": "criminal", "decidedAt": now, "criminalMeasure": {"persons": 2}},
            ],
            "exemptions": [
                {"measure": "WITHOUT_EXCEPTION_MAXIMUM_FINE", "reason": "移送公安机关，另案处罚"},
                {"measure": "WITHOUT_EXCEPTION_STOP_PRODUCTION", "reason": "窝点已取缔，无生产可停"},
            ],
        });
        self.feed(&mut system, "result", &number, result).await?;
        println!("  5 个工作日内反馈结果：取缔窝点，采取刑事措施 2 人");
        self.office.feed_back(&id, "窝点已取缔", "村南非法生产烟花爆竹窝点已取缔").await?;
        println!("  1 小时内反馈乡镇");
        self.publish(&id).await?;
        Ok(id)
    }

    /// Departments that assist have an instruction, a response and a result of their own.
    async fn co_handlers(&self, case: &Case) -> anyhow::Result<()> {
        for instruction in case.instructions.iter().filter(|instruction| !instruction.lead) {
            let agency: Agency = instruction.post.as_ref().context("没有岗位")?.agency.parse()?;
            let department = Actor::agency(self.suite, &self.keys, Role::CountyDepartment, COUNTY, agency)?;
            department.work_off(&instruction.instruction_id, Some("派员配合"), "已配合处置", &[], Vec::new()).await?;
            println!("  {}部门配合处置并反馈", agency.name_zh());
        }
        Ok(())
    }

    async fn feed(
        &self,
        system: &mut AgencySystem,
        kind: &str,
        instruction: &str,
        body: serde_json::Value,
    ) -> anyhow::Result<()> {
        let receipt = system.feed_back(kind, instruction, body).await?;
        let taken = ["RECEIPT_STATUS_ACCEPTED", "RECEIPT_STATUS_DUPLICATE"];
        ensure!(
            receipt["status"].as_str().is_some_and(|status| taken.contains(&status)),
            "反馈 {kind} 未被接受：{receipt}"
        );
        Ok(())
    }

    /// A lawful enterprise: no persuasion, and its own regulator (clause A4).
    async fn enterprise(&self) -> anyhow::Result<String> {
        println!("\n五、合法生产经营单位（不经劝导，由行业监管部门负责）");
        let enterprise = Subject {
            kind: Some(subject::Kind::Enterprise(Enterprise {
                credit_code: CREDIT_CODE.to_owned(),
                name: "演示化工有限公司".to_owned(),
                industry: "general".to_owned(),
                regulator: Agency::IndustryInformation.code().to_owned(),
            })),
        };
        let found = self.member.suspect("HC-4", enterprise, "超许可范围使用危化品").await?;
        let id = found.case_id;
        println!("  网格员登记后直达乡镇中心");
        self.centre.escalate(&id, "由行业监管部门处理").await?;
        let proposal = self.office.propose(&id).await?;
        let case = self.office.assign(&id, "依法查处").await?;
        let lead = case.instructions.iter().find(|instruction| instruction.lead).context("没有牵头部门")?;
        println!("  县区安委会办公室安排{}牵头", agency_name(&proposal.lead));
        let department = Actor::agency(self.suite, &self.keys, Role::CountyDepartment, COUNTY, proposal.lead.parse()?)?;
        let now = self.now().await?;
        let measures = vec![
            measure("stop", now, Kind::StopProduction(StopProduction { order_number: "停产1号".to_owned() })),
            measure(
                "fine",
                now,
                Kind::Fine(Fine {
                    amount_fen: 12_345_600,
                    decision_number: "罚2号".to_owned(),
                    mitigation: "主动配合整改，从轻处罚".to_owned(),
                }),
            ),
        ];
        department
            .work_off(&lead.instruction_id, Some("现场核查"), "责令停产整顿并处罚款", &["HC-4"], measures)
            .await?;
        println!("  部门反馈：停产整顿，罚款 12.35 万元");
        self.co_handlers(&case).await?;
        self.office.feed_back(&id, "已责令停产整顿", "某企业超范围使用危化品，已责令停产整顿").await?;
        self.publish(&id).await?;
        Ok(id)
    }

    async fn publish(&self, id: &str) -> anyhow::Result<()> {
        let text = self.secretary.publish(id).await?;
        println!("  村务公开栏公开：{text}");
        Ok(())
    }

    /// Nobody acts: the clocks say whose fault it is.
    async fn left_alone(&self) -> anyhow::Result<()> {
        if !exercise::is_on(self.suite, &self.keys).await? {
            println!("\n六、超时问责：系统时钟下不演示");
            return Ok(());
        }
        println!("\n六、超时问责（一条上报后无人处理的线索，时钟前进五天）");
        let found = self.member.suspect("MI-1", den("村西山坡"), "夜间无证采石").await?;
        let id = found.case_id;
        self.member.notify(&id).await?;
        self.secretary.report_up(&id).await?;
        self.centre.case_in(&id, CaseState::AtCentre).await?;
        self.pass(5 * 24 * 60).await?;
        let list = self.obligations(&id).await?;
        let red: Vec<&ObligationItem> = list.iter().filter(|item| item.breached).collect();
        ensure!(red.len() == 1, "应当恰有一盏红灯，实有 {}", red.len());
        for item in red {
            self.tell_breach(item);
        }
        let request = ListBreachesRequest { region: Some(wire(COUNTY)?), open_only: true, ..Default::default() };
        let bearer = self.keys.bearer(&Caller::new(Role::CountyOffice, COUNTY.parse()?))?;
        let mut client = BreachServiceClient::new(self.suite.with(Service::SlaMonitor, &bearer));
        let open = client.list_breaches(request).await?.into_inner().breaches.len();
        println!("  全县区未消除的红灯：{open}");
        Ok(())
    }

    fn tell_breach(&self, item: &ObligationItem) {
        let Some(obligation) = &item.obligation else { return };
        let due = obligation.due.and_then(|due| Instant::try_from(due).ok()).map(format_local).unwrap_or_default();
        let who = |owner: &Option<dafei_contracts::types::v1::Owner>| {
            let post = owner.as_ref().and_then(|owner| owner.post.as_ref());
            let role: Option<Role> = post.and_then(|post| post.role.parse().ok());
            role.map_or("未知", Role::name_zh)
        };
        println!(
            "  红灯 {}：时限 {due}，直接责任 {}，闭环责任 {}，已催办 {} 次",
            obligation.clock,
            who(&obligation.direct),
            who(&obligation.loop_owner),
            item.reminders
        );
    }

    async fn obligations(&self, id: &str) -> anyhow::Result<Vec<ObligationItem>> {
        let bearer = self.keys.bearer(&Caller::new(Role::CountyOffice, COUNTY.parse()?))?;
        let mut client = DeadlineServiceClient::new(self.suite.with(Service::SlaMonitor, &bearer));
        let request = ListObligationsRequest { case_id: id.to_owned() };
        Ok(client.list_obligations(request).await?.into_inner().obligations)
    }

    /// Every case that went up is closed, and none of its clocks went red.
    async fn closed(&self, cases: &[String]) -> anyhow::Result<()> {
        println!("\n七、闭环检查");
        for id in cases {
            self.office.case_in(id, CaseState::Closed).await?;
            exercise::settle(self.suite, &self.keys).await?;
            let list = self.obligations(id).await?;
            ensure!(!list.is_empty(), "案件 {id} 没有时钟");
            let clocks: Vec<&str> =
                list.iter().filter_map(|item| item.obligation.as_ref()).map(|o| o.clock.as_str()).collect();
            ensure!(list.iter().all(|item| !item.breached), "案件 {id} 不应有红灯");
            println!("  案件 {id} 已闭环，时钟 {} 均按时", clocks.join(" "));
        }
        Ok(())
    }

    async fn table(&self, month: Month) -> anyhow::Result<()> {
        let unit = FilingUnit { kind: "county-office".to_owned(), region: Some(wire(COUNTY)?), agency: String::new() };
        let bearer = self.keys.bearer(&Caller::new(Role::CountyOffice, COUNTY.parse()?))?;
        let mut client = MonthlyTableServiceClient::new(self.suite.with(Service::Reporting, &bearer));
        let request = GetMonthlyTableRequest { unit: Some(unit), month: month.to_string() };
        let table = client.get_monthly_table(request).await?.into_inner();
        print_table(&table);
        let total = table.total.context("没有合计")?;
        ensure!(total.values.iter().any(|value| *value > 0), "调度表是空的");
        Ok(())
    }
}

fn print_table(table: &GetMonthlyTableResponse) {
    println!("\n九、安全生产“打非”工作情况调度表");
    println!("填报单位：{}    月份：{}", table.unit_name, table.month);
    println!(
        "{:　<7}检查/家 行为/项 停产/家 罚款/万元 刑事/人 线索/条 取缔/个 奖励/万元 约谈/人 问责/人 公告/张 明白纸/份",
        "领域"
    );
    for row in table.rows.iter().chain(&table.total) {
        println!("{:　<7}{}", row.name, row.texts.iter().map(|text| format!("{text:>7}")).collect::<String>());
    }
}
