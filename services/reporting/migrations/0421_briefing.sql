-- Briefings as they were released (clauses C9, C14), byte for byte. Drafts have no rows: they are made when they are looked at.
CREATE TABLE briefing (
    -- 2026-W47 or 2026-11.
    period      text        NOT NULL,
    unit_level  text        NOT NULL CHECK (unit_level IN ('township', 'county', 'city')),
    unit_code   text        NOT NULL,
    released_at timestamptz NOT NULL,
    released_by jsonb       NOT NULL,
    content     bytea       NOT NULL,
    sha256      text        NOT NULL,
    PRIMARY KEY (period, unit_code)
);
CREATE FUNCTION briefing_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a released briefing stays as it is';
END $$;
CREATE TRIGGER briefing_stays BEFORE UPDATE OR DELETE ON briefing FOR EACH ROW EXECUTE FUNCTION briefing_stays();

-- Who has read it, once each.
CREATE TABLE briefing_reading (
    period          text        NOT NULL,
    unit_code       text        NOT NULL,
    -- The person's stable id.
    subject         text        NOT NULL,
    post            jsonb       NOT NULL,
    name            text        NOT NULL,
    acknowledged_at timestamptz NOT NULL,
    PRIMARY KEY (period, unit_code, subject),
    FOREIGN KEY (period, unit_code) REFERENCES briefing
);
