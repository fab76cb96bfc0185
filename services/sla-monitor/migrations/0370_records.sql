-- A case may record an accident, or what became of an order, again (clauses E4, E5): its reports are taken one after the other, as they were told.
ALTER TABLE accountability_report ADD COLUMN position bigint GENERATED ALWAYS AS IDENTITY;
CREATE INDEX accountability_report_by_case ON accountability_report ((body ->> 'case_id'), position);
-- And each finds the entries that its case has.
CREATE INDEX accountability_entry_case ON accountability_entry ((body ->> 'case_id')) WHERE source IN ('accident', 'conduct');
