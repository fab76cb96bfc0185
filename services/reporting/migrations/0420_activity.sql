-- What is done and left undone, beside the monthly table: what briefings (clauses C9, C14), evaluations (E1), assessments (E3), spot checks (E2)
-- and the work ledger (F6) are made of. All of it is made from events and can be made again.

-- How often something was done on a civil day in Asia/Shanghai, by the post that did it or owed it. County and township are where it belongs,
-- empty where none; agency is empty but for those of departments and township agencies.
CREATE TABLE deed (
    -- clock:K3:in-time, clock:K3:breached, case:opened, case:returned … (core/deed.rs).
    what     text   NOT NULL,
    day      date   NOT NULL,
    county   text   NOT NULL,
    township text   NOT NULL,
    role     text   NOT NULL,
    agency   text   NOT NULL,
    times    bigint NOT NULL,
    PRIMARY KEY (county, day, township, what, role, agency)
) WITH (fillfactor = 80);
CREATE INDEX deed_of_city ON deed (day, what);

-- What grid chiefs and members did in a month, by person where it is known.
CREATE TABLE work_done (
    month    integer NOT NULL,
    county   text    NOT NULL,
    township text    NOT NULL,
    village  text    NOT NULL,
    role     text    NOT NULL,
    person   text    NOT NULL,
    work     text    NOT NULL,
    times    bigint  NOT NULL,
    PRIMARY KEY (month, county, township, village, role, person, work)
) WITH (fillfactor = 80);
CREATE INDEX work_done_of_village ON work_done (village, month);

-- Cases as dispatch has them, each under the county and township that it was opened in.
CREATE TABLE case_line (
    case_id    uuid PRIMARY KEY,
    county     text        NOT NULL,
    township   text        NOT NULL,
    village    text        NOT NULL,
    -- Lowest region known, "village:371302001001".
    place      text        NOT NULL,
    sector     text        NOT NULL,
    act        text        NOT NULL,
    act_text   text        NOT NULL,
    opened_at  timestamptz NOT NULL,
    -- Null while it is open. A reopened case is open again.
    ended_at   timestamptz,
    -- closed, merged or withdrawn; empty while open.
    how_ended  text        NOT NULL,
    -- Head of the chain after the last event taken, and its sequence.
    chain_head text        NOT NULL,
    sequence   bigint      NOT NULL
) WITH (fillfactor = 80);
-- What is open at a time is little, and so is what has ended since a period did.
CREATE INDEX case_line_open ON case_line (opened_at, case_id) WHERE ended_at IS NULL;
CREATE INDEX case_line_ended ON case_line (ended_at, case_id) WHERE ended_at IS NOT NULL;
CREATE INDEX case_line_opened ON case_line (county, opened_at);

-- Limits that ran out, of cases and of duties.
CREATE TABLE breach_line (
    obligation_id uuid PRIMARY KEY,
    clock         text        NOT NULL,
    -- Null for a duty.
    case_id       uuid,
    county        text        NOT NULL,
    township      text        NOT NULL,
    village       text        NOT NULL,
    -- Directly responsible.
    role          text        NOT NULL,
    region        text        NOT NULL,
    agency        text        NOT NULL,
    persons       text[]      NOT NULL,
    due           timestamptz NOT NULL,
    -- The civil day in Asia/Shanghai in which the limit lies: of one at 24:00 the day that ends then.
    day           date        NOT NULL,
    -- Of a duty.
    period        text        NOT NULL,
    -- When it was done, fell away, was disproved or could no longer be done; null while it stands open.
    ended_at      timestamptz,
    -- settled, cancelled, annulled or missed (a week that is over); empty while open. An annulled one never was.
    how_ended     text        NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX breach_line_day ON breach_line (county, day);
CREATE INDEX breach_line_day_city ON breach_line (day);
CREATE INDEX breach_line_open ON breach_line (county, village) WHERE ended_at IS NULL;
CREATE INDEX breach_line_case ON breach_line (case_id) WHERE case_id IS NOT NULL;

-- How villages stand with their reward notices, by the last event taken.
CREATE TABLE village_notices (
    village      text PRIMARY KEY,
    county       text    NOT NULL,
    township     text    NOT NULL,
    valid_places integer NOT NULL,
    required     integer NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX village_notices_of_county ON village_notices (county, township);

-- The daily anchors over the heads of all cases.
CREATE TABLE anchor_line (
    day    text PRIMARY KEY,
    digest text NOT NULL,
    cases  bigint NOT NULL
);
