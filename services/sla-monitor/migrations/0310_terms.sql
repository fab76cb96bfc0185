-- The rules of the clocks, with their history. From its instant on, a text holds before all of a lower revision. They are few, and read anew
-- only when `serial`, which follows the order of the commits, has moved on.
CREATE TABLE rules_text (
    serial        bigint PRIMARY KEY,
    -- Code of the county whose own it is; empty for the whole city's.
    county        text        NOT NULL,
    -- 1, 2, 3 … within the county.
    revision      bigint      NOT NULL,
    -- The label that its text bears; each is used once.
    version       text        NOT NULL,
    text          text        NOT NULL,
    in_force_from timestamptz NOT NULL,
    replaced_at   timestamptz NOT NULL,
    -- Who replaced it: post and account. All empty where it came with the service.
    role          text        NOT NULL,
    level         text        NOT NULL,
    region        text        NOT NULL,
    account       text        NOT NULL,
    UNIQUE (county, revision),
    UNIQUE (county, version)
);

-- The calendars, with their history; the last is in force. How far open deadlines have been moved by each stands beside it.
CREATE TABLE calendar_text (
    revision  bigint PRIMARY KEY,
    version   text        NOT NULL UNIQUE,
    text      text        NOT NULL,
    loaded_at timestamptz NOT NULL,
    role      text        NOT NULL,
    level     text        NOT NULL,
    region    text        NOT NULL,
    account   text        NOT NULL
);

-- The moving of open deadlines to a calendar: goes on by their old limits after the last that was looked at, wherever it was interrupted.
-- `superseded` by a calendar that was loaded before it came to its end, which then moves all.
CREATE TABLE calendar_load (
    revision  bigint PRIMARY KEY REFERENCES calendar_text,
    loaded_at timestamptz NOT NULL,
    state     text        NOT NULL CHECK (state IN ('moving', 'done', 'superseded')),
    after_due timestamptz NOT NULL,
    after_id  uuid        NOT NULL,
    moved     bigint      NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX calendar_load_moving ON calendar_load (state) WHERE state = 'moving';

-- The deadlines that each calendar has moved.
CREATE TABLE calendar_move (
    revision         bigint      NOT NULL REFERENCES calendar_text,
    previous_due     timestamptz NOT NULL,
    obligation       uuid        NOT NULL,
    due              timestamptz NOT NULL,
    previous_version text        NOT NULL,
    PRIMARY KEY (revision, previous_due, obligation)
);

-- When it was told that the limit is provisional.
ALTER TABLE obligation ADD COLUMN provisional_told timestamptz;
UPDATE obligation SET next_fire_at = started_at
WHERE provisional AND NOT breached AND end_kind IS NULL AND next_fire_at > started_at;

-- Open deadlines in working days, for a calendar that moves them.
CREATE INDEX obligation_by_workdays ON obligation (due, id) WHERE calendar_version <> '' AND end_kind IS NULL AND NOT breached;
CREATE INDEX obligation_provisional ON obligation (id) WHERE provisional AND end_kind IS NULL;
-- Obligations of cases by their starts, for trying out other rules.
CREATE INDEX obligation_by_start ON obligation (started_at DESC, id DESC) WHERE case_id IS NOT NULL;
