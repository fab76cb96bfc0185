-- What a suspicion is looked for by, beside its region and time; what became known on its way; help that was given.
ALTER TABLE suspicion
    ADD COLUMN act             text,
    ADD COLUMN found_at        timestamptz,
    ADD COLUMN skewed          boolean,
    -- Of an enterprise.
    ADD COLUMN credit_code     text,
    -- Of a den whose position is known, in 1e-7 degrees.
    ADD COLUMN lat_e7          integer,
    ADD COLUMN lon_e7          integer,
    ADD COLUMN suspected_crime boolean NOT NULL DEFAULT false,
    -- Fingerprint of the step that was taken last.
    ADD COLUMN last_step       uuid,
    -- Whether its state is an end; true for good, but for a reopening.
    ADD COLUMN ended           boolean,
    ADD COLUMN merged_into     uuid;

UPDATE suspicion
SET act         = facts ->> 'act',
    found_at    = (facts ->> 'found_at')::timestamptz,
    skewed      = (facts ->> 'skewed')::boolean,
    credit_code = facts #>> '{subject,credit_code}',
    lat_e7      = (facts #>> '{subject,position,lat_e7}')::integer,
    lon_e7      = (facts #>> '{subject,position,lon_e7}')::integer,
    ended       = state IN (7, 8, 9),
    body        = CASE
        WHEN state = 8 THEN body || jsonb_build_object('at', recorded_at)
        WHEN body #>> '{up,route}' = 'direct' THEN
            jsonb_set(body, '{up,direct}', jsonb_build_object('cause', 'other', 'text', body #>> '{up,direct_reason}'))
        ELSE body
    END;

ALTER TABLE suspicion
    ALTER COLUMN act SET NOT NULL,
    ALTER COLUMN found_at SET NOT NULL,
    ALTER COLUMN skewed SET NOT NULL,
    ALTER COLUMN ended SET NOT NULL;

-- The steps stay heap-only up to the last one: of what they change, only the end, the merging and a
-- crime that is suspected later are in an index.
CREATE INDEX suspicion_open ON suspicion (recorded_at DESC, id DESC) WHERE NOT ended;
CREATE INDEX suspicion_skewed ON suspicion (recorded_at DESC, id DESC) WHERE skewed;
CREATE INDEX suspicion_of_crime ON suspicion (recorded_at DESC, id DESC) WHERE suspected_crime;
CREATE INDEX suspicion_by_act ON suspicion (act, recorded_at DESC, id DESC);
CREATE INDEX suspicion_by_finding ON suspicion (found_at DESC, id DESC);
CREATE INDEX suspicion_by_enterprise ON suspicion (credit_code, recorded_at DESC, id DESC) WHERE credit_code IS NOT NULL;
CREATE INDEX suspicion_by_place ON suspicion (act, lat_e7, lon_e7) WHERE lat_e7 IS NOT NULL;
CREATE INDEX suspicion_by_merge ON suspicion (merged_into) WHERE merged_into IS NOT NULL;

-- 协助查处: help that a village gave to the agency that handles its case (clause C5).
CREATE TABLE help (
    id          uuid PRIMARY KEY,
    case_id     uuid        NOT NULL REFERENCES suspicion (id),
    agency      text        NOT NULL,
    note        text        NOT NULL,
    helped_at   timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    -- Role of who recorded it.
    role        text        NOT NULL,
    evidence    jsonb       NOT NULL
);

CREATE INDEX help_by_case ON help (case_id, received_at DESC, id DESC);
