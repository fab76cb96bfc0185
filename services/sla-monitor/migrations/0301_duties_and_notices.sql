-- Periodic duties stand beside the clocks of cases: they have a unit and a period and no case.
ALTER TABLE obligation
    ALTER COLUMN case_id DROP NOT NULL,
    -- Of a duty: `level:code` of who owes it, and the period.
    ADD COLUMN unit   text,
    ADD COLUMN period text,
    ADD CHECK ((case_id IS NULL) = (unit IS NOT NULL)),
    ADD CHECK ((unit IS NULL) = (period IS NULL)),
    -- Whose watermarks must have passed an instant before anything is announced of it: `cases` intake and dispatch, `village` intake,
    -- `reporting` reporting.
    ADD COLUMN needs  text NOT NULL DEFAULT 'cases' CHECK (needs IN ('cases', 'village', 'reporting')),
    -- How the instruction came to the owner, where the clock starts with one.
    ADD COLUMN notice text CHECK (notice IN ('delivered', 'assumed')),
    -- When the lights were told, beside when they were due: whether the owner had them in time.
    ADD COLUMN warned_told   timestamptz,
    ADD COLUMN breached_told timestamptz;

-- What a deadline was computed from is read seldom and never changes while lights are told: it is kept apart from the row that changes.
CREATE TABLE obligation_basis (
    id     uuid PRIMARY KEY,
    inputs jsonb NOT NULL
);
INSERT INTO obligation_basis (id, inputs) SELECT id, inputs FROM obligation;
ALTER TABLE obligation DROP COLUMN inputs;

DROP INDEX obligation_to_fire;
CREATE INDEX obligation_to_fire ON obligation (needs, next_fire_at, id) WHERE next_fire_at IS NOT NULL;
