-- A weekly duty ends with its breach: nothing can be made up for.
ALTER TABLE obligation
    DROP CONSTRAINT obligation_end_kind_check,
    ADD CONSTRAINT obligation_end_kind_check CHECK (end_kind IN ('settled', 'cancelled', 'missed')),
    ADD COLUMN ends_with_breach boolean NOT NULL DEFAULT false,
    -- What its deadline was computed from, where that is the same for many; its own id when null.
    ADD COLUMN basis uuid;

CREATE UNIQUE INDEX obligation_of_unit ON obligation (unit, clock, period) WHERE unit IS NOT NULL;

-- Who is in the roster since when, and where: who owes duties. A row is a unit in one place; `entered` and `left_at` are those of its whole
-- stay, through all places.
CREATE TABLE duty_unit (
    kind    text        NOT NULL,
    unit    text        NOT NULL,
    since   timestamptz NOT NULL,
    until   timestamptz,
    entered timestamptz NOT NULL,
    left_at timestamptz,
    -- The city, county or township whose snapshot names it.
    part    text        NOT NULL,
    path    text        NOT NULL,
    PRIMARY KEY (kind, unit, since)
);
CREATE INDEX duty_unit_of_part ON duty_unit (part) WHERE until IS NULL;

-- The acts that fulfil a duty: the earliest, as many as are needed, in order. Nothing is kept of a duty for which nothing was done.
CREATE TABLE duty_progress (
    clock  text          NOT NULL,
    period text          NOT NULL,
    unit   text          NOT NULL,
    acts   timestamptz[] NOT NULL,
    PRIMARY KEY (clock, period, unit)
) WITH (fillfactor = 80);

-- How a village stands with its notices.
CREATE TABLE duty_standing (
    unit text  PRIMARY KEY,
    body jsonb NOT NULL
) WITH (fillfactor = 80);

-- The period of each duty and kind of unit whose yellow light comes next: then those are recorded who have not fulfilled it. `after` is how far
-- the units of that period were gone through.
CREATE TABLE duty_sweep (
    clock  text        NOT NULL,
    kind   text        NOT NULL,
    period text        NOT NULL,
    at     timestamptz NOT NULL,
    after  text        NOT NULL DEFAULT '',
    PRIMARY KEY (clock, kind)
);

-- The roster and the villages' acts were read before there were duties: they are read again. Facts that are known stay as they are.
DELETE FROM consumer_position WHERE consumer = 'sla-monitor-intake/DAFEI_INTAKE';
DELETE FROM consumer_mark WHERE consumer = 'sla-monitor-intake/DAFEI_INTAKE';
DELETE FROM parked_event WHERE consumer = 'sla-monitor-intake/DAFEI_INTAKE';
DELETE FROM watermark WHERE service = 'intake';
