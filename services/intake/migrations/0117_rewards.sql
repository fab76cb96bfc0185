-- Rewards (clauses D1, D3, D4). Behind the same two locks as the tips: the office sees the announcement and never the claim, the bank sees the
-- claim and never the tip. The public and the auditor have a lock each of their own.
DO $$
DECLARE
    wanted text;
    -- PostgreSQL 16 tells membership from the right to take a role.
    needed constant text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['dafei_intake_public', 'dafei_intake_auditor'] LOOP
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

CREATE TABLE hotline (
    level  text    NOT NULL,
    code   text    NOT NULL,
    number text    NOT NULL,
    note   text    NOT NULL,
    ended  boolean NOT NULL,
    PRIMARY KEY (level, code, number)
);

-- Versions: of a region and kind the one with the latest valid_from that has come counts, of those the last written. Ids are ordered by time.
CREATE TABLE reward_standard (
    id         uuid PRIMARY KEY,
    level      text        NOT NULL,
    code       text        NOT NULL,
    kind       text        NOT NULL,
    title      text        NOT NULL,
    sector     text,
    act        text,
    min_fen    bigint      NOT NULL,
    max_fen    bigint      NOT NULL,
    basis      text        NOT NULL,
    valid_from timestamptz NOT NULL
);
CREATE INDEX reward_standard_by_region ON reward_standard (level, code, kind, valid_from DESC, id DESC);

-- The bank that pays a region's rewards, with its branches as they are shown, and their codes.
CREATE TABLE reward_bank (
    level        text   NOT NULL,
    code         text   NOT NULL,
    bank         text   NOT NULL,
    name         text   NOT NULL,
    branches     jsonb  NOT NULL,
    branch_codes text[] NOT NULL,
    PRIMARY KEY (level, code)
);

-- Public numbers that were given, by region and year.
CREATE TABLE reward_series (
    series text PRIMARY KEY,
    last   bigint NOT NULL
);

-- Announcements. Days are their first instant. State: 1 open, 2 paid, 3 expired, 4 withdrawn.
CREATE TABLE reward (
    id               uuid PRIMARY KEY,
    number           text        NOT NULL UNIQUE,
    tip_id           uuid        NOT NULL UNIQUE REFERENCES tip (id),
    city             text        NOT NULL,
    -- None where the city's office accepted the tip and it names no county.
    county           text,
    -- Regions from the city down to the unit that accepted the tip, and its role.
    path             text        NOT NULL,
    unit_role        text        NOT NULL,
    act              text        NOT NULL,
    amount_fen       bigint      NOT NULL CHECK (amount_fen > 0),
    text             text        NOT NULL,
    state            smallint    NOT NULL,
    announced_day    timestamptz NOT NULL,
    claim_until      timestamptz NOT NULL,
    settled_day      timestamptz,
    withdrawn_reason text        NOT NULL DEFAULT '',
    bank_level       text        NOT NULL,
    bank_code        text        NOT NULL,
    FOREIGN KEY (bank_level, bank_code) REFERENCES reward_bank (level, code)
);
CREATE INDEX reward_by_day ON reward (announced_day DESC, number DESC);
CREATE INDEX reward_by_county ON reward (county, announced_day DESC, number DESC);
CREATE INDEX reward_paid ON reward (settled_day, number) WHERE state = 2;
CREATE INDEX reward_due ON reward (claim_until) WHERE state = 1;

-- The code's hash, copied from the tip's secret when the reward is announced.
CREATE TABLE reward_code (
    reward_id uuid PRIMARY KEY REFERENCES reward (id),
    salt      bytea NOT NULL,
    code_hash bytea NOT NULL
);

-- Reservations and what became of them. State: 1 reserved, 2 paid, 3 cancelled, 4 run out. At most one of a reward is reserved or paid.
-- The exact time stays only while it is needed: until the reservation ends.
CREATE TABLE reward_claim (
    id        uuid PRIMARY KEY,
    reward_id uuid     NOT NULL REFERENCES reward (id),
    state     smallint NOT NULL,
    teller    text     NOT NULL,
    branch    text     NOT NULL,
    bank      text     NOT NULL,
    until     timestamptz,
    serial    text,
    paid_day  timestamptz,
    reason    smallint,
    CHECK ((state = 1) = (until IS NOT NULL)),
    CHECK ((state = 2) = (serial IS NOT NULL AND paid_day IS NOT NULL))
);
CREATE UNIQUE INDEX reward_claim_once ON reward_claim (reward_id) WHERE state IN (1, 2);
CREATE UNIQUE INDEX reward_claim_serial ON reward_claim (bank, serial) WHERE serial IS NOT NULL;
CREATE INDEX reward_claim_until ON reward_claim (until) WHERE state = 1;
CREATE INDEX reward_claim_paid ON reward_claim (paid_day, id) WHERE state = 2;

-- Refused claims. The bank writes them and cannot read them.
CREATE TABLE claim_attempt (
    refusal text PRIMARY KEY,
    at_hour timestamptz NOT NULL,
    number  text        NOT NULL,
    cause   smallint    NOT NULL,
    teller  text        NOT NULL,
    branch  text        NOT NULL
);
CREATE INDEX claim_attempt_by_hour ON claim_attempt (at_hour, refusal);

-- Old spans are forgotten.
CREATE INDEX throttle_by_span ON throttle (span_start);

-- Set with the announcement: what waits for one stays quick to find.
ALTER TABLE tip ADD COLUMN announced boolean NOT NULL DEFAULT false;

-- Tips whose reward can be announced: found true (4), the first of their matter, with a code, without an announcement. A view has its owner's rights: it tells who may
-- not read what proves the informant that there is a code, and no more.
CREATE VIEW tip_rewardable AS
SELECT t.id, t.case_id, t.recipient_level, t.recipient_code, t.county, t.act, t.received_hour
FROM tip t
WHERE t.state = 4 AND NOT t.announced AND NOT t.body ? 'first_tip_id'
  AND EXISTS (SELECT 1 FROM tip_secret s WHERE s.tip_id = t.id AND s.code_hash IS NOT NULL);
CREATE INDEX tip_rewardable_by_hour ON tip (received_hour, id) WHERE state = 4 AND NOT announced;
CREATE INDEX tip_rewardable_by_county ON tip (county, received_hour, id) WHERE state = 4 AND NOT announced;

-- What the bank sees of an announcement.
CREATE VIEW reward_offer AS
SELECT r.id, r.number, r.city, r.county, r.amount_fen, r.state, r.claim_until, b.bank, b.branch_codes
FROM reward r JOIN reward_bank b ON b.level = r.bank_level AND b.code = r.bank_code;

-- What the public sees of it.
CREATE VIEW reward_public AS
SELECT r.number, r.county, r.amount_fen, r.text, r.state, r.announced_day, r.claim_until, b.name AS bank, b.branches
FROM reward r JOIN reward_bank b ON b.level = r.bank_level AND b.code = r.bank_code
WHERE r.state <> 4;

-- Copies the code's hash of the announced tip, with the rights of the service: who announces never reads it. False without a code.
CREATE FUNCTION reward_take_code(announced uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO reward_code (reward_id, salt, code_hash)
    SELECT r.id, s.salt, s.code_hash FROM reward r JOIN tip_secret s ON s.tip_id = r.tip_id
    WHERE r.id = announced AND s.code_hash IS NOT NULL;
    RETURN FOUND;
END $$;
REVOKE ALL ON FUNCTION reward_take_code(uuid) FROM PUBLIC;

GRANT SELECT, INSERT, UPDATE ON hotline, reward_bank, reward_series, reward TO dafei_intake_officer;
GRANT SELECT, INSERT ON reward_standard TO dafei_intake_officer;
GRANT SELECT ON tip_rewardable TO dafei_intake_officer;
GRANT EXECUTE ON FUNCTION reward_take_code(uuid) TO dafei_intake_officer;

GRANT SELECT ON reward_offer, reward_code TO dafei_intake_bank;
GRANT SELECT, INSERT, UPDATE ON reward_claim TO dafei_intake_bank;
GRANT INSERT ON claim_attempt TO dafei_intake_bank;

GRANT SELECT ON hotline, reward_standard, reward_public TO dafei_intake_public;

GRANT SELECT ON claim_attempt TO dafei_intake_auditor;
