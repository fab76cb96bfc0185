-- Filings of the monthly table (clause C18). Nothing of it is made from events: it is what units said, and it is never forgotten.

-- How a unit stands with a month: the aggregate of its filings. There is no row before anything is corrected or filed.
CREATE TABLE filing (
    kind text NOT NULL CHECK (kind IN ('township', 'county-department', 'county-office', 'city-department', 'city-office')),
    region_code text NOT NULL,
    -- Empty but for departments.
    agency text NOT NULL,
    -- Civil month in Asia/Shanghai, 202611.
    month integer NOT NULL,
    -- The county and the city that collect it, as the roster was at the last filing; the county is empty for units of the city.
    county text NOT NULL,
    city text NOT NULL,
    -- 0: nothing is filed.
    version integer NOT NULL DEFAULT 0 CHECK (version >= 0),
    first_filed_at timestamptz,
    last_filed_at timestamptz,
    -- Of the draft that was filed last.
    digest text NOT NULL DEFAULT '',
    chain_head text NOT NULL DEFAULT '',
    PRIMARY KEY (month, kind, region_code, agency),
    CHECK ((version = 0) = (first_filed_at IS NULL) AND (version = 0) = (last_filed_at IS NULL))
);
CREATE INDEX filing_of_county ON filing (month, county) WHERE version > 0 AND county <> '';
CREATE INDEX filing_of_city ON filing (month, city) WHERE version > 0;

-- Corrections that the next version will have, beside the computed figures and never over them.
CREATE TABLE filing_correction (
    kind text NOT NULL,
    region_code text NOT NULL,
    agency text NOT NULL,
    month integer NOT NULL,
    sector text NOT NULL,
    col smallint NOT NULL CHECK (col BETWEEN 1 AND 12),
    amount bigint NOT NULL CHECK (amount <> 0),
    reason text NOT NULL CHECK (reason <> ''),
    corrected_by jsonb NOT NULL,
    corrected_at timestamptz NOT NULL,
    PRIMARY KEY (month, kind, region_code, agency, sector, col),
    FOREIGN KEY (month, kind, region_code, agency) REFERENCES filing
);

-- Versions as they were filed, byte for byte.
CREATE TABLE filed_table (
    kind text NOT NULL,
    region_code text NOT NULL,
    agency text NOT NULL,
    month integer NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    filed_at timestamptz NOT NULL,
    filed_by jsonb NOT NULL,
    filled_in_by text NOT NULL,
    content bytea NOT NULL,
    sha256 text NOT NULL,
    PRIMARY KEY (month, kind, region_code, agency, version),
    FOREIGN KEY (month, kind, region_code, agency) REFERENCES filing
);
CREATE FUNCTION filed_table_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a filed table stays as it is';
END $$;
CREATE TRIGGER filed_table_stays BEFORE UPDATE OR DELETE ON filed_table FOR EACH ROW EXECUTE FUNCTION filed_table_stays();

-- The figures of the last version, for the table of the office that collects it: by the county in which its facts were, so that a township that
-- moved to another county rolls up in each with what it did there. Corrections are in the county of now.
CREATE TABLE filed_cell (
    month integer NOT NULL,
    kind text NOT NULL,
    region_code text NOT NULL,
    agency text NOT NULL,
    county text NOT NULL,
    city text NOT NULL,
    sector text NOT NULL,
    col smallint NOT NULL,
    value bigint NOT NULL,
    PRIMARY KEY (month, kind, region_code, agency, county, sector, col)
);
CREATE INDEX filed_cell_of_county ON filed_cell (month, county) WHERE county <> '';
CREATE INDEX filed_cell_of_city ON filed_cell (month, city);
