//! Sheets, criteria and standings on the wire.

use std::collections::HashMap;

use dafei_contracts::reporting::v1 as pb;
use dafei_kernel::{owner::Post, role::Role, roster::RosterIndex};
use dafei_reporting_core::{
    Unit, UnitKind,
    evaluation::{
        Criteria, Criterion, Direction, Points, Standing,
        measured::{Measured, measured},
    },
};

use crate::{
    grpc::unit_name,
    store::evaluation::{Deeds, Sheet},
};

pub(super) fn points(wire: &pb::Points) -> Points {
    Points { criterion: wire.criterion.clone(), points: wire.points }
}

pub(super) fn sheet(sheet: Sheet) -> pb::Sheet {
    let points = sheet.points.into_iter();
    pb::Sheet {
        evaluator: Some((&sheet.pair.evaluator).into()),
        evaluated: Some((&sheet.pair.evaluated).into()),
        points: points.map(|one| pb::Points { criterion: one.criterion, points: one.points }).collect(),
        total: sheet.total,
        remark: sheet.remark,
        submitted_at: Some(sheet.submitted_at.into()),
        version: sheet.version,
    }
}

pub(super) fn criteria(criteria: &Criteria) -> pb::ListCriteriaResponse {
    let wire = |one: &Criterion| pb::Criterion {
        code: one.code.clone(),
        name: one.name.clone(),
        standard: one.standard.clone(),
        max_points: one.max_points,
    };
    pb::ListCriteriaResponse {
        version: criteria.version.clone(),
        of_departments: criteria.of_departments.iter().map(wire).collect(),
        of_townships: criteria.of_townships.iter().map(wire).collect(),
        mark: criteria.mark,
    }
}

/// What is called so in the county: 兰山区兰山街道, 兰山区公安部门.
fn name(post: &Post, roster: &RosterIndex) -> String {
    let kind = if post.role == Role::CountyDepartment { UnitKind::CountyDepartment } else { UnitKind::Township };
    let unit = Unit::new(kind, post.region.clone(), post.agency).ok();
    let named = unit.and_then(|unit| Some(unit_name(&unit, &roster.path(&post.region)?, roster)));
    // Gone from the roster since the round was opened.
    named.unwrap_or_else(|| post.to_string())
}

/// How often each deed was done, by who is scored.
pub(super) struct Figures(HashMap<(String, String), i64>);

impl Figures {
    /// From the rows of a round.
    pub(super) fn of(deeds: Vec<Deeds>) -> Self {
        // A township's code is no agency's, so one of the two names who did it.
        Self(deeds.into_iter().map(|one| ((one.township + &one.agency, one.what), one.times)).collect())
    }

    fn measured(&self, direction: Direction, post: &Post) -> Vec<pb::MeasuredFigure> {
        let who = post.agency.map_or_else(|| post.region.code().to_string(), |agency| agency.code().to_owned());
        let times = |what: &str| self.0.get(&(who.clone(), what.to_owned())).copied().unwrap_or_default();
        let wire = |one: Measured| pb::MeasuredFigure {
            code: one.figure.code.to_owned(),
            name: one.figure.name.to_owned(),
            numerator: one.numerator,
            denominator: one.denominator,
        };
        measured(direction, times).into_iter().map(wire).collect()
    }
}

pub(super) fn evaluated(
    direction: Direction,
    standings: Vec<Standing>,
    figures: &Figures,
    roster: &RosterIndex,
) -> Vec<pb::Evaluated> {
    let wire = |one: Standing| pb::Evaluated {
        post: Some((&one.evaluated).into()),
        name: name(&one.evaluated, roster),
        score: one.score,
        sheets: one.sheets,
        expected: one.expected,
        place: one.place,
        below_mark: one.below_mark,
        measured: figures.measured(direction, &one.evaluated),
    };
    standings.into_iter().map(wire).collect()
}

/// Takes scores and places away, and the order that would tell them.
pub(super) fn without_scores(evaluation: &mut pb::Evaluation) {
    let key = |one: &pb::Evaluated| {
        let post = one.post.as_ref();
        let region = post.and_then(|post| post.region.as_ref()).map(|region| region.code.clone());
        (region, post.map(|post| post.agency.clone()))
    };
    for side in [&mut evaluation.departments, &mut evaluation.townships] {
        for one in side.iter_mut() {
            (one.score, one.place, one.below_mark) = (0, 0, false);
        }
        side.sort_by_key(key);
    }
}
