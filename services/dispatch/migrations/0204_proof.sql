-- The daily anchors over all cases, each over the one before.
CREATE TABLE anchor (
    number      bigint      PRIMARY KEY,
    day         date        NOT NULL UNIQUE,
    anchored_at timestamptz NOT NULL,
    cases       bigint      NOT NULL,
    digest      text        NOT NULL,
    -- Head of the chain over the events that told of them.
    chain_head  text        NOT NULL
);

CREATE TABLE anchor_bucket (
    number bigint   NOT NULL,
    bucket smallint NOT NULL,
    cases  bigint   NOT NULL,
    digest text     NOT NULL,
    PRIMARY KEY (number, bucket)
);

-- How each case stood at the anchor after which it last changed.
CREATE TABLE case_leaf (
    bucket     smallint NOT NULL,
    case_id    uuid     NOT NULL,
    number     bigint   NOT NULL,
    version    bigint   NOT NULL,
    chain_head text     NOT NULL,
    PRIMARY KEY (bucket, case_id, number)
);

-- Ids of version 7 begin with their time and end at random: the last byte divides all cases evenly.
CREATE FUNCTION case_bucket(id uuid) RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN get_byte(uuid_send(id), 15)::smallint;

CREATE INDEX case_file_open_by_bucket ON case_file (case_bucket(id), id) WHERE NOT closed;
