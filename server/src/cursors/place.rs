//! Where a cursor stands and where a FETCH takes it. In: a direction, how many rows are known. Out:
//! which rows are given, in which order, and where the cursor stands then. Reads nothing.
//!
//! As in PostgreSQL a cursor stands before the first row, on a row, or after the last one.

use std::ops::RangeInclusive;

use planner::cursors::Direction;

/// Where a cursor stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// The row it is on, from 1; 0 before the first. After the last: that one.
    pub row: u64,
    /// Whether it is after the last row.
    pub is_after: bool,
}

/// Rows ahead of a cursor that does not go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ahead {
    /// Passed over.
    pub skip: u64,
    /// Given; all when none.
    pub take: Option<u64>,
}

/// Rows of a cursor that goes anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// From 1; empty when there is none.
    pub rows: RangeInclusive<u64>,
    /// Whether the last one is given first.
    pub is_reversed: bool,
    /// Where the cursor stands then.
    pub place: Place,
}

impl Found {
    fn none(place: Place) -> Self {
        #[expect(clippy::reversed_empty_ranges, reason = "it is meant to be empty")]
        Self { rows: 1..=0, is_reversed: false, place }
    }

    /// How many rows.
    pub fn count(&self) -> u64 {
        (self.rows.end() + 1).saturating_sub(*self.rows.start())
    }
}

impl Place {
    /// Whether it is on a row.
    fn is_on_a_row(self) -> bool {
        self.row > 0 && !self.is_after
    }

    /// So many rows were given, or passed; it asked for more when `is_after`.
    pub fn advance(&mut self, rows: u64, is_after: bool) {
        self.row += rows;
        self.is_after |= is_after;
    }

    /// The rows ahead that a direction asks for; none when it asks for rows that are passed.
    pub fn ahead(self, direction: Direction) -> Option<Ahead> {
        let nothing = Ahead { skip: 0, take: Some(0) };
        let one = |skip| Some(Ahead { skip, take: Some(1) });
        match direction {
            Direction::Forward(Some(0)) | Direction::Backward(Some(0)) | Direction::Relative(0) => {
                (!self.is_on_a_row()).then_some(nothing)
            }
            Direction::Forward(take) => Some(Ahead { skip: 0, take }),
            Direction::Relative(rows @ 1..) => one(rows.unsigned_abs() - 1),
            Direction::Absolute(0) if self == Self::default() => Some(nothing),
            Direction::Absolute(row @ 1..) if !self.is_after => {
                one(row.unsigned_abs().checked_sub(self.row + 1)?)
            }
            _ => None,
        }
    }

    /// How many rows must be known for a direction; all when none.
    pub fn needs(self, direction: Direction) -> Option<u64> {
        match direction {
            Direction::Forward(rows) => Some(self.row.saturating_add(rows?)),
            Direction::Relative(rows) => Some(self.row.saturating_add_signed(rows)),
            Direction::Absolute(row) => u64::try_from(row).ok(),
            Direction::Backward(_) => Some(self.row),
        }
    }

    /// The rows that a direction asks for, of the `known` first ones: as many as [`Self::needs`],
    /// unless there are no more.
    pub fn find(self, direction: Direction, known: u64) -> Found {
        let here = self.row + u64::from(self.is_after);
        match direction {
            Direction::Forward(Some(0)) | Direction::Backward(Some(0)) => one(Some(here), known),
            Direction::Forward(rows) => {
                let wanted = rows.map_or(u64::MAX, |rows| here.saturating_add(rows));
                let place = Self { row: wanted.min(known), is_after: wanted > known };
                Found { rows: here + 1..=wanted.min(known), is_reversed: false, place }
            }
            Direction::Backward(rows) => {
                let first = rows.map_or(0, |rows| here.saturating_sub(rows));
                let place = Self { row: first, is_after: false };
                let rows = first.max(1)..=here.saturating_sub(1);
                Found { rows, is_reversed: true, place }
            }
            Direction::Absolute(row @ 0..) => one(Some(row.unsigned_abs()), known),
            Direction::Absolute(row) => one((known + 1).checked_add_signed(row), known),
            Direction::Relative(rows) => one(here.checked_add_signed(rows), known),
        }
    }
}

/// One row; none is before the first.
fn one(row: Option<u64>, known: u64) -> Found {
    match row.unwrap_or_default() {
        0 => Found::none(Place::default()),
        row if row > known => Found::none(Place { row: known, is_after: true }),
        row => {
            let place = Place { row, is_after: false };
            Found { rows: row..=row, is_reversed: false, place }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Direction::{Absolute, Backward, Forward, Relative};
    use super::*;

    /// The rows as PostgreSQL 15 gives them one after another from a cursor over five rows.
    #[test]
    fn as_in_postgres() {
        let mut place = Place::default();
        for (direction, rows) in [
            (Backward(Some(1)), vec![]),
            (Forward(Some(2)), vec![1, 2]),
            (Forward(Some(0)), vec![2]),
            (Relative(0), vec![2]),
            (Backward(Some(1)), vec![1]),
            (Backward(Some(1)), vec![]),
            (Forward(Some(5)), vec![1, 2, 3, 4, 5]),
            (Backward(Some(2)), vec![4, 3]),
            (Forward(None), vec![4, 5]),
            (Forward(Some(0)), vec![]),
            (Forward(Some(1)), vec![]),
            (Backward(Some(1)), vec![5]),
            (Absolute(3), vec![3]),
            (Relative(-1), vec![2]),
            (Relative(9), vec![]),
            (Backward(None), vec![5, 4, 3, 2, 1]),
            (Absolute(-2), vec![4]),
            (Absolute(-9), vec![]),
            (Relative(1), vec![1]),
            (Absolute(9), vec![]),
            (Backward(Some(0)), vec![]),
            (Relative(-1), vec![5]),
            (Absolute(0), vec![]),
            (Forward(Some(1)), vec![1]),
        ] {
            let known = place.needs(direction).map_or(5, |rows| rows.min(5)).max(place.row);
            // What was read stays known, and past the end all is.
            let known = if place.is_after { 5 } else { known };
            let found = place.find(direction, known);
            let mut got: Vec<u64> = found.rows.clone().collect();
            assert_eq!(got.len() as u64, found.count());
            if found.is_reversed {
                got.reverse();
            }
            assert_eq!(got, rows, "{direction:?} from {place:?}");
            place = found.place;
        }
    }

    #[test]
    fn ahead_only() {
        let mut place = Place::default();
        let take = |skip, take| Some(Ahead { skip, take });
        assert_eq!(place.ahead(Forward(Some(0))), take(0, Some(0)));
        assert_eq!(place.ahead(Absolute(0)), take(0, Some(0)));
        assert_eq!(place.ahead(Absolute(3)), take(2, Some(1)));
        assert_eq!(place.ahead(Backward(Some(1))), None);
        place.advance(3, false);
        assert_eq!(place.ahead(Relative(2)), take(1, Some(1)));
        assert_eq!(place.ahead(Absolute(4)), take(0, Some(1)));
        assert_eq!(place.ahead(Forward(None)), take(0, None));
        for back in [Absolute(3), Absolute(0), Absolute(-1), Relative(0), Relative(-1)] {
            assert_eq!(place.ahead(back), None, "{back:?}");
        }
        place.advance(1, true);
        assert_eq!(place.ahead(Absolute(5)), None);
        assert_eq!(place.ahead(Forward(Some(0))), take(0, Some(0)));
        assert_eq!(place.ahead(Forward(Some(1))), take(0, Some(1)));
    }
}
