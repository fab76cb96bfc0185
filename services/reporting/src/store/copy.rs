//! Rows of the shadow in PostgreSQL's binary COPY format: several times as fast as parameters, which are read one by one.

use dafei_reporting_core::Fact;
use uuid::Uuid;

use super::month;

/// Signature, no flags, no extension.
pub(super) const HEADER: [u8; 19] = *b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// A row of -1 columns.
pub(super) const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
/// Columns of a row.
const COLUMNS: i16 = 9;

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
        self.row(Some(fact.fact_id), None, position, unit, fact);
    }

    /// A fact that stands of an entry of the accountability ledger by the word of this sequence.
    pub fn standing(&mut self, fact: &Fact, unit: Uuid, entry: Uuid, sequence: i64) {
        self.row(Some(fact.fact_id), Some(entry), sequence, unit, fact);
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

    fn row(&mut self, fact_id: Option<Uuid>, entry: Option<Uuid>, told: i64, unit: Uuid, fact: &Fact) {
        self.facts += 1;
        self.bytes.extend(COLUMNS.to_be_bytes());
        self.uuid(fact_id);
        self.uuid(entry);
        self.field(&told.to_be_bytes());
        self.uuid(Some(unit));
        self.field(&month(fact.month).to_be_bytes());
        self.field(fact.sector.map_or("", |sector| sector.code()).as_bytes());
        self.field(&i16::from(fact.column.number()).to_be_bytes());
        self.field(&fact.amount.to_be_bytes());
        match &fact.distinct_key {
            Some(key) => self.field(key.as_bytes()),
            None => self.null(),
        }
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
