-- The cases from the township centre up. `body` is the core's state as JSON; the columns beside it are what is looked for by.
-- `closed` and not `state` stands in the indexes: a case is updated at every step and closed once, so the steps stay heap-only.
CREATE TABLE case_file (
    id         uuid PRIMARY KEY,
    county     text        NOT NULL,
    township   text        NOT NULL,
    village    text,
    state      smallint    NOT NULL,
    closed     boolean     NOT NULL,
    version    bigint      NOT NULL,
    chain_head text        NOT NULL,
    reached_at timestamptz NOT NULL,
    body       jsonb       NOT NULL
) WITH (fillfactor = 70);

CREATE INDEX case_file_by_time ON case_file (reached_at DESC, id DESC);
CREATE INDEX case_file_by_county ON case_file (county, reached_at DESC, id DESC);
CREATE INDEX case_file_by_township ON case_file (township, reached_at DESC, id DESC);
CREATE INDEX case_file_by_village ON case_file (village, reached_at DESC, id DESC) WHERE village IS NOT NULL;
CREATE INDEX case_file_open_by_time ON case_file (reached_at DESC, id DESC) WHERE NOT closed;
CREATE INDEX case_file_open_by_county ON case_file (county, reached_at DESC, id DESC) WHERE NOT closed;
CREATE INDEX case_file_open_by_township ON case_file (township, reached_at DESC, id DESC) WHERE NOT closed;

-- What each unit has to do: which case an instruction belongs to, its inbox, and when it counts as delivered at the latest.
-- The instruction itself is part of its case's body.
CREATE TABLE instruction (
    id          uuid PRIMARY KEY,
    case_id     uuid        NOT NULL,
    agency      text        NOT NULL,
    level       text        NOT NULL,
    region      text        NOT NULL,
    state       smallint    NOT NULL,
    open        boolean     NOT NULL,
    delivered   boolean     NOT NULL,
    issued_at   timestamptz NOT NULL,
    assumed_at  timestamptz NOT NULL
) WITH (fillfactor = 80);

CREATE INDEX instruction_inbox ON instruction (agency, level, region, issued_at, id) WHERE open;
CREATE INDEX instruction_undelivered ON instruction (assumed_at, id) WHERE open AND NOT delivered;

-- Feedback by NATS: each id that a unit has used, the content that was taken under it, and how many receipts it got.
CREATE TABLE feedback (
    agency         text        NOT NULL,
    level          text        NOT NULL,
    region         text        NOT NULL,
    feedback_id    text        NOT NULL,
    -- SHA-256 of the content that was taken; null as long as all that came under this id was rejected.
    content_hash   bytea,
    instruction_id text        NOT NULL,
    receipts       bigint      NOT NULL,
    chain_head     text        NOT NULL,
    first_at       timestamptz NOT NULL,
    PRIMARY KEY (agency, level, region, feedback_id)
);

-- Units with a system of their own on NATS; each has a durable consumer.
CREATE TABLE agency_system (
    agency        text        NOT NULL,
    level         text        NOT NULL,
    region        text        NOT NULL,
    registered_at timestamptz NOT NULL,
    PRIMARY KEY (agency, level, region)
);
