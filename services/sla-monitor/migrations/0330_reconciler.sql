-- The instruction of an obligation whose clock runs for one: what its service names the open step by.
ALTER TABLE obligation ADD COLUMN instruction uuid;

-- Bucket of a case: the last byte of its id, as intake and dispatch have it.
CREATE FUNCTION case_bucket(id uuid) RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN get_byte(uuid_send(id), 15)::smallint;

-- The armed obligations of a bucket, by case.
CREATE INDEX obligation_armed_by_bucket ON obligation (case_bucket(case_id), case_id)
    WHERE end_kind IS NULL AND next_fire_at IS NOT NULL AND case_id IS NOT NULL;

-- Each run of the reconciler; one without an end goes on, or its process ended before it.
CREATE TABLE reconciliation_run (
    number         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at     timestamptz NOT NULL,
    ended_at       timestamptz,
    as_of          timestamptz,
    compared       bigint  NOT NULL DEFAULT 0,
    buckets_agreed integer NOT NULL DEFAULT 0,
    in_flight      bigint  NOT NULL DEFAULT 0,
    sighted        bigint  NOT NULL DEFAULT 0,
    holes          bigint  NOT NULL DEFAULT 0,
    repaired       bigint  NOT NULL DEFAULT 0,
    error          text    NOT NULL DEFAULT ''
);

-- What did not fit. Seen once it is forgotten when the next run does not see it again; seen twice it is a hole, and stays as the record.
CREATE TABLE reconciliation_hole (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    publisher   text        NOT NULL,
    case_id     uuid        NOT NULL,
    clock       text        NOT NULL,
    instruction uuid,
    side        text        NOT NULL CHECK (side IN ('missing', 'extra')),
    -- The last run that saw it.
    run         bigint      NOT NULL,
    first_seen  timestamptz NOT NULL,
    -- The publisher's watermark must be beyond this before a second sighting counts.
    beyond      timestamptz NOT NULL,
    second_seen timestamptz,
    -- The run that counted it.
    counted_by  bigint,
    repair      text CHECK (repair IN ('recomputed', 'step-found', 'step-gone', 'none')),
    obligation  uuid,
    -- Repaired, or no longer there.
    closed_at   timestamptz
);
CREATE UNIQUE INDEX reconciliation_hole_open ON reconciliation_hole (case_id, clock, side, instruction) NULLS NOT DISTINCT WHERE closed_at IS NULL;
CREATE INDEX reconciliation_hole_counted ON reconciliation_hole (number) WHERE second_seen IS NOT NULL;
CREATE INDEX reconciliation_hole_by_case ON reconciliation_hole (case_id, number) WHERE second_seen IS NOT NULL;
CREATE INDEX reconciliation_hole_standing ON reconciliation_hole (number) WHERE second_seen IS NOT NULL AND closed_at IS NULL;
