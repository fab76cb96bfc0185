-- A correction (clause D3): a tip whose announcement was withdrawn may have another one, once nobody at a counter can be paid by the withdrawn one.
-- Until then the tip counts as announced, for its whole matter. Who holds the table is not waited for long.
SET LOCAL lock_timeout = '3s';

-- free_at: from when on, of a withdrawn one. freed_tip: its tip, once that was so; such a one is never paid. Its tip_id is empty as soon as the tip has
-- another one: of a tip's announcements one alone counts.
ALTER TABLE reward
    ADD COLUMN free_at timestamptz,
    ADD COLUMN freed_tip uuid REFERENCES tip (id),
    ALTER COLUMN tip_id DROP NOT NULL,
    ADD CONSTRAINT reward_freed_unpaid CHECK (freed_tip IS NULL OR state = 4),
    ADD CONSTRAINT reward_of_a_tip CHECK (tip_id IS NOT NULL OR freed_tip IS NOT NULL);

-- Withdrawn announcements that keep their tips still. Of one that was withdrawn by the release before the day alone is known, and a reservation
-- lasts four hours at the most.
CREATE VIEW reward_to_free AS
SELECT id, tip_id, coalesce(free_at, settled_day + interval '48 hours') AS free_at
FROM reward WHERE state = 4 AND freed_tip IS NULL;
CREATE INDEX reward_to_free_by_day ON reward (settled_day) WHERE state = 4 AND freed_tip IS NULL;

GRANT SELECT ON reward_to_free TO dafei_intake_officer;
