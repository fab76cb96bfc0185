-- What every service's database holds for the bus: the history of its events, what of it is still to be published, how far it was
-- published, how far it consumed others, and the answers it gave.

-- The history. Append-only: one row per event, the payload exactly as published. Partitioned by month so that old months can be
-- detached; what falls into no month's partition lands in the default one.
CREATE TABLE event_log (
    position     bigint GENERATED ALWAYS AS IDENTITY,
    event_id     uuid        NOT NULL,
    aggregate_id uuid        NOT NULL,
    sequence     bigint      NOT NULL CHECK (sequence >= 1),
    recorded_at  timestamptz NOT NULL,
    stream       text        NOT NULL,
    subject      text        NOT NULL,
    event_type   text        NOT NULL,
    source       text        NOT NULL,
    traceparent  text,
    payload      bytea       NOT NULL,
    PRIMARY KEY (recorded_at, position)
) PARTITION BY RANGE (recorded_at);

CREATE TABLE event_log_default PARTITION OF event_log DEFAULT;
CREATE INDEX event_log_by_aggregate ON event_log (aggregate_id, sequence);
CREATE INDEX event_log_by_position ON event_log (position);

CREATE FUNCTION event_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'event_log is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER event_log_append_only BEFORE UPDATE OR DELETE ON event_log
    FOR EACH STATEMENT EXECUTE FUNCTION event_log_is_append_only();

-- Makes the partitions of `months` months (UTC) from the month of `start` on; says how many are new. A month of which rows are
-- already in the default partition is left there.
CREATE FUNCTION event_log_ensure_partitions(start timestamptz, months integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    lower_bound timestamptz;
    upper_bound timestamptz;
    partition_name text;
    present boolean;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('dafei event_log partitions', 0));
    FOR month IN 0 .. months - 1 LOOP
        lower_bound := (date_trunc('month', start AT TIME ZONE 'UTC') + make_interval(months => month)) AT TIME ZONE 'UTC';
        upper_bound := (date_trunc('month', start AT TIME ZONE 'UTC') + make_interval(months => month + 1)) AT TIME ZONE 'UTC';
        partition_name := 'event_log_' || to_char(lower_bound AT TIME ZONE 'UTC', 'YYYY_MM');
        CONTINUE WHEN to_regclass(partition_name) IS NOT NULL;
        SELECT EXISTS (SELECT 1 FROM event_log_default WHERE recorded_at >= lower_bound AND recorded_at < upper_bound) INTO present;
        CONTINUE WHEN present;
        EXECUTE format('CREATE TABLE %I PARTITION OF event_log FOR VALUES FROM (%L) TO (%L)', partition_name, lower_bound, upper_bound);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;

-- What is not yet published: written with the event, deleted by the relay after the stream has it.
CREATE TABLE outbox (
    stream      text        NOT NULL,
    position    bigint      NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (stream, position)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);

-- How far a stream was filled: the fence for the next batch. `stream_created` tells a stream that was wiped and made anew.
CREATE TABLE relay_state (
    stream         text        PRIMARY KEY,
    stream_created timestamptz NOT NULL,
    last_sequence  bigint      NOT NULL CHECK (last_sequence >= 0),
    refilling      boolean     NOT NULL DEFAULT false
);

-- How far a consumer has read a stream; locked by every batch, so that a consumer that lost its lock cannot commit.
CREATE TABLE consumer_position (
    consumer          text        NOT NULL,
    stream            text        NOT NULL,
    stream_created    timestamptz,
    last_sequence     bigint      NOT NULL DEFAULT 0,
    caught_up_through timestamptz,
    PRIMARY KEY (consumer, stream)
) WITH (fillfactor = 50);

-- High-water mark of each aggregate: what is at or below it has taken effect.
CREATE TABLE consumer_mark (
    consumer     text   NOT NULL,
    source       text   NOT NULL,
    aggregate_id uuid   NOT NULL,
    sequence     bigint NOT NULL,
    PRIMARY KEY (consumer, source, aggregate_id)
) WITH (fillfactor = 80);

-- Events that wait until the gap before them is filled.
CREATE TABLE parked_event (
    consumer        text        NOT NULL,
    source          text        NOT NULL,
    aggregate_id    uuid        NOT NULL,
    sequence        bigint      NOT NULL,
    stream          text        NOT NULL,
    stream_sequence bigint      NOT NULL,
    stored_at       timestamptz NOT NULL,
    subject         text        NOT NULL,
    headers         jsonb       NOT NULL,
    payload         bytea       NOT NULL,
    PRIMARY KEY (consumer, source, aggregate_id, sequence)
);

-- Events that could not take effect; listed and replayed by an operator. Their aggregates' successors are parked meanwhile.
CREATE TABLE dead_letter (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer        text        NOT NULL,
    stream          text        NOT NULL,
    stream_sequence bigint      NOT NULL,
    stored_at       timestamptz NOT NULL,
    subject         text        NOT NULL,
    source          text,
    event_id        uuid,
    aggregate_id    uuid,
    sequence        bigint,
    headers         jsonb       NOT NULL,
    payload         bytea       NOT NULL,
    reason          text        NOT NULL,
    attempts        integer     NOT NULL DEFAULT 1,
    first_failed_at timestamptz NOT NULL,
    last_failed_at  timestamptz NOT NULL,
    replayed_at     timestamptz
);
CREATE INDEX dead_letter_open ON dead_letter (consumer, id) WHERE replayed_at IS NULL;
CREATE UNIQUE INDEX dead_letter_of_event ON dead_letter (consumer, source, aggregate_id, sequence) WHERE replayed_at IS NULL;

-- The answers given to writes, by request id (AIP-155).
CREATE TABLE request (
    subject      text        NOT NULL,
    method       text        NOT NULL,
    request_id   text        NOT NULL,
    payload_hash bytea       NOT NULL,
    answer       bytea       NOT NULL,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (subject, method, request_id)
);
CREATE INDEX request_by_time ON request (recorded_at);

-- The instant at which an exercise's clock stands; no row where the system clock runs.
CREATE TABLE exercise_clock (
    singleton boolean     PRIMARY KEY DEFAULT true CHECK (singleton),
    at        timestamptz NOT NULL
);
