-- The accountability ledger (clauses C15, E4, E5).

-- Breaches, and breaches that were disproved, of which the ledger has to be told: written with the announcement, taken in order for each obligation.
CREATE TABLE accountability_due (
    position      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    obligation_id uuid        NOT NULL,
    due           timestamptz NOT NULL
);
CREATE INDEX accountability_due_by_obligation ON accountability_due (obligation_id, position);
CREATE INDEX accountability_due_by_time ON accountability_due (due);

-- Conduct and accidents that cases have recorded and of which entries are still to be opened.
CREATE TABLE accountability_report (
    event_id uuid PRIMARY KEY,
    body     jsonb       NOT NULL,
    due      timestamptz NOT NULL
);
CREATE INDEX accountability_report_by_time ON accountability_report (due, event_id);

-- An entry; `body` is all of it, the other columns are what it is looked for by.
CREATE TABLE accountability_entry (
    id         uuid PRIMARY KEY,
    source     text        NOT NULL CHECK (source IN ('breach', 'conduct', 'accident')),
    state      text        NOT NULL,
    -- Regions of the one charged; place is a village or work area.
    city       text        NOT NULL,
    county     text        NOT NULL,
    township   text        NOT NULL,
    place      text        NOT NULL,
    -- The office whose turn it is, as a post; empty when nobody's is.
    awaits     text        NOT NULL,
    opened_at  timestamptz NOT NULL,
    chain_head text        NOT NULL,
    body       jsonb       NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX accountability_entry_city ON accountability_entry (city, opened_at DESC, id DESC);
CREATE INDEX accountability_entry_county ON accountability_entry (county, opened_at DESC, id DESC) WHERE county <> '';
CREATE INDEX accountability_entry_township ON accountability_entry (township, opened_at DESC, id DESC) WHERE township <> '';
CREATE INDEX accountability_entry_place ON accountability_entry (place, opened_at DESC, id DESC) WHERE place <> '';
-- What is less frequent than everything: a state of a region's entries, and what waits for an office.
CREATE INDEX accountability_entry_city_state ON accountability_entry (city, state, opened_at DESC, id DESC);
CREATE INDEX accountability_entry_county_state ON accountability_entry (county, state, opened_at DESC, id DESC) WHERE county <> '';
CREATE INDEX accountability_entry_awaits ON accountability_entry (awaits, opened_at DESC, id DESC) WHERE awaits <> '';

-- Who is charged: a row a person, one without a name where the roster named nobody and nobody is decided on.
CREATE TABLE accountability_person (
    entry_id  uuid        NOT NULL REFERENCES accountability_entry (id),
    part      text        NOT NULL CHECK (part IN ('direct', 'loop')),
    person    text        NOT NULL,
    -- The post as text; empty for one outside the roster.
    post      text        NOT NULL,
    -- What stands now; empty while nothing is decided.
    outcome   text        NOT NULL,
    opened_at timestamptz NOT NULL,
    PRIMARY KEY (entry_id, part, person)
);
CREATE INDEX accountability_person_post ON accountability_person (post, opened_at DESC, entry_id DESC) WHERE post <> '';
CREATE INDEX accountability_person_name ON accountability_person (person, opened_at DESC, entry_id DESC) WHERE person <> '';

-- What each county laid down for the posts of its villages; the highest version holds.
CREATE TABLE village_rules (
    county     text        NOT NULL,
    version    bigint      NOT NULL,
    valid_from timestamptz NOT NULL,
    by_post    jsonb       NOT NULL,
    body       jsonb       NOT NULL,
    PRIMARY KEY (county, version)
);

-- Who looked at what. Written in the transaction that reads, which ends before anything is answered; never changed.
CREATE TABLE accountability_access (
    id          uuid PRIMARY KEY,
    accessed_at timestamptz NOT NULL,
    subject     text        NOT NULL,
    post        jsonb       NOT NULL,
    -- Regions of the reader; place is a village or work area.
    city        text        NOT NULL,
    county      text        NOT NULL,
    township    text        NOT NULL,
    place       text        NOT NULL,
    what        text        NOT NULL CHECK (what IN ('entry', 'list', 'ledger')),
    -- Null when a list or ledger showed none.
    entry_id    uuid,
    -- The post whose ledger it was; else empty.
    ledger      text        NOT NULL
);
CREATE INDEX accountability_access_city ON accountability_access (city, accessed_at DESC, id DESC);
CREATE INDEX accountability_access_county ON accountability_access (county, accessed_at DESC, id DESC) WHERE county <> '';
CREATE INDEX accountability_access_township ON accountability_access (township, accessed_at DESC, id DESC) WHERE township <> '';
CREATE INDEX accountability_access_place ON accountability_access (place, accessed_at DESC, id DESC) WHERE place <> '';
CREATE INDEX accountability_access_entry ON accountability_access (entry_id, accessed_at DESC, id DESC) WHERE entry_id IS NOT NULL;

CREATE FUNCTION accountability_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER accountability_access_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON accountability_access
    FOR EACH STATEMENT EXECUTE FUNCTION accountability_is_append_only();
CREATE TRIGGER village_rules_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON village_rules
    FOR EACH STATEMENT EXECUTE FUNCTION accountability_is_append_only();
