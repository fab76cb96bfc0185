//! Counting: the plain definition of every cell over a set of facts, and the increments by which the service keeps the same figures.

use std::collections::{BTreeMap, BTreeSet};

use dafei_kernel::{sector::Sector, time::Month};
use uuid::Uuid;

use crate::{
    column::Column,
    decided::Replacement,
    fact::Fact,
    table::Table,
    unit::{LeafUnit, Unit},
};

/// A cell of a leaf unit's table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// The leaf unit.
    pub leaf: LeafUnit,
    /// The month.
    pub month: Month,
    /// The row; none for 未分领域.
    pub sector: Option<Sector>,
    /// The column.
    pub column: Column,
}

impl Cell {
    /// The cell in which a fact is counted.
    #[must_use]
    pub fn of(fact: &Fact) -> Self {
        Self { leaf: fact.leaf.clone(), month: fact.month, sector: fact.sector, column: fact.column }
    }
}

/// A set of facts, whatever the order and repetition in which they came. Of facts with the same id the one that was told first in its
/// aggregate stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    facts: BTreeMap<Uuid, Fact>,
    /// What stands of each entry of the accountability ledger: the last one told in it.
    entries: BTreeMap<Uuid, Replacement>,
}

impl Tally {
    /// Takes a fact.
    pub fn take(&mut self, fact: Fact) {
        match self.facts.get(&fact.fact_id) {
            Some(known) if (known.sequence, known.event_id) <= (fact.sequence, fact.event_id) => {}
            Some(_) | None => {
                self.facts.insert(fact.fact_id, fact);
            }
        }
    }

    /// Takes what stands of an entry; an earlier word on it than the one that is known changes nothing.
    pub fn replace(&mut self, replacement: Replacement) {
        match self.entries.get(&replacement.entry) {
            Some(known) if known.sequence >= replacement.sequence => {}
            Some(_) | None => {
                self.entries.insert(replacement.entry, replacement);
            }
        }
    }

    /// The facts.
    pub fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.facts.values().chain(self.entries.values().flat_map(|entry| &entry.facts))
    }

    /// Every cell that is not zero: the sum of amounts, and in distinct columns the number of distinct keys.
    #[must_use]
    pub fn cells(&self) -> BTreeMap<Cell, i64> {
        let mut increments = Increments::default();
        let mut keys = BTreeSet::new();
        for fact in self.facts() {
            let fresh = fact.distinct_key.as_ref().is_none_or(|key| keys.insert((Cell::of(fact), key.clone())));
            if fresh {
                increments.add(fact);
            }
        }
        increments.into_cells()
    }

    /// The table of a unit and month.
    #[must_use]
    pub fn table(&self, unit: &Unit, month: Month) -> Table {
        Table::of_cells(
            self.cells()
                .into_iter()
                .filter(|(cell, _)| cell.month == month && unit.covers(&cell.leaf))
                .map(|(cell, value)| (cell.sector, cell.column, value)),
        )
    }
}

/// What a batch of counted facts adds to the cells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Increments {
    cells: BTreeMap<Cell, i64>,
}

impl Increments {
    /// Adds a fact that is new, and whose distinct key is new in its cell.
    pub fn add(&mut self, fact: &Fact) {
        // In a distinct column a fact stands for one thing, whatever its amount.
        let amount = if fact.distinct_key.is_some() { 1 } else { fact.amount };
        *self.cells.entry(Cell::of(fact)).or_default() += amount;
    }

    /// The cells in a fixed order (so that concurrent writers lock rows alike), each with what is to be added.
    #[must_use]
    pub fn into_cells(self) -> BTreeMap<Cell, i64> {
        self.cells
    }
}
