-- What lists filter by; null in rows from before.
ALTER TABLE case_file ADD COLUMN act text, ADD COLUMN sector text, ADD COLUMN source smallint, ADD COLUMN credit_code text;
ALTER TABLE instruction ADD COLUMN act text, ADD COLUMN sector text, ADD COLUMN source smallint,
    ADD COLUMN declined boolean NOT NULL DEFAULT false;

UPDATE case_file SET act = body -> 'facts' ->> 'act';
UPDATE instruction i SET act = c.act, declined = i.state = 6 FROM case_file c WHERE c.id = i.case_id;

CREATE INDEX case_file_by_act ON case_file (county, act, reached_at DESC, id DESC);
CREATE INDEX case_file_by_enterprise ON case_file (credit_code, reached_at DESC, id DESC) WHERE credit_code IS NOT NULL;
CREATE INDEX instruction_declined ON instruction (agency, level, region, issued_at DESC, id DESC) WHERE declined;

-- The cases that wait for a centre or an office: one row as long as the step is its own. The state stands in no index of the cases
-- themselves, so that their steps stay heap-only.
CREATE TABLE desk (
    case_id  uuid        PRIMARY KEY,
    role     text        NOT NULL,
    region   text        NOT NULL,
    since    timestamptz NOT NULL,
    -- It came back: an agency declined, a department returned it.
    returned boolean     NOT NULL,
    act      text        NOT NULL,
    sector   text        NOT NULL,
    source   smallint    NOT NULL
) WITH (fillfactor = 70);

CREATE INDEX desk_inbox ON desk (role, region, since, case_id);
CREATE INDEX desk_returned ON desk (role, region, since, case_id) WHERE returned;

-- The lights of the monitor on steps of centres, offices and agencies, as long as they are on. One clock, one verdict: no deadline is computed here.
CREATE TABLE light (
    obligation uuid        PRIMARY KEY,
    case_id    uuid        NOT NULL,
    clock      text        NOT NULL,
    role       text        NOT NULL,
    region     text        NOT NULL,
    agency     text        NOT NULL,
    red        boolean     NOT NULL,
    due        timestamptz NOT NULL
);

CREATE INDEX light_of_unit ON light (role, region, agency, red, due, obligation);
CREATE INDEX light_of_case ON light (case_id);
