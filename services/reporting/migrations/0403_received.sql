-- Every event that counts, as it was received: what facts and cells are made from, and can be made from again when the streams no longer
-- hold it. Append-only, and nothing ever deletes from it: what no table has been filed with must not be lost.
CREATE TABLE received (
    -- In the order in which events took effect: within a consumer's batch, and within an aggregate.
    position     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source       text        NOT NULL,
    event_id     uuid        NOT NULL,
    aggregate_id uuid        NOT NULL,
    sequence     bigint      NOT NULL,
    event_type   text        NOT NULL,
    -- By its publisher's clock.
    recorded_at  timestamptz NOT NULL,
    -- By the clock of the bus.
    received_at  timestamptz NOT NULL,
    stream       text        NOT NULL,
    payload      bytea       NOT NULL,
    UNIQUE (source, event_id)
);

CREATE FUNCTION received_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'received is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER received_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON received
    FOR EACH STATEMENT EXECUTE FUNCTION received_is_append_only();
