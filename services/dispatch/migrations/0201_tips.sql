-- A case that a public tip opens at the county office has no township: one that may be accused learns nothing of it.
ALTER TABLE case_file ALTER COLUMN township DROP NOT NULL;

-- The case in which this one ended, being of the same matter.
ALTER TABLE case_file ADD COLUMN merged_into uuid;

-- That two tips are of one matter, where the first tip's case is not open yet: it is carried out with its opening.
CREATE TABLE tip_link (
    into_case_id uuid        NOT NULL,
    tip_id       uuid        NOT NULL,
    case_id      uuid        NOT NULL,
    linked_at    timestamptz NOT NULL,
    PRIMARY KEY (into_case_id, tip_id)
);
