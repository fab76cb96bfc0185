-- Public tips (clauses D1, D2) behind two locks: who handles cases reads the tip and never what proves the informant; the bank reads what
-- proves a claim and never the tip. The service takes one of these roles for the transaction (SET LOCAL ROLE); neither can log in.
DO $$
DECLARE
    wanted text;
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
        IF NOT pg_has_role(current_user, wanted, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO %I', wanted, current_user);
        END IF;
    END LOOP;
END $$;

-- The tip as the unit that handles it sees it. Its times are cut to the hour; its ids are random.
CREATE TABLE tip (
    id              uuid PRIMARY KEY,
    case_id         uuid        NOT NULL UNIQUE,
    -- Whom it goes to: level and code of the region, and above it the county.
    recipient_level text        NOT NULL,
    recipient_code  text        NOT NULL,
    county          text,
    act             text        NOT NULL,
    state           smallint    NOT NULL,
    received_hour   timestamptz NOT NULL,
    version         bigint      NOT NULL,
    sequence        bigint      NOT NULL,
    chain_head      text        NOT NULL,
    facts           jsonb       NOT NULL,
    body            jsonb       NOT NULL
) WITH (fillfactor = 80);

-- What proves that somebody is the informant: the receipt's number, and the code as a hash. None where no code was chosen.
CREATE TABLE tip_secret (
    tip_id    uuid PRIMARY KEY REFERENCES tip (id),
    receipt   text  NOT NULL UNIQUE,
    salt      bytea,
    code_hash bytea,
    CHECK ((salt IS NULL) = (code_hash IS NULL))
);

-- Tries in a span of time, by what is tried: a receipt, a teller, a branch, an announcement. A slot is taken before anything is hashed.
CREATE TABLE throttle (
    purpose     text        NOT NULL,
    key         text        NOT NULL,
    span_start  timestamptz NOT NULL,
    tries       integer     NOT NULL,
    PRIMARY KEY (purpose, key)
) WITH (fillfactor = 70);

GRANT SELECT, INSERT, UPDATE ON tip TO dafei_intake_officer;
GRANT SELECT, INSERT, UPDATE ON throttle TO dafei_intake_bank;
