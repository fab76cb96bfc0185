-- Households of a village, for coverage (clause D7).
ALTER TABLE roster_region ADD COLUMN households integer NOT NULL DEFAULT 0;

-- What lies below a township is deleted and read by it.
CREATE INDEX roster_region_by_township ON roster_region (parent_code) WHERE parent_level = 'township';

-- Which city, county or township was changed when. Revisions grow in the order of commits: whoever changes the roster holds its lock until
-- the commit. A part that is gone keeps its row, so that those who follow learn of it.
CREATE TABLE roster_part (
    level text NOT NULL,
    code text NOT NULL,
    revision bigint NOT NULL,
    PRIMARY KEY (level, code)
);

CREATE INDEX roster_part_by_revision ON roster_part (revision);

INSERT INTO roster_part (level, code, revision)
SELECT level, code, 1 FROM roster_region WHERE level IN ('city', 'county', 'township');
