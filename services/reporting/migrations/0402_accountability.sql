-- Columns 9 and 10: facts of an entry of the accountability ledger are replaced when an appeal or a later decision changes what stands of it.
CREATE TABLE entry_fact (
    fact_id  uuid PRIMARY KEY,
    entry_id uuid NOT NULL
);
CREATE INDEX entry_fact_by_entry ON entry_fact (entry_id);

-- Village secretaries (村居支部书记) who had a warning talk (9) or were held accountable (10): a note, in no column.
CREATE TABLE secretary_note (
    id       uuid PRIMARY KEY,
    entry_id uuid     NOT NULL,
    unit_id  uuid     NOT NULL,
    month    integer  NOT NULL,
    col      smallint NOT NULL CHECK (col IN (9, 10))
);
CREATE INDEX secretary_note_by_entry ON secretary_note (entry_id);
CREATE INDEX secretary_note_by_unit ON secretary_note (unit_id, month, col);
