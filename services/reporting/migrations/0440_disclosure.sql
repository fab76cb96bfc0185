-- What the public reads (clauses F4, F5).

-- Cases that are exposed, one row each while they are. Made from dispatch's events and can be made again.
CREATE TABLE exposure (
    case_id uuid PRIMARY KEY,
    -- What the public knows it by.
    exposure_id uuid NOT NULL UNIQUE,
    -- Civil day in Asia/Shanghai. Within a day exposures are listed by their ids, which say nothing of their order.
    day date NOT NULL,
    public_text text NOT NULL,
    -- Empty where no county had it.
    county text NOT NULL,
    city text NOT NULL,
    sector text NOT NULL
);
CREATE INDEX exposure_latest ON exposure (day DESC, exposure_id DESC);
CREATE INDEX exposure_of_county ON exposure (county, day DESC, exposure_id DESC);
CREATE INDEX exposure_of_sector ON exposure (sector, day DESC, exposure_id DESC);

-- Tables that an office has released, the last released version of each. It is what offices said, and is not made from events.
CREATE TABLE released_table (
    month integer NOT NULL,
    kind text NOT NULL,
    region_code text NOT NULL,
    -- Empty but for departments.
    agency text NOT NULL,
    -- The county and the city in which the unit lies; the county is empty for units of the city.
    county text NOT NULL,
    city text NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    released_at timestamptz NOT NULL,
    released_by jsonb NOT NULL,
    -- What the public reads, as it was at the release: a GetReleasedTableResponse.
    content bytea NOT NULL,
    PRIMARY KEY (month, kind, region_code, agency),
    FOREIGN KEY (month, kind, region_code, agency, version) REFERENCES filed_table
);
CREATE INDEX released_table_of_county ON released_table (county, month);
