-- What became of a verified tip (column 6): true or false; empty for every other fact. The note 其中属实 counts by it.
ALTER TABLE fact ADD COLUMN verdict text NOT NULL DEFAULT '' CHECK (verdict IN ('', 'true', 'false'));
CREATE INDEX fact_verified_true ON fact (unit_id, month) WHERE verdict = 'true';
