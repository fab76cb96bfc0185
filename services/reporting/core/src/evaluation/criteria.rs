//! By what is scored: data, and the check of a sheet against it.

use std::{collections::BTreeSet, sync::LazyLock};

use serde::{Deserialize, Serialize};

use super::{Direction, Rejection};

/// The criteria that are shipped.
const BUILTIN: &str = include_str!("../../../../../data/evaluation/default.json");
/// Points of a direction.
pub const FULL: u32 = 100;

/// A criterion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Criterion {
    /// Stable code.
    pub code: String,
    /// Name in Chinese.
    pub name: String,
    /// What earns the points.
    pub standard: String,
    /// The most points.
    pub max_points: u32,
}

/// The criteria of both directions, with the mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Criteria {
    /// Label of the text.
    pub version: String,
    /// In hundredths of a point: a result below it is not good enough.
    pub mark: u32,
    /// By which townships score departments.
    pub of_departments: Vec<Criterion>,
    /// By which departments score townships.
    pub of_townships: Vec<Criterion>,
}

/// Points of a criterion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Points {
    /// Code of the criterion.
    pub criterion: String,
    /// Points, 0 to the most.
    pub points: u32,
}

static SHIPPED: LazyLock<Criteria> =
    LazyLock::new(|| Criteria::parse(BUILTIN).expect("the shipped criteria are sound"));

impl Criteria {
    /// Those that are shipped; a test has read them.
    #[must_use]
    pub fn shipped() -> &'static Self {
        &SHIPPED
    }

    /// Reads a text.
    ///
    /// # Errors
    /// What is wrong with it, in words: it is no JSON of this form, or [`Criteria::flaw`] finds something.
    pub fn parse(text: &str) -> Result<Self, String> {
        let criteria: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        criteria.flaw().map_or(Ok(criteria), Err)
    }

    /// The criteria of a direction.
    #[must_use]
    pub fn of(&self, direction: Direction) -> &[Criterion] {
        match direction {
            Direction::OfDepartments => &self.of_departments,
            Direction::OfTownships => &self.of_townships,
        }
    }

    /// The first thing that is wrong: a direction that does not add up to 100, a code or name that is missing or stands twice, a criterion without
    /// points, a mark above all points.
    #[must_use]
    pub fn flaw(&self) -> Option<String> {
        if self.version.is_empty() || self.version.chars().count() > 40 {
            return Some("version has 1 to 40 characters".to_owned());
        }
        if self.mark > FULL * 100 {
            return Some(format!("mark {} is above all points", self.mark));
        }
        Direction::ALL.into_iter().find_map(|direction| flaw_of(self.of(direction)))
    }

    /// The total of a sheet: each criterion of the direction once, within its points; in the order of the criteria.
    ///
    /// # Errors
    /// As [`Rejection`] says; [`Rejection::RemarkMissing`] when the total is below the mark and nothing is said.
    pub fn check(
        &self,
        direction: Direction,
        points: &[Points],
        remark: &str,
    ) -> Result<(u32, Vec<Points>), Rejection> {
        let criteria = self.of(direction);
        let mut given: Vec<Option<u32>> = vec![None; criteria.len()];
        for (at, one) in points.iter().enumerate() {
            let unknown = || Rejection::UnknownCriterion(at, one.criterion.chars().take(40).collect());
            let place = criteria.iter().position(|criterion| criterion.code == one.criterion).ok_or_else(unknown)?;
            if given[place].is_some() {
                return Err(Rejection::DoubleCriterion(at, one.criterion.clone()));
            }
            if one.points > criteria[place].max_points {
                return Err(Rejection::TooManyPoints(at, criteria[place].max_points));
            }
            given[place] = Some(one.points);
        }
        let ordered = criteria.iter().zip(given).map(|(criterion, points)| {
            let points = points.ok_or_else(|| Rejection::CriterionMissing(criterion.code.clone()))?;
            Ok(Points { criterion: criterion.code.clone(), points })
        });
        let ordered: Vec<Points> = ordered.collect::<Result<_, _>>()?;
        let total = ordered.iter().map(|one| one.points).sum();
        if total * 100 < self.mark && remark.trim().is_empty() {
            return Err(Rejection::RemarkMissing);
        }
        Ok((total, ordered))
    }
}

fn flaw_of(criteria: &[Criterion]) -> Option<String> {
    let mut known = BTreeSet::new();
    for criterion in criteria {
        let code = &criterion.code;
        if code.is_empty() || !code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') {
            return Some(format!("{code:?} is no code"));
        }
        if !known.insert(code) {
            return Some(format!("{code} stands twice"));
        }
        if criterion.name.is_empty() || criterion.standard.is_empty() {
            return Some(format!("{code} has no name or no standard"));
        }
        if criterion.max_points == 0 || criterion.max_points > FULL {
            return Some(format!("{code} has {} points", criterion.max_points));
        }
    }
    let sum: u32 = criteria.iter().map(|criterion| criterion.max_points).sum();
    (sum != FULL).then(|| format!("the criteria add up to {sum}"))
}

#[cfg(test)]
mod tests {
    use super::{Criteria, Direction, FULL, Points, Rejection};

    fn full(direction: Direction) -> Vec<Points> {
        let criteria = Criteria::shipped().of(direction).iter();
        criteria.map(|one| Points { criterion: one.code.clone(), points: one.max_points }).collect()
    }

    #[test]
    fn the_shipped_criteria_are_sound_and_add_up_to_100_in_either_direction() {
        let shipped = Criteria::shipped();
        assert_eq!((shipped.flaw(), shipped.mark), (None, 6_000));
        for direction in Direction::ALL {
            assert_eq!(shipped.of(direction).iter().map(|one| one.max_points).sum::<u32>(), FULL);
            assert_eq!(shipped.check(direction, &full(direction), ""), Ok((FULL, full(direction))));
        }
        let names: Vec<&str> = shipped.of_departments.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names[..4], ["响应及时", "到场处置", "结果反馈", "协作配合"]);
    }

    #[test]
    fn a_text_with_a_hole_is_refused_and_says_where() {
        let broken = |change: fn(&mut Criteria)| {
            let mut criteria = Criteria::shipped().clone();
            change(&mut criteria);
            criteria.flaw().expect("a flaw")
        };
        assert_eq!(broken(|all| all.of_departments[0].max_points = 21), "the criteria add up to 101");
        assert_eq!(broken(|all| all.of_townships[1].code = "reporting".to_owned()), "reporting stands twice");
        assert_eq!(broken(|all| all.of_townships[1].code = "Leads".to_owned()), "\"Leads\" is no code");
        assert_eq!(broken(|all| all.of_townships[1].standard.clear()), "leads has no name or no standard");
        assert_eq!(broken(|all| all.of_townships[1].max_points = 0), "leads has 0 points");
        assert_eq!(broken(|all| all.mark = 10_001), "mark 10001 is above all points");
        assert_eq!(broken(|all| all.version.clear()), "version has 1 to 40 characters");
        assert!(Criteria::parse("{}").is_err());
    }

    #[test]
    fn a_sheet_has_each_criterion_once_and_within_its_points() {
        let check = |points: &[Points], remark| Criteria::shipped().check(Direction::OfDepartments, points, remark);
        let whole = full(Direction::OfDepartments);
        let mut other = whole.clone();
        other.reverse();
        assert_eq!(check(&other, ""), Ok((FULL, whole.clone())), "in whichever order it comes");
        assert_eq!(check(&whole[1..], ""), Err(Rejection::CriterionMissing("response".to_owned())));
        let twice = [whole.clone(), whole[..1].to_vec()].concat();
        assert_eq!(check(&twice, ""), Err(Rejection::DoubleCriterion(6, "response".to_owned())));
        let of_townships = full(Direction::OfTownships);
        assert_eq!(check(&of_townships, ""), Err(Rejection::UnknownCriterion(0, "reporting".to_owned())));
        other[0].points += 1;
        assert_eq!(check(&other, ""), Err(Rejection::TooManyPoints(0, 10)));
    }

    #[test]
    fn a_total_below_the_mark_needs_a_remark_and_the_mark_itself_none() {
        let check = |points: &[Points], remark| Criteria::shipped().check(Direction::OfDepartments, points, remark);
        let mut sixty = full(Direction::OfDepartments);
        (sixty[0].points, sixty[2].points) = (0, 0);
        assert_eq!(check(&sixty, "").map(|(total, _)| total), Ok(60));
        sixty[1].points -= 1;
        assert_eq!(check(&sixty, " "), Err(Rejection::RemarkMissing));
        assert_eq!(check(&sixty, "两次未到场").map(|(total, _)| total), Ok(59));
    }
}
