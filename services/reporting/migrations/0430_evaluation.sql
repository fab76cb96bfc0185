-- Two-way evaluation (clause E1): what posts said of each other. Nothing of it is made from events, and it is never forgotten.

-- The round of a county and quarter.
CREATE TABLE evaluation (
    county       text        NOT NULL,
    -- "2026-Q4".
    quarter      text        NOT NULL,
    -- Regions from the city down to the county, as the roster was at the opening.
    path         text        NOT NULL,
    -- What it goes by, whatever is shipped later.
    criteria     jsonb       NOT NULL,
    opened_at    timestamptz NOT NULL,
    opened_by    jsonb       NOT NULL,
    -- When all sheets were there.
    completed_at timestamptz,
    closed_at    timestamptz,
    closed_by    jsonb,
    -- The round with its results, as it was published.
    results      bytea,
    PRIMARY KEY (county, quarter),
    CHECK ((closed_at IS NULL) = (closed_by IS NULL) AND (closed_at IS NULL) = (results IS NULL))
);

-- Who scores whom, by the roster of the opening; posts as text, "township-centre@township:371302001".
CREATE TABLE evaluation_pair (
    county    text NOT NULL,
    quarter   text NOT NULL,
    evaluator text NOT NULL,
    evaluated text NOT NULL,
    PRIMARY KEY (county, quarter, evaluator, evaluated),
    FOREIGN KEY (county, quarter) REFERENCES evaluation,
    CHECK (evaluator <> evaluated)
);

-- Sheets as they were handed in last.
CREATE TABLE evaluation_sheet (
    county       text        NOT NULL,
    quarter      text        NOT NULL,
    evaluator    text        NOT NULL,
    evaluated    text        NOT NULL,
    points       jsonb       NOT NULL,
    total        integer     NOT NULL CHECK (total BETWEEN 0 AND 100),
    remark       text        NOT NULL,
    submitted_at timestamptz NOT NULL,
    -- How often it was handed in.
    version      integer     NOT NULL CHECK (version > 0),
    PRIMARY KEY (county, quarter, evaluator, evaluated),
    FOREIGN KEY (county, quarter, evaluator, evaluated) REFERENCES evaluation_pair
) WITH (fillfactor = 80);

-- From the closing on nothing of a round changes; its pairs never do.
CREATE FUNCTION evaluation_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'what was evaluated stays';
    END IF;
    IF OLD.closed_at IS NOT NULL THEN
        RAISE EXCEPTION 'a closed evaluation stays as it is';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER evaluation_stays BEFORE UPDATE OR DELETE ON evaluation FOR EACH ROW EXECUTE FUNCTION evaluation_stays();

CREATE FUNCTION evaluation_pair_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        RAISE EXCEPTION 'who scores whom stays as it was at the opening';
    END IF;
    IF EXISTS (SELECT FROM evaluation e WHERE e.county = NEW.county AND e.quarter = NEW.quarter AND e.closed_at IS NOT NULL) THEN
        RAISE EXCEPTION 'a closed evaluation stays as it is';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER evaluation_pair_stays BEFORE INSERT OR UPDATE OR DELETE ON evaluation_pair
    FOR EACH ROW EXECUTE FUNCTION evaluation_pair_stays();

CREATE FUNCTION evaluation_sheet_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a sheet that was handed in stays';
    END IF;
    -- Waits for a closing that is under way.
    PERFORM FROM evaluation e WHERE e.county = NEW.county AND e.quarter = NEW.quarter AND e.closed_at IS NULL FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the sheets of a closed evaluation stay as they are';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER evaluation_sheet_stays BEFORE INSERT OR UPDATE OR DELETE ON evaluation_sheet
    FOR EACH ROW EXECUTE FUNCTION evaluation_sheet_stays();
