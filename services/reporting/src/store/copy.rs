//! Rows of the shadow in PostgreSQL's binary COPY format: several times as fast as parameters, which are read one by one.

use dafei_reporting_core::{Fact, Month, Secretary};
use uuid::Uuid;

use super::month;

/// Signature, no flags, no extension.
pub(super) const HEADER: [u8; 19] = *b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// A row of -1 columns.
pub(super) const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
/// What is added to a column's number for the note below the form that belongs to it: 106 其中属实, 109 and 110 village secretaries.
pub const NOTE: i16 = 100;
/// Columns of a row.
const COLUMNS: i16 = 9;

/// Which row, and by whose word.
struct Told {
    id: Uuid,
    entry: Option<Uuid>,
    told: i64,
}

fn column(fact: &Fact) -> i16 {
    i16::from(fact.column.number())
}

/// Rows of `shadow_fact`.
#[derive(Debug, Default)]
pub struct FactRows {
    bytes: Vec<u8>,
    /// How many facts are among them.
    pub facts: i64,
}

impl FactRows {
    /// A fact of a unit, told by the event at a position of the raw log.
    pub fn fact(&mut self, fact: &Fact, unit: Uuid, position: i64) {
        self.row(fact.fact_id, None, position, unit, fact);
        if fact.is_true_tip() {
            // Of the same id: it counts where the fact does, whose place the first word on it has decided.
            self.note(Told { id: fact.fact_id, entry: None, told: position }, unit, fact.month, column(fact));
        }
    }

    /// A village secretary who stands in the note of an entry by the word of this sequence.
    pub fn secretary(&mut self, secretary: &Secretary, unit: Uuid, entry: Uuid, sequence: i64) {
        let told = Told { id: secretary.id, entry: Some(entry), told: sequence };
        self.note(told, unit, secretary.month, i16::from(secretary.column.number()));
    }

    /// A fact that stands of an entry of the accountability ledger by the word of this sequence.
    pub fn standing(&mut self, fact: &Fact, unit: Uuid, entry: Uuid, sequence: i64) {
        self.row(fact.fact_id, Some(entry), sequence, unit, fact);
    }

    /// Nothing stands of an entry by the word of this sequence.
    pub fn nothing(&mut self, entry: Uuid, sequence: i64) {
        self.bytes.extend(COLUMNS.to_be_bytes());
        self.uuid(None);
        self.uuid(Some(entry));
        self.field(&sequence.to_be_bytes());
        self.uuid(Some(Uuid::nil()));
        self.field(&0_i32.to_be_bytes());
        self.field(b"");
        self.field(&0_i16.to_be_bytes());
        self.field(&0_i64.to_be_bytes());
        self.null();
    }

    /// The rows.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn row(&mut self, id: Uuid, entry: Option<Uuid>, told: i64, unit: Uuid, fact: &Fact) {
        self.facts += 1;
        self.head(&Told { id, entry, told }, unit, fact.month);
        self.field(fact.sector.map_or("", |sector| sector.code()).as_bytes());
        self.field(&column(fact).to_be_bytes());
        self.field(&fact.amount.to_be_bytes());
        match &fact.distinct_key {
            Some(key) => self.field(key.as_bytes()),
            None => self.null(),
        }
    }

    fn note(&mut self, told: Told, unit: Uuid, of: Month, column: i16) {
        self.head(&told, unit, of);
        self.field(b"");
        self.field(&(NOTE + column).to_be_bytes());
        self.field(&1_i64.to_be_bytes());
        self.null();
    }

    fn head(&mut self, told: &Told, unit: Uuid, of: Month) {
        self.bytes.extend(COLUMNS.to_be_bytes());
        self.uuid(Some(told.id));
        self.uuid(told.entry);
        self.field(&told.told.to_be_bytes());
        self.uuid(Some(unit));
        self.field(&month(of).to_be_bytes());
    }

    fn uuid(&mut self, id: Option<Uuid>) {
        match id {
            Some(id) => self.field(id.as_bytes()),
            None => self.null(),
        }
    }

    fn field(&mut self, bytes: &[u8]) {
        // Keys and codes are short: convert bounds them.
        self.bytes.extend(i32::try_from(bytes.len()).unwrap_or(i32::MAX).to_be_bytes());
        self.bytes.extend(bytes);
    }

    fn null(&mut self) {
        self.bytes.extend((-1_i32).to_be_bytes());
    }
}
