//! Quarters that evaluations and assessments are about (clauses E1, E3).

use dafei_kernel::{
    period::{Cycle, Period},
    time::Instant,
};

/// Why a text names no quarter that can be asked about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoQuarter {
    /// A week, a month or anything else.
    #[error("is no quarter of the form 2026-Q4")]
    Form,
    /// It is to come.
    #[error("{0} has not begun")]
    NotBegun(Period),
}

/// The quarter of a text, which has begun.
///
/// # Errors
/// As [`NoQuarter`] says.
pub fn begun(text: &str, now: Instant) -> Result<Period, NoQuarter> {
    let period: Period = text.parse().map_err(|_| NoQuarter::Form)?;
    match period.cycle() {
        Cycle::Quarter if now < period.start() => Err(NoQuarter::NotBegun(period)),
        Cycle::Quarter => Ok(period),
        Cycle::Week | Cycle::Month => Err(NoQuarter::Form),
    }
}

#[cfg(test)]
mod tests {
    use dafei_kernel::period::Period;

    use super::{NoQuarter, begun};

    #[test]
    fn a_quarter_can_be_asked_about_from_its_first_instant() {
        let at = |text: &str| text.parse().expect("an instant");
        let quarter: Period = "2026-Q4".parse().expect("a quarter");
        let (before, from) = (at("2026-09-30T23:59:59.999999+08:00"), at("2026-10-01T00:00:00+08:00"));
        assert_eq!(begun("2026-Q4", before), Err(NoQuarter::NotBegun(quarter)));
        assert_eq!(begun("2026-Q4", from), Ok(quarter));
        for text in ["2026-10", "2026-W41", "2026-Q5", "", "Q4"] {
            assert_eq!(begun(text, from), Err(NoQuarter::Form), "{text}");
        }
    }
}
