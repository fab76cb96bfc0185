-- Results of the quarterly evaluation below the mark open entries, too (clause E1).
ALTER TABLE accountability_entry DROP CONSTRAINT accountability_entry_source_check;
ALTER TABLE accountability_entry ADD CONSTRAINT accountability_entry_source_check
    CHECK (source IN ('breach', 'conduct', 'accident', 'evaluation'));
