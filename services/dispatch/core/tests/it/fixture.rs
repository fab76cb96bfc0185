//! Cases and commands for the tests.

use std::sync::LazyLock;

use dafei_dispatch_core::{
    authority::Authority,
    case::{
        Case, Command, Context, Event, Facts, Finder, Limits, Means, Measure, MeasureKind, Rejection, ResultKind,
        ResultReport, Source, Step, Tier, check, check_at_rest, decide, evolve,
    },
    routing::Table,
};
use dafei_kernel::{
    act::Act,
    agency::Agency,
    credit_code::CreditCode,
    ids::SeededIds,
    industry::Industry,
    measure::WithoutException,
    money::Fen,
    owner::Post,
    region::{Level, Region, RegionPath},
    role::Role,
    subject::Subject,
    time::Instant,
};
use jiff::SignedDuration;
use uuid::Uuid;

/// The default table, read and checked once.
pub(crate) fn table() -> &'static Table {
    static TABLE: LazyLock<Table> = LazyLock::new(|| {
        Table::parse(include_str!("../../../../../data/routing/default.json")).expect("the default table is sound")
    });
    &TABLE
}

pub(crate) fn authority() -> Authority {
    Authority::parse(include_str!("../../../../../data/routing/authority.json")).expect("the default is sound")
}

pub(crate) fn act(code: &str) -> Act {
    code.parse().expect("an act")
}

pub(crate) fn region(level: Level, code: &str) -> Region {
    Region::new(level, code).expect("a region")
}

pub(crate) fn den() -> Subject {
    Subject::Den {
        place: "村东头废弃厂房".to_owned(),
        position: None,
        industry: dafei_kernel::industry::Industry::General,
    }
}

pub(crate) fn enterprise(regulator: Option<Agency>) -> Subject {
    Subject::Enterprise {
        credit_code: CreditCode::parse("91350100M000100Y4")
            .unwrap_or_else(|_| CreditCode::parse("91350100M000100Y43").expect("a credit code")),
        name: "某化工有限公司".to_owned(),
        regulator,
        industry: Industry::General,
    }
}

pub(crate) fn facts(subject: Subject, with_village: bool) -> Facts {
    let city = region(Level::City, "371300");
    let county = region(Level::County, "371302");
    let township = region(Level::Township, "371302001");
    let village = with_village.then(|| region(Level::Village, "371302001001"));
    let path = [Some(city), Some(county.clone()), Some(township.clone()), village.clone()];
    Facts {
        id: Uuid::from_u128(7),
        source: Source::GridReport,
        act: act("HC-3"),
        act_text: String::new(),
        subject,
        village,
        township: Some(township),
        county: Some(county),
        place: None,
        path: RegionPath::new(path.into_iter().flatten().collect()).expect("a path"),
        description: "夜间有罐车进出".to_owned(),
        found_at: start(),
        reached_at: start(),
        tip: None,
        opened_by: None,
        finder: None,
    }
}

/// The office at a tier.
pub(crate) fn office(tier: Tier) -> Post {
    let (role, region) = match tier {
        Tier::Township => (Role::TownshipCentre, region(Level::Township, "371302001")),
        Tier::County => (Role::CountyOffice, region(Level::County, "371302")),
        Tier::City => (Role::CityOffice, region(Level::City, "371300")),
    };
    Post { role, region, agency: None }
}

/// An agency at a tier.
pub(crate) fn agency_post(tier: Tier, agency: Agency) -> Post {
    let role = match tier {
        Tier::Township => Role::TownshipAgency,
        Tier::County => Role::CountyDepartment,
        Tier::City => Role::CityDepartment,
    };
    Post { role, region: office(tier).region, agency: Some(agency) }
}

/// What an office opened at its own tier.
pub(crate) fn opened_facts(tier: Tier) -> Facts {
    let mut facts = Facts { source: Source::DailyCheck, opened_by: Some(office(tier)), ..facts(den(), false) };
    let keep = match tier {
        Tier::Township => 3,
        Tier::County => 2,
        Tier::City => 1,
    };
    facts.path = RegionPath::new(facts.path.regions()[..keep].to_vec()).expect("a path");
    facts.township = facts.path.at(Level::Township).cloned();
    facts.county = facts.path.at(Level::County).cloned();
    facts
}

/// What an agency found itself.
pub(crate) fn found_facts(tier: Tier) -> Facts {
    let post = agency_post(tier, Agency::EmergencyManagement);
    let finder = Finder { instruction: Uuid::from_u128(0x000f_0000), post: post.clone() };
    Facts { opened_by: Some(post), finder: Some(finder), ..opened_facts(tier) }
}

pub(crate) fn tip(number: u128) -> Uuid {
    Uuid::from_u128(0x0071_0000 + number)
}

/// A case that a tip opens, which is also the case's number: at the township centre, or at the county office.
pub(crate) fn tip_facts(number: u128, tier: Tier) -> Facts {
    let mut facts =
        Facts { id: Uuid::from_u128(number), source: Source::PublicTip, tip: Some(tip(number)), ..facts(den(), false) };
    if tier == Tier::County {
        facts.township = None;
        facts.path =
            RegionPath::new(vec![region(Level::City, "371300"), region(Level::County, "371302")]).expect("a path");
    }
    facts
}

pub(crate) fn start() -> Instant {
    "2026-03-02T01:00:00Z".parse().expect("an instant")
}

/// A case under commands, with a clock that goes on by a minute each.
pub(crate) struct Run {
    pub(crate) case: Option<Case>,
    pub(crate) events: Vec<Event>,
    pub(crate) now: Instant,
    table: &'static Table,
    authority: Authority,
    ids: SeededIds,
}

impl Run {
    pub(crate) fn new() -> Self {
        Self {
            case: None,
            events: Vec::new(),
            now: start(),
            table: table(),
            authority: authority(),
            ids: SeededIds::new(1),
        }
    }

    pub(crate) fn opened(subject: Subject, with_village: bool) -> Self {
        let mut run = Self::new();
        run.must(Command::Open(Box::new(facts(subject, with_village))));
        run
    }

    /// A case that a tip opened.
    pub(crate) fn of_tip(number: u128, tier: Tier) -> Self {
        let mut run = Self::new();
        run.must(Command::Open(Box::new(tip_facts(number, tier))));
        run
    }

    /// Decides and evolves; the invariants hold after each event, and those of a case at rest after the last.
    pub(crate) fn go(&mut self, command: &Command) -> Result<Vec<Event>, Rejection> {
        self.now += SignedDuration::from_mins(1);
        self.go_at(command, self.now)
    }

    pub(crate) fn go_at(&mut self, command: &Command, at: Instant) -> Result<Vec<Event>, Rejection> {
        let context = Context {
            at,
            now: self.now,
            means: Means::Rpc,
            routing: self.table,
            authority: &self.authority,
            limits: Limits::default(),
            ids: &self.ids,
        };
        let events = decide(self.case.as_ref(), command, &context)?;
        for event in &events {
            let before = self.case.as_ref().map_or(0, |case| case.sequence);
            self.case = evolve(self.case.take(), event);
            let case = self.case.as_ref().expect("an event leaves a case");
            check(case).expect("the invariants hold");
            assert_eq!(case.sequence - before, i64::from(case.publishes(event)), "a hole at {event:?}");
        }
        if let Some(case) = &self.case {
            check_at_rest(case).expect("the case is at rest");
        }
        self.events.extend(events.iter().cloned());
        Ok(events)
    }

    pub(crate) fn must(&mut self, command: Command) -> Vec<Event> {
        self.go(&command).unwrap_or_else(|rejection| panic!("{command:?}: {rejection}"))
    }

    pub(crate) fn case(&self) -> &Case {
        self.case.as_ref().expect("an open case")
    }

    /// The lead's latest instruction.
    pub(crate) fn lead(&self) -> Uuid {
        self.case().instructions.iter().rev().find(|one| one.lead).expect("a lead").id
    }

    /// The first co-handler's latest instruction.
    pub(crate) fn co_handler(&self) -> Uuid {
        let legs = self.case().legs;
        self.case().instructions.iter().find(|one| !one.lead && one.leg == legs).expect("a co-handler").id
    }

    pub(crate) fn step(&mut self, id: Uuid, step: Step) -> Result<Vec<Event>, Rejection> {
        self.go(&Command::Instruction { id, step })
    }

    /// As far as the departments have it.
    pub(crate) fn assigned() -> Self {
        let mut run = Self::opened(den(), true);
        run.must(Command::Escalate { reason: "超出职权".to_owned() });
        run.must(assign());
        run
    }
}

pub(crate) fn instruct(agency: Agency) -> Command {
    Command::InstructAgency { agency, text: "立即查处".to_owned() }
}

pub(crate) fn assign() -> Command {
    Command::AssignDepartment { choice: dafei_dispatch_core::case::Choice::default(), text: "依法查处".to_owned() }
}

pub(crate) fn result(kind: ResultKind) -> ResultReport {
    let unfounded = kind == ResultKind::Unfounded;
    ResultReport {
        kind,
        text: "已查封".to_owned(),
        confirmed_acts: if unfounded { Vec::new() } else { vec![act("HC-3")] },
        outside_scope: false,
        measures: if unfounded { Vec::new() } else { vec![fine("罚1", 100)] },
        exemptions: if kind == ResultKind::Final { exemptions() } else { Vec::new() },
    }
}

/// Why three of the four that are to be taken without exception do not apply beside a fine.
pub(crate) fn exemptions() -> Vec<(WithoutException, String)> {
    let which = [WithoutException::CloseDown, WithoutException::StopProduction, WithoutException::LegalLiability];
    which.into_iter().map(|which| (which, "不涉及".to_owned())).collect()
}

pub(crate) fn fine(id: &str, fen: i64) -> Measure {
    Measure {
        id: id.to_owned(),
        decided_at: start(),
        comply_by: None,
        kind: MeasureKind::Fine {
            amount: Fen::new(fen).expect("not below zero"),
            decision_number: "临应急罚〔2026〕1号".to_owned(),
            mitigation: String::new(),
        },
    }
}
