-- Spot checks (clause E2). Nothing of it is made from events: it is what the city's office drew and found, and it is never forgotten.

CREATE TABLE spot_sample (
    sample_id uuid PRIMARY KEY,
    -- In the order of drawing.
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    kind text NOT NULL CHECK (kind IN ('village', 'case')),
    -- Where it was drawn; county and township are empty above them.
    region text NOT NULL,
    city text NOT NULL,
    county text NOT NULL,
    township text NOT NULL,
    seed text NOT NULL,
    drawn_at timestamptz NOT NULL,
    drawn_by jsonb NOT NULL,
    population integer NOT NULL CHECK (population > 0),
    population_sha256 text NOT NULL,
    -- A seed is used once, so that nobody draws until he likes what comes.
    UNIQUE (region, kind, seed)
);
CREATE INDEX spot_sample_of_region ON spot_sample (county, township, number DESC);

-- The list that a sample was drawn from, as it was.
CREATE TABLE spot_population (
    sample_id uuid NOT NULL REFERENCES spot_sample,
    id text COLLATE "C" NOT NULL,
    weight integer NOT NULL CHECK (weight > 0),
    county text NOT NULL,
    township text NOT NULL,
    PRIMARY KEY (sample_id, id)
);

-- What was drawn.
CREATE TABLE spot_drawn (
    sample_id uuid NOT NULL REFERENCES spot_sample,
    number integer NOT NULL CHECK (number > 0),
    id text COLLATE "C" NOT NULL,
    -- The village, or the lowest region of the case.
    place text NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (sample_id, number),
    FOREIGN KEY (sample_id, id) REFERENCES spot_population
);

-- Checks, each as it was recorded.
CREATE TABLE spot_check (
    sample_id uuid NOT NULL,
    number integer NOT NULL,
    -- Of several checks of one drawn, from 1.
    sequence integer NOT NULL CHECK (sequence > 0),
    means text NOT NULL CHECK (means IN ('phone', 'visit')),
    outcome text NOT NULL CHECK (outcome IN ('in-order', 'problem', 'unreachable')),
    note text NOT NULL,
    checked_at timestamptz NOT NULL,
    recorded_by jsonb NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (sample_id, number, sequence),
    FOREIGN KEY (sample_id, number) REFERENCES spot_drawn
);
CREATE FUNCTION spot_check_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'samples and checks stay as they are' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER spot_sample_stays BEFORE UPDATE OR DELETE ON spot_sample FOR EACH ROW EXECUTE FUNCTION spot_check_stays();
CREATE TRIGGER spot_population_stays BEFORE UPDATE OR DELETE ON spot_population FOR EACH ROW EXECUTE FUNCTION spot_check_stays();
CREATE TRIGGER spot_drawn_stays BEFORE UPDATE OR DELETE ON spot_drawn FOR EACH ROW EXECUTE FUNCTION spot_check_stays();
CREATE TRIGGER spot_check_stays BEFORE UPDATE OR DELETE ON spot_check FOR EACH ROW EXECUTE FUNCTION spot_check_stays();

-- Of each drawn one that was checked, the outcome of the latest check: what assessments (clause E3) count. Unreachable counts neither way.
CREATE TABLE spot_check_outcome (
    sample_id uuid NOT NULL,
    number integer NOT NULL,
    -- Empty where the case names none.
    county text NOT NULL,
    township text NOT NULL,
    -- Civil day in Asia/Shanghai of the check.
    checked_day date NOT NULL,
    outcome text NOT NULL,
    PRIMARY KEY (sample_id, number),
    FOREIGN KEY (sample_id, number) REFERENCES spot_drawn
);
CREATE INDEX spot_check_outcome_of_township ON spot_check_outcome (county, township, checked_day);
