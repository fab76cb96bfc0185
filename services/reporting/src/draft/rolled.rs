//! Where the figures of a filed table roll up: in which county's and which city's.

use crate::store::filing::{Cell, Here};

/// Where a correction of a leaf rolls up: with the figures that it corrects, in the county in which their facts were, the one of now before others;
/// from each it takes at most what is there, so that no county's table falls below zero by a unit that has moved. Without such a figure: `here`.
pub(super) fn placed(own: &[(Here, Cell)], here: &Here, correction: Cell) -> Vec<(Here, Cell)> {
    let (sector, column, amount) = correction;
    let mut found: Vec<&(Here, Cell)> = own.iter().filter(|(_, cell)| (&cell.0, cell.1) == (&sector, column)).collect();
    found.sort_by_key(|(place, _)| (place != here, place));
    let (mut parts, mut rest) = (Vec::new(), amount);
    for (place, (.., value)) in found {
        let part = rest.max(-value);
        if part != 0 {
            parts.push((place.clone(), (sector.clone(), column, part)));
        }
        rest -= part;
    }
    if rest != 0 {
        parts.push((here.clone(), (sector, column, rest)));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::placed;
    use crate::store::filing::{Cell, Here};

    fn place(county: &str) -> Here {
        (county.to_owned(), "371300".to_owned())
    }

    fn fines(amount: i64) -> Cell {
        ("fire-safety".to_owned(), 4, amount)
    }

    #[test]
    fn a_correction_is_where_the_figure_lies_that_it_corrects() {
        let (old, now) = (place("371302"), place("371311"));
        let own = [(old.clone(), fines(5)), (now.clone(), ("mines".to_owned(), 4, 9))];
        assert_eq!(placed(&own, &now, fines(-5)), [(old.clone(), fines(-5))]);
        assert_eq!(placed(&own, &now, fines(3)), [(old, fines(3))]);
    }

    #[test]
    fn a_correction_of_what_was_not_there_is_in_the_county_of_now() {
        let now = place("371311");
        let other_column = ("fire-safety".to_owned(), 5, 7);
        assert_eq!(placed(&[(place("371302"), other_column)], &now, fines(3)), [(now, fines(3))]);
    }

    #[test]
    fn of_a_figure_in_two_counties_each_gives_at_most_what_it_has_the_one_of_now_first() {
        let (old, now) = (place("371302"), place("371311"));
        let own = [(old.clone(), fines(5)), (now.clone(), fines(2))];
        assert_eq!(placed(&own, &now, fines(-4)), [(now.clone(), fines(-2)), (old, fines(-2))]);
        assert_eq!(placed(&own, &now, fines(4)), [(now, fines(4))]);
    }
}
