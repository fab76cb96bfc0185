//! The rules of reporting: what an event counts for, to which filing unit it belongs, and how the monthly table (附件2) is made of it.
//!
//! Everything here is a pure function of what was told: no clock, no database, no wire types. The service keeps the same figures as
//! increments; [`tally::Tally`] is the plain definition that they must equal.

pub mod activity;
pub mod allowance;
pub mod assessment;
pub mod briefing;
pub mod column;
pub mod decided;
pub mod disclosure;
pub mod evaluation;
pub mod fact;
pub mod filing;
pub mod happening;
pub mod quarter;
pub mod spot_check;
pub mod table;
pub mod tally;
pub mod unit;
pub mod work;

pub use column::Column;
pub use dafei_kernel::time::Month;
pub use decided::{Decided, Replacement, Sanction, Secretary, replacement_of};
pub use fact::{Fact, Uncountable, facts_of};
pub use happening::{Happening, Source};
pub use table::{Row, Table};
pub use tally::{Cell, Increments, Tally};
pub use unit::{LeafUnit, Unit, UnitKind};
