-- A case that the city's office or a city department opened belongs to no county.
ALTER TABLE case_file ALTER COLUMN county DROP NOT NULL;
