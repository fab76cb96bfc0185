-- Since when tips of a case wait for their verdict though it is closed, on an interim result alone; null in every other case.
ALTER TABLE case_file ADD COLUMN unverified_since timestamptz;

CREATE INDEX case_file_unverified ON case_file (unverified_since, id) WHERE unverified_since IS NOT NULL;
