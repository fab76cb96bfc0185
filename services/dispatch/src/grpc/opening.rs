//! Cases that come from no village and no tip (clauses C16, C19, E5): what an office opens, and what an agency found itself.

use dafei_contracts::{
    convert::{self, ConvertError},
    dispatch::v1 as api,
    events::v1 as ev,
    types::v1 as types,
};
use dafei_dispatch_core::case::{self, Command, Facts, Finder, Source};
use dafei_kernel::{
    conduct::Accident,
    owner::Post,
    region::{Level, Region},
    roster::RosterIndex,
};
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::{faults, scope};
use uuid::Uuid;

use super::{Grpc, order, rejected};
use crate::{
    app::Action,
    opening::{self, Opening, Said},
    work::Order,
};

impl Grpc {
    /// The opening of a case at an office, with its accident where it has one.
    pub(super) fn opening(&self, caller: &Principal, body: &api::OpenCaseRequest) -> Result<Action, Fault> {
        let source = source(body.source)?;
        let office = match &body.office {
            Some(wire) => convert::region("office", Some(wire)).map_err(faults::convert)?,
            None => caller.region.clone(),
        };
        let roster = self.app.roster.current();
        // The city opens at its own office or at a county's; nobody else passes his own by.
        let county_of_city = caller.region.level() == Level::City && office.level() == Level::County;
        if office != caller.region && !(county_of_city && roster.contains(&caller.region, &office)) {
            return Err(Fault::field("office", "NOT_YOURS", "is not the caller's to open at", "不能在该单位立案"));
        }
        let accident = match (source, &body.accident) {
            (Source::Accident, wire) => {
                let accident = accident(wire.as_ref())?;
                case::accident_believed(&accident, self.app.clock.now()).map_err(|why| rejected(&why))?;
                Some(accident)
            }
            (_, None) => None,
            (_, Some(_)) => {
                return Err(Fault::field("accident", "NOT_ALLOWED", "is an accident's", "来源为事故时才填写"));
            }
        };
        let said = Said {
            act: &body.act,
            act_text: &body.act_text,
            subject: body.subject.as_ref(),
            place: body.place.as_ref(),
            description: &body.description,
            found_at: body.found_at,
        };
        let facts = self.facts(&roster, (source, &office), &said, scope::post(caller))?;
        let id = facts.id;
        let then = accident.map(|accident| {
            let command = Command::RecordAccident(Box::new(accident));
            Box::new(Order { guarded: false, ..order(caller, Some(id), command) })
        });
        let opening = order(caller, Some(id), Command::Open(Box::new(facts)));
        Ok(Action::Case(Box::new(Order { then, ..opening })))
    }

    /// The opening of what an agency found itself, and the id that its steps name.
    pub(super) fn finding(&self, caller: &Principal, body: &api::ReportFindingRequest) -> Result<Action, Fault> {
        let roster = self.app.roster.current();
        let said = Said {
            act: &body.act,
            act_text: &body.act_text,
            subject: body.subject.as_ref(),
            place: body.place.as_ref(),
            description: &body.description,
            found_at: body.found_at,
        };
        let post = scope::post(caller);
        let facts = self.facts(&roster, (Source::DailyCheck, &caller.region), &said, post.clone())?;
        let instruction = self.app.ids.ordered(self.app.clock.now());
        let facts = Facts { finder: Some(Finder { instruction, post }), ..facts };
        Ok(Action::Case(Box::new(order(caller, Some(facts.id), Command::Open(Box::new(facts))))))
    }

    fn facts(
        &self,
        roster: &RosterIndex,
        (source, office): (Source, &Region),
        said: &Said<'_>,
        by: Post,
    ) -> Result<Facts, Fault> {
        let at = self.app.clock.now();
        let opening = Opening { id: self.app.ids.ordered(at), source, office, by, at };
        opening::facts(roster, opening, said).map_err(faults::convert)
    }
}

fn source(wire: i32) -> Result<Source, Fault> {
    match ev::CaseSource::try_from(wire) {
        Ok(ev::CaseSource::SuperiorSupervision) => Ok(Source::SuperiorSupervision),
        Ok(ev::CaseSource::DailyCheck) => Ok(Source::DailyCheck),
        Ok(ev::CaseSource::Accident) => Ok(Source::Accident),
        Ok(ev::CaseSource::GridReport | ev::CaseSource::PublicTip) => {
            let zh = "网格上报、群众举报由接报服务立案";
            Err(Fault::field("source", "NOT_ALLOWED", "comes from intake alone", zh))
        }
        Ok(ev::CaseSource::Unspecified) | Err(_) => Err(faults::convert(ConvertError::required("source"))),
    }
}

/// What an illegal operation caused.
pub(super) fn accident(wire: Option<&types::Accident>) -> Result<Accident, Fault> {
    let wire = wire.ok_or_else(|| ConvertError::required("accident"));
    let read = wire.and_then(|wire| convert::accident(wire).map_err(|error| error.under("accident")));
    read.map_err(faults::convert)
}

/// The id that stands for the instruction of an agency's own finding.
pub(super) fn own_instruction(case: &api::Case) -> String {
    let own = case.instructions.iter().find(|instruction| instruction.own);
    own.map(|instruction| instruction.instruction_id.clone()).unwrap_or_else(|| Uuid::nil().to_string())
}
