//! What sheets come to: means, places, and who is below the mark.

use std::cmp::Reverse;

use dafei_kernel::owner::Post;

use super::Direction;

/// The sheets about one post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scored {
    /// Who is scored.
    pub evaluated: Post,
    /// Sum of the totals of its sheets, in points.
    pub sum: u64,
    /// Sheets that came in.
    pub sheets: u32,
    /// Sheets that are asked for.
    pub expected: u32,
}

/// How one stands among its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Who is scored.
    pub evaluated: Post,
    /// Mean of its sheets, in hundredths of a point, rounded half up; 0 without sheets.
    pub score: u32,
    /// Sheets that came in.
    pub sheets: u32,
    /// Sheets that are asked for.
    pub expected: u32,
    /// Place among its kind, from 1; equal scores share it, and the next comes after all of them. 0 without sheets.
    pub place: u32,
    /// Whether its score is below the mark. One without sheets is not.
    pub below_mark: bool,
}

/// Mean of totals in hundredths, rounded half up; 0 of none.
#[must_use]
pub fn mean(sum: u64, sheets: u32) -> u32 {
    let sheets = u64::from(sheets);
    if sheets == 0 {
        return 0;
    }
    u32::try_from((sum.saturating_mul(200) + sheets) / (2 * sheets)).unwrap_or(u32::MAX)
}

/// How those of one direction stand, by place; those without sheets come last, and equals in the order of their posts.
#[must_use]
pub fn standings(direction: Direction, scored: &[Scored], mark: u32) -> Vec<Standing> {
    let of_direction = scored.iter().filter(|one| Direction::of(&one.evaluated) == Some(direction));
    let mut all: Vec<Standing> = of_direction
        .map(|one| {
            let score = mean(one.sum, one.sheets);
            Standing {
                evaluated: one.evaluated.clone(),
                score,
                sheets: one.sheets,
                expected: one.expected,
                place: 0,
                below_mark: one.sheets > 0 && score < mark,
            }
        })
        .collect();
    all.sort_by(|one, other| {
        let key = |standing: &Standing| (standing.sheets == 0, Reverse(standing.score));
        key(one).cmp(&key(other)).then_with(|| one.evaluated.cmp(&other.evaluated))
    });
    let mut last = (0, u32::MAX);
    for (standing, number) in all.iter_mut().zip(1..).filter(|(standing, _)| standing.sheets > 0) {
        if standing.score != last.1 {
            last = (number, standing.score);
        }
        standing.place = last.0;
    }
    all
}

#[cfg(test)]
mod tests {
    use dafei_kernel::{owner::Post, role::Role};

    use super::{Direction, Scored, mean, standings};

    fn scored(number: u32, sum: u64, sheets: u32) -> Scored {
        let region = format!("township:371302{number:03}").parse().expect("a region");
        let evaluated = Post::new(Role::TownshipCentre, region, None).expect("a post");
        Scored { evaluated, sum, sheets, expected: 4 }
    }

    #[test]
    fn a_mean_is_rounded_half_up_to_hundredths() {
        assert_eq!(mean(0, 0), 0);
        assert_eq!(mean(200, 3), 6_667);
        assert_eq!(mean(100, 3), 3_333);
        // 59.995 of 200 sheets.
        assert_eq!(mean(11_999, 200), 6_000);
        assert_eq!(mean(100, 1), 10_000);
    }

    #[test]
    fn equal_scores_share_a_place_and_the_next_one_is_after_both() {
        let all = [scored(1, 120, 2), scored(2, 180, 2), scored(3, 0, 0), scored(4, 180, 2), scored(5, 119, 2)];
        let standing = standings(Direction::OfTownships, &all, 6_000);
        let told: Vec<(&str, u32, bool)> =
            standing.iter().map(|one| (one.evaluated.region.code().as_str(), one.place, one.below_mark)).collect();
        assert_eq!(
            told,
            [
                ("371302002", 1, false),
                ("371302004", 1, false),
                ("371302001", 3, false),
                ("371302005", 4, true),
                ("371302003", 0, false)
            ]
        );
        assert!(standings(Direction::OfDepartments, &all, 6_000).is_empty());
    }
}
