-- Rebuilds: facts and cells made again from `received`, beside the ones that are served, and compared with them.
CREATE TABLE rebuild (
    number          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rebuild_id      uuid        NOT NULL UNIQUE,
    state           text        NOT NULL CHECK (state IN ('running', 'equal', 'different', 'failed')),
    started_at      timestamptz NOT NULL,
    finished_at     timestamptz,
    events          bigint      NOT NULL DEFAULT 0,
    facts           bigint      NOT NULL DEFAULT 0,
    differing_cells bigint      NOT NULL DEFAULT 0,
    failure         text        NOT NULL DEFAULT '',
    CHECK ((state = 'running') = (finished_at IS NULL))
);
-- One at a time.
CREATE UNIQUE INDEX rebuild_running ON rebuild (state) WHERE state = 'running';

-- The first of the cells that differ.
CREATE TABLE rebuild_example (
    rebuild_id   uuid     NOT NULL REFERENCES rebuild (rebuild_id),
    place        integer  NOT NULL,
    kind         text     NOT NULL,
    region_level text     NOT NULL,
    region_code  text     NOT NULL,
    agency       text     NOT NULL,
    month        integer  NOT NULL,
    sector       text     NOT NULL,
    col          smallint NOT NULL,
    served       bigint   NOT NULL,
    shadow       bigint   NOT NULL,
    PRIMARY KEY (rebuild_id, place)
);

-- The shadow: of one rebuild at a time, empty between them. A crash may empty it, and then the rebuild has failed as well.
-- Facts as they were told, each as often as it was; no index, so that they come in as fast as they can be written.
CREATE UNLOGGED TABLE shadow_fact (
    -- Null where an entry of the accountability ledger has no fact any more.
    fact_id      uuid,
    -- Of columns 9 and 10.
    entry_id     uuid,
    -- Position in `received`; of an entry's, the sequence in the entry. Of facts the first holds, of entries the last.
    told         bigint   NOT NULL,
    unit_id      uuid     NOT NULL,
    month        integer  NOT NULL,
    sector       text     NOT NULL,
    col          smallint NOT NULL,
    amount       bigint   NOT NULL,
    distinct_key text
);
CREATE UNLOGGED TABLE shadow_unit (
    unit_id      uuid PRIMARY KEY,
    kind         text NOT NULL,
    region_level text NOT NULL,
    region_code  text NOT NULL,
    agency       text NOT NULL
);
-- The cells that were served when the rebuild began.
CREATE UNLOGGED TABLE shadow_served (
    unit_id uuid     NOT NULL,
    month   integer  NOT NULL,
    sector  text     NOT NULL,
    col     smallint NOT NULL,
    value   bigint   NOT NULL
);
