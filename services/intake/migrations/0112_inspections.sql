-- Inspections by agencies and departments (clauses A3, C17, C19). Written once, never changed.
CREATE TABLE inspection (
    id            uuid PRIMARY KEY,
    -- Where: a village, or a township and then no village.
    county        text        NOT NULL,
    township      text        NOT NULL,
    village       text        NOT NULL,
    -- The inspecting post.
    by_role       text        NOT NULL,
    by_level      text        NOT NULL,
    by_code       text        NOT NULL,
    agency        text        NOT NULL,
    -- Of an enterprise; null for a den.
    credit_code   text,
    subject       jsonb       NOT NULL,
    sector        text        NOT NULL,
    enforcement   boolean     NOT NULL,
    outside_scope boolean     NOT NULL,
    inspected_at  timestamptz NOT NULL,
    received_at   timestamptz NOT NULL,
    situation     text        NOT NULL,
    acts          jsonb       NOT NULL,
    measures      jsonb       NOT NULL,
    evidence      jsonb       NOT NULL
);

CREATE INDEX inspection_by_time ON inspection (inspected_at DESC, id DESC);
CREATE INDEX inspection_by_county ON inspection (county, inspected_at DESC, id DESC);
CREATE INDEX inspection_by_township ON inspection (township, inspected_at DESC, id DESC);
CREATE INDEX inspection_by_village ON inspection (village, inspected_at DESC, id DESC);
-- One agency or one sector may be rare in a city or a county; within a township there is little to look through.
CREATE INDEX inspection_by_agency ON inspection (agency, inspected_at DESC, id DESC);
CREATE INDEX inspection_by_county_agency ON inspection (county, agency, inspected_at DESC, id DESC);
CREATE INDEX inspection_by_sector ON inspection (sector, inspected_at DESC, id DESC);
CREATE INDEX inspection_by_county_sector ON inspection (county, sector, inspected_at DESC, id DESC);
-- The history of an enterprise.
CREATE INDEX inspection_by_enterprise ON inspection (credit_code, inspected_at DESC, id DESC) WHERE credit_code IS NOT NULL;
