-- Whether it arrived in truth; what was only assumed did not. The case's county and township, to list by region.
ALTER TABLE instruction ADD COLUMN reached boolean NOT NULL DEFAULT false, ADD COLUMN county text, ADD COLUMN township text;
UPDATE instruction i SET reached = true FROM case_file c
WHERE c.id = i.case_id AND (i.state > 2 OR NOT i.open);
UPDATE instruction i SET county = c.county, township = c.township FROM case_file c WHERE c.id = i.case_id;

CREATE INDEX instruction_unreached ON instruction (assumed_at, id) WHERE open AND NOT reached;
