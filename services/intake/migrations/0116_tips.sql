-- Public tips (clauses D1, D2) behind two locks: who handles cases reads the tip and never what proves the informant; the bank reads what
-- proves a claim and never the tip. The service takes one of these roles for the transaction (SET LOCAL ROLE); neither can log in.
DO $$
DECLARE
    wanted text;
    -- PostgreSQL 16 tells membership from the right to take a role.
    needed constant text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['dafei_intake_officer', 'dafei_intake_bank'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            END IF;
        EXCEPTION
            -- Another database of the cluster was faster.
            WHEN duplicate_object OR unique_violation THEN NULL;
        END;
        IF NOT pg_has_role(current_user, wanted, needed) THEN
            EXECUTE format('GRANT %I TO %I', wanted, current_user);
        END IF;
    END LOOP;
END $$;

-- The tip as the unit that handles it sees it. Its times are cut to the hour; its ids are random. By which way it came is not kept.
CREATE TABLE tip (
    id              uuid PRIMARY KEY,
    case_id         uuid        NOT NULL UNIQUE,
    -- Whom it goes to: level and code of the region, and above it the county.
    recipient_level text        NOT NULL,
    recipient_code  text        NOT NULL,
    county          text,
    act             text        NOT NULL,
    -- Of an enterprise.
    credit_code     text,
    -- 1: taken, and seen by nobody yet.
    state           smallint    NOT NULL,
    received_hour   timestamptz NOT NULL,
    version         bigint      NOT NULL,
    sequence        bigint      NOT NULL,
    chain_head      text        NOT NULL,
    facts           jsonb       NOT NULL,
    body            jsonb       NOT NULL
) WITH (fillfactor = 80);

CREATE INDEX tip_by_time ON tip (received_hour DESC, id DESC);
CREATE INDEX tip_by_county ON tip (county, received_hour DESC, id DESC);
CREATE INDEX tip_by_recipient ON tip (recipient_code, received_hour DESC, id DESC);
-- For tips of one matter.
CREATE INDEX tip_by_act ON tip (act, coalesce(county, ''), received_hour DESC);
CREATE INDEX tip_by_enterprise ON tip (credit_code, received_hour DESC) WHERE credit_code IS NOT NULL;
CREATE INDEX tip_by_first ON tip ((body ->> 'first_tip_id')) WHERE body ? 'first_tip_id';

-- What was not released is not there for an officer, whatever is asked.
ALTER TABLE tip ENABLE ROW LEVEL SECURITY;
CREATE POLICY tip_released ON tip TO dafei_intake_officer USING (state > 1);

-- What proves that somebody is the informant: the receipt's number, and the code as a hash. None where no code was chosen.
CREATE TABLE tip_secret (
    tip_id    uuid PRIMARY KEY REFERENCES tip (id),
    receipt   text  NOT NULL UNIQUE,
    salt      bytea,
    code_hash bytea,
    CHECK ((salt IS NULL) = (code_hash IS NULL))
);

-- Tips that wait, until a full minute after a random delay; the row goes when the tip is released.
CREATE TABLE tip_release (
    tip_id     uuid PRIMARY KEY REFERENCES tip (id),
    release_at timestamptz NOT NULL
);
CREATE INDEX tip_release_by_time ON tip_release (release_at);

-- Tries in a span of time, by what is tried: a receipt, a teller, a branch, an announcement. A slot is taken before anything is hashed.
CREATE TABLE throttle (
    purpose     text        NOT NULL,
    key         text        NOT NULL,
    span_start  timestamptz NOT NULL,
    tries       integer     NOT NULL,
    PRIMARY KEY (purpose, key)
) WITH (fillfactor = 70);

GRANT SELECT, UPDATE ON tip TO dafei_intake_officer;
GRANT SELECT, INSERT, UPDATE ON throttle TO dafei_intake_bank;
