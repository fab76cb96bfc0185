//! What the suite measured in the quarter, beside the scores (clause E1): on-time rates and counts, net of what was disproved.

use super::Direction;

/// A measured figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figure {
    /// Stable code.
    pub code: &'static str,
    /// Name in Chinese.
    pub name: &'static str,
    of: Of,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// The share of a clock's obligations that were fulfilled in time.
    Clock { in_time: &'static str, breached: &'static str },
    /// How often something was done.
    Times(&'static str),
}

/// A figure as it came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Which.
    pub figure: Figure,
    /// Numerator; the figure itself where there is no denominator.
    pub numerator: i64,
    /// Denominator; 0 where there is none, or nothing was to be done.
    pub denominator: i64,
}

macro_rules! on_time {
    ($clock:literal, $name:literal) => {
        Figure {
            code: concat!("on-time-", $clock),
            name: $name,
            of: Of::Clock {
                in_time: concat!("clock:", $clock, ":in-time"),
                breached: concat!("clock:", $clock, ":breached"),
            },
        }
    };
}

const fn times(code: &'static str, name: &'static str, what: &'static str) -> Figure {
    Figure { code, name, of: Of::Times(what) }
}

const OF_DEPARTMENTS: &[Figure] = &[
    on_time!("K2", "响应按时率"),
    on_time!("K3", "反馈按时率"),
    times("returned", "退回件数", "case:returned"),
    times("extensions-asked", "申请延期次数", "case:extension-asked"),
    times("rework", "退回重办次数", "case:rework"),
];

const OF_TOWNSHIPS: &[Figure] = &[
    on_time!("V1", "告知村支部书记按时率"),
    on_time!("V2", "教育劝导按时率"),
    on_time!("V3", "村居上报按时率"),
    on_time!("T1", "乡镇研判按时率"),
    on_time!("T2", "乡镇机构反馈按时率"),
    on_time!("P1", "村居公开结果按时率"),
    times("cases-opened", "受理件数", "case:opened"),
    times("cases-closed", "办结件数", "case:closed"),
];

impl Figure {
    /// The figures of those who are scored in a direction.
    #[must_use]
    pub const fn of(direction: Direction) -> &'static [Self] {
        match direction {
            Direction::OfDepartments => OF_DEPARTMENTS,
            Direction::OfTownships => OF_TOWNSHIPS,
        }
    }

    /// The deeds it is made of.
    pub fn deeds(&self) -> impl Iterator<Item = &'static str> + use<> {
        let (one, other) = match self.of {
            Of::Clock { in_time, breached } => (in_time, Some(breached)),
            Of::Times(what) => (what, None),
        };
        std::iter::once(one).chain(other)
    }
}

/// The figures of one who is scored, from how often each deed was done.
#[must_use]
pub fn measured(direction: Direction, times: impl Fn(&str) -> i64) -> Vec<Measured> {
    let figure = |figure: &Figure| {
        let (numerator, denominator) = match figure.of {
            Of::Clock { in_time, breached } => (times(in_time), times(in_time) + times(breached)),
            Of::Times(what) => (times(what), 0),
        };
        Measured { figure: *figure, numerator, denominator }
    };
    Figure::of(direction).iter().map(figure).collect()
}

#[cfg(test)]
mod tests {
    use super::{Direction, Figure, measured};

    #[test]
    fn a_rate_is_of_what_was_fulfilled_and_breached_and_a_count_has_no_denominator() {
        let times = |what: &str| match what {
            "clock:K2:in-time" => 7,
            "clock:K2:breached" => 1,
            "case:returned" => 2,
            _ => 0,
        };
        let told: Vec<(&str, i64, i64)> = measured(Direction::OfDepartments, times)
            .iter()
            .map(|one| (one.figure.code, one.numerator, one.denominator))
            .collect();
        assert_eq!(
            told,
            [
                ("on-time-K2", 7, 8),
                ("on-time-K3", 0, 0),
                ("returned", 2, 0),
                ("extensions-asked", 0, 0),
                ("rework", 0, 0)
            ]
        );
        assert_eq!(Figure::of(Direction::OfTownships).iter().flat_map(Figure::deeds).count(), 14);
    }
}
