-- Facts by filing unit, and the cells of the monthly tables as increments of them. All of it is made from events and can be made again.

-- Leaf units (clause F1), each under the county and the city that administered it when its facts happened. unit_id is derived from the
-- other columns, so that a rebuild gives the same ids.
CREATE TABLE unit (
    unit_id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('township', 'county-department', 'county-office', 'city-department', 'city-office')),
    region_level text NOT NULL,
    region_code text NOT NULL,
    -- Empty but for departments.
    agency text NOT NULL,
    -- Empty for units of the city.
    county text NOT NULL,
    city text NOT NULL,
    UNIQUE (kind, region_code, agency, county, city)
);
CREATE INDEX unit_county ON unit (county);
CREATE INDEX unit_city ON unit (city);

CREATE TABLE fact (
    fact_id uuid PRIMARY KEY,
    unit_id uuid NOT NULL,
    -- Civil month in Asia/Shanghai, 202611.
    month integer NOT NULL,
    -- Empty: 未分领域.
    sector text NOT NULL,
    act text NOT NULL,
    source text NOT NULL,
    col smallint NOT NULL CHECK (col BETWEEN 1 AND 12),
    -- Count, or fen in the money columns 4 and 8.
    amount bigint NOT NULL CHECK (amount > 0),
    -- What counts once within unit, month, sector and column; null in columns that add up.
    distinct_key text,
    at timestamptz NOT NULL,
    case_id uuid,
    event_id uuid NOT NULL,
    sequence bigint NOT NULL
);
-- A cell opened to its facts: of a unit, and of all units.
CREATE INDEX fact_cell ON fact (unit_id, month, col, at, fact_id);
CREATE INDEX fact_column ON fact (month, col, at, fact_id);
-- The facts of the same thing in a cell.
CREATE INDEX fact_distinct ON fact (unit_id, month, col, sector, distinct_key, at, fact_id) WHERE distinct_key IS NOT NULL;

-- What has been counted in a distinct column: the figure is the number of these rows, whatever the order of the facts.
CREATE TABLE counted_key (
    unit_id uuid NOT NULL,
    month integer NOT NULL,
    sector text NOT NULL,
    col smallint NOT NULL,
    distinct_key text NOT NULL,
    PRIMARY KEY (unit_id, month, col, sector, distinct_key)
);

CREATE TABLE cell (
    unit_id uuid NOT NULL,
    month integer NOT NULL,
    sector text NOT NULL,
    col smallint NOT NULL,
    value bigint NOT NULL,
    PRIMARY KEY (unit_id, month, sector, col)
) WITH (fillfactor = 80);
