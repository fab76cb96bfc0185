-- Publicity (clauses D5 to D7): notices, broadcasts, leaflets.

-- A row is changed once, when the notice is removed.
CREATE TABLE notice (
    id             uuid PRIMARY KEY,
    county         text        NOT NULL,
    township       text        NOT NULL,
    village        text        NOT NULL,
    -- The number of the API: 1 reward, 2 work.
    kind           smallint    NOT NULL CHECK (kind IN (1, 2)),
    copies         integer     NOT NULL CHECK (copies > 0),
    lat_e7         integer     NOT NULL,
    lon_e7         integer     NOT NULL,
    place          text        NOT NULL,
    evidence       jsonb       NOT NULL,
    posted_at      timestamptz NOT NULL,
    recorded_at    timestamptz NOT NULL,
    -- The length of the village's publicity book before it: the order in which its notices were recorded.
    recorded_after bigint      NOT NULL,
    replaces       uuid,
    removed_at     timestamptz,
    removal_reason text        NOT NULL DEFAULT ''
);

CREATE INDEX notice_hanging ON notice (village) WHERE removed_at IS NULL;
CREATE INDEX notice_by_time ON notice (posted_at DESC, id DESC);
CREATE INDEX notice_by_county ON notice (county, posted_at DESC, id DESC);
CREATE INDEX notice_by_township ON notice (township, posted_at DESC, id DESC);
CREATE INDEX notice_by_village ON notice (village, posted_at DESC, id DESC);

-- How a village stands, after its last notice was posted or removed; a village without a row never had one.
CREATE TABLE notice_standing (
    village      text PRIMARY KEY,
    valid_places integer NOT NULL,
    close_pairs  integer NOT NULL
) WITH (fillfactor = 80);

CREATE TABLE broadcast (
    id          uuid PRIMARY KEY,
    county      text        NOT NULL,
    township    text        NOT NULL,
    village     text        NOT NULL,
    made_at     timestamptz NOT NULL,
    seconds     integer     NOT NULL CHECK (seconds > 0),
    text        text        NOT NULL,
    recorded_at timestamptz NOT NULL
);

CREATE INDEX broadcast_by_time ON broadcast (made_at DESC, id DESC);
CREATE INDEX broadcast_by_county ON broadcast (county, made_at DESC, id DESC);
CREATE INDEX broadcast_by_township ON broadcast (township, made_at DESC, id DESC);
CREATE INDEX broadcast_by_village ON broadcast (village, made_at DESC, id DESC);

CREATE TABLE leaflet (
    id             uuid PRIMARY KEY,
    county         text        NOT NULL,
    township       text        NOT NULL,
    village        text        NOT NULL,
    distributed_at timestamptz NOT NULL,
    copies         integer     NOT NULL CHECK (copies > 0),
    households     integer     NOT NULL CHECK (households >= 0),
    -- [{"credit_code", "employees"}]
    enterprises    jsonb       NOT NULL,
    round          text        NOT NULL,
    recorded_at    timestamptz NOT NULL
);

CREATE INDEX leaflet_by_time ON leaflet (distributed_at DESC, id DESC);
CREATE INDEX leaflet_by_county ON leaflet (county, distributed_at DESC, id DESC);
CREATE INDEX leaflet_by_township ON leaflet (township, distributed_at DESC, id DESC);
CREATE INDEX leaflet_by_village ON leaflet (village, distributed_at DESC, id DESC);

-- What the distributions of one round have reached together: kept with each distribution, so that coverage reads a row for each village and round,
-- whatever the number of distributions.
CREATE TABLE leaflet_household (
    village text     NOT NULL,
    year    smallint NOT NULL,
    round   text     NOT NULL,
    reached bigint   NOT NULL,
    PRIMARY KEY (village, year, round)
) WITH (fillfactor = 80);

CREATE TABLE leaflet_employee (
    credit_code text     NOT NULL,
    year        smallint NOT NULL,
    round       text     NOT NULL,
    reached     bigint   NOT NULL,
    PRIMARY KEY (credit_code, year, round)
) WITH (fillfactor = 80);
