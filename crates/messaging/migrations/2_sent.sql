-- What the last messages of a stream are, so that what a stream loses of its end is known and can be published again: messages `after` + 1 to
-- `through`, and the position in the log of each that is an event (0 for one that is none). A watermark has no positions.
CREATE TABLE relay_sent (
    stream         text        NOT NULL,
    stream_created timestamptz NOT NULL,
    after          bigint      NOT NULL,
    through        bigint      NOT NULL CHECK (through > after),
    positions      bigint[]    NOT NULL CHECK (cardinality(positions) IN (0, through - after)),
    PRIMARY KEY (stream, stream_created, after)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);

-- A stream that lost its end ends at `pad_from` and is filled up to `pad_to` before anything is published to it again: nobody who read the old
-- end passes over what stands in its place. Until then `last_sequence` is the old end. Both are 0 otherwise.
ALTER TABLE relay_state
    ADD COLUMN pad_from bigint NOT NULL DEFAULT 0,
    ADD COLUMN pad_to   bigint NOT NULL DEFAULT 0;
