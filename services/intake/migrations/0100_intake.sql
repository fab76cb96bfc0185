-- Intake's own tables: what villages found and did with it, patrols, photos, and how far each part of the roster was announced.

-- A suspicion: `facts` never change, `standing` is the state with what it carries. Regions are those of the roster when it was recorded.
-- `version` grows with every change; `sequence` counts the events of the bus, and `chain_head` is the head of their hash chain.
CREATE TABLE suspicion (
    id          uuid PRIMARY KEY,
    county      text        NOT NULL,
    township    text        NOT NULL,
    village     text        NOT NULL,
    state       smallint    NOT NULL,
    version     bigint      NOT NULL CHECK (version >= 1),
    sequence    bigint      NOT NULL CHECK (sequence >= 1),
    chain_head  text        NOT NULL,
    recorded_at timestamptz NOT NULL,
    -- Who recorded it, as its token names it; for the work ledger. Never on the bus.
    recorded_by text        NOT NULL,
    facts       jsonb       NOT NULL,
    standing    jsonb       NOT NULL
);

-- Newest first within a state, at each level: a list probes one range per state and merges them.
CREATE INDEX suspicion_by_state ON suspicion (state, recorded_at DESC, id DESC);
CREATE INDEX suspicion_by_county ON suspicion (county, state, recorded_at DESC, id DESC);
CREATE INDEX suspicion_by_township ON suspicion (township, state, recorded_at DESC, id DESC);
CREATE INDEX suspicion_by_village ON suspicion (village, state, recorded_at DESC, id DESC);

-- The patrol book of a village: the aggregate of its patrols' events. Its row lock keeps their order.
CREATE TABLE patrol_book (
    village    text   PRIMARY KEY,
    sequence   bigint NOT NULL CHECK (sequence >= 1),
    chain_head text   NOT NULL
) WITH (fillfactor = 80);

-- Patrols. The instant that counts is part of the key, so that the table can be partitioned by month; lists and weekly counts read
-- ranges of the key.
CREATE TABLE patrol (
    village      text        NOT NULL,
    patrolled_at timestamptz NOT NULL,
    id           uuid        NOT NULL,
    object       text        NOT NULL,
    situation    text        NOT NULL,
    evidence     uuid[]      NOT NULL,
    received_at  timestamptz NOT NULL,
    skewed       boolean     NOT NULL,
    role         text        NOT NULL,
    recorded_by  text        NOT NULL,
    PRIMARY KEY (village, patrolled_at, id)
);

-- Photos, by their content; and in which villages each was sent in.
CREATE TABLE evidence (
    id          uuid PRIMARY KEY,
    sha256      bytea       NOT NULL,
    media_type  text        NOT NULL,
    bytes       bytea       NOT NULL,
    received_at timestamptz NOT NULL
);
-- Images do not become smaller.
ALTER TABLE evidence ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE TABLE evidence_village (
    evidence_id uuid        NOT NULL REFERENCES evidence (id),
    village     text        NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (evidence_id, village)
);

-- How far each city, county and township of the roster was announced.
CREATE TABLE roster_part (
    level      text   NOT NULL,
    code       text   NOT NULL,
    sequence   bigint NOT NULL CHECK (sequence >= 1),
    chain_head text   NOT NULL,
    PRIMARY KEY (level, code)
);
