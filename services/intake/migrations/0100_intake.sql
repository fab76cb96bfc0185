-- Suspicions. `facts` is what was found and never changes, `body` where it stands; the columns beside them are what is looked for by.
-- No index holds what a step changes, so the steps stay heap-only.
CREATE TABLE suspicion (
    id          uuid PRIMARY KEY,
    county      text        NOT NULL,
    township    text        NOT NULL,
    village     text        NOT NULL,
    state       smallint    NOT NULL,
    -- Number of its events, published or not.
    version     bigint      NOT NULL,
    -- Sequence of its last published event, and the head of the chain over them.
    sequence    bigint      NOT NULL,
    chain_head  text        NOT NULL,
    recorded_at timestamptz NOT NULL,
    facts       jsonb       NOT NULL,
    body        jsonb       NOT NULL
) WITH (fillfactor = 80);

CREATE INDEX suspicion_by_time ON suspicion (recorded_at DESC, id DESC);
CREATE INDEX suspicion_by_county ON suspicion (county, recorded_at DESC, id DESC);
CREATE INDEX suspicion_by_township ON suspicion (township, recorded_at DESC, id DESC);
CREATE INDEX suspicion_by_village ON suspicion (village, recorded_at DESC, id DESC);

-- Patrols, and by village and time the count of a week (clause C1).
CREATE TABLE patrol (
    id           uuid PRIMARY KEY,
    village      text        NOT NULL,
    object       text        NOT NULL,
    situation    text        NOT NULL,
    evidence     jsonb       NOT NULL,
    patrolled_at timestamptz NOT NULL,
    received_at  timestamptz NOT NULL,
    skewed       boolean     NOT NULL
);

CREATE INDEX patrol_by_village ON patrol (village, patrolled_at DESC, id DESC);

-- Photos. The id follows from village and bytes. Images are compressed already.
CREATE TABLE evidence (
    id          uuid PRIMARY KEY,
    village     text        NOT NULL,
    sha256      bytea       NOT NULL,
    media_type  text        NOT NULL,
    bytes       bytea       NOT NULL,
    uploaded_at timestamptz NOT NULL
);
ALTER TABLE evidence ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- Sequence and chain of what has no row of its own: a village's patrol book, a part of the roster.
CREATE TABLE event_head (
    aggregate_id uuid PRIMARY KEY,
    sequence     bigint NOT NULL,
    chain_head   text   NOT NULL
) WITH (fillfactor = 70);
