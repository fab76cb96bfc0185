-- How far the publishers' streams are complete: nothing is announced beyond the least of them.
CREATE TABLE watermark (
    service text PRIMARY KEY,
    through timestamptz NOT NULL
) WITH (fillfactor = 50);

-- What happened to each case, as a set: a fact is known by its publisher and sequence.
CREATE TABLE case_fact (
    case_id  uuid   NOT NULL,
    source   text   NOT NULL,
    sequence bigint NOT NULL,
    body     jsonb  NOT NULL,
    PRIMARY KEY (case_id, source, sequence)
);

-- The obligations that follow from these facts, and what was announced of each. Deadline and owners are those of the start and never
-- change afterwards; `inputs` holds all that the deadline was computed from.
CREATE TABLE obligation (
    id               uuid PRIMARY KEY,
    case_id          uuid        NOT NULL,
    clock            text        NOT NULL,
    leg              integer     NOT NULL,
    city             text        NOT NULL,
    county           text,
    township         text,
    village          text,
    region_path      text        NOT NULL,
    direct           jsonb       NOT NULL,
    loop_owner       jsonb       NOT NULL,
    sector           text        NOT NULL,
    rule_version     text        NOT NULL,
    calendar_version text        NOT NULL,
    inputs           jsonb       NOT NULL,
    provisional      boolean     NOT NULL,
    started_at       timestamptz NOT NULL,
    warn_at          timestamptz NOT NULL,
    due              timestamptz NOT NULL,
    due_inclusive    boolean     NOT NULL,
    first_reminder   timestamptz NOT NULL,
    -- settled or cancelled, and when; null while it runs.
    end_kind         text CHECK (end_kind IN ('settled', 'cancelled')),
    ended_at         timestamptz,
    -- What was announced.
    warned_at        timestamptz,
    breached         boolean     NOT NULL DEFAULT false,
    reminders        integer     NOT NULL DEFAULT 0,
    end_announced    text CHECK (end_announced IN ('settled', 'cancelled')),
    annulled         boolean     NOT NULL DEFAULT false,
    -- The instant at which something is to be announced next; null when nothing ever will be.
    next_fire_at     timestamptz,
    -- Of the last event, and the head of the chain after it.
    sequence         bigint      NOT NULL DEFAULT 0,
    chain_head       text        NOT NULL DEFAULT '',
    CHECK ((end_kind IS NULL) = (ended_at IS NULL))
) WITH (fillfactor = 70);

CREATE INDEX obligation_to_fire ON obligation (next_fire_at, id) WHERE next_fire_at IS NOT NULL;
CREATE INDEX obligation_by_case ON obligation (case_id, started_at);

-- Breaches that stand, newest limit first, by the region that is looked at; of all clocks and of one.
CREATE INDEX obligation_breach_city ON obligation (city, due DESC, id DESC) WHERE breached AND NOT annulled;
CREATE INDEX obligation_breach_county ON obligation (county, due DESC, id DESC) WHERE breached AND NOT annulled;
CREATE INDEX obligation_breach_township ON obligation (township, due DESC, id DESC) WHERE breached AND NOT annulled;
CREATE INDEX obligation_breach_village ON obligation (village, due DESC, id DESC) WHERE breached AND NOT annulled;
