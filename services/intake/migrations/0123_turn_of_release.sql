-- Of two tips of one hour that one comes first which was released first, and no longer the one with the lesser id: ids are random, and who has read a tip could send
-- a copy of it within the hour and be lucky. Who holds the view is not waited for long.
SET LOCAL lock_timeout = '3s';

CREATE SEQUENCE tip_turn;

-- As in 0122, with that.
CREATE OR REPLACE VIEW tip_rewardable AS
SELECT t.id, t.case_id, t.recipient_level, t.recipient_code, t.county, t.act, t.received_hour
FROM tip t
WHERE t.state = 4 AND NOT t.announced
  AND NOT EXISTS (SELECT 1 FROM tip f WHERE f.id = (t.body ->> 'first_tip_id')::uuid AND f.state <> 5 OFFSET 0)
  AND NOT EXISTS (
      SELECT 1 FROM tip o LEFT JOIN tip f ON f.id = (o.body ->> 'first_tip_id')::uuid
      WHERE o.state = 4 AND o.id <> t.id AND o.body -> 'verdict' ->> 'case' = t.body -> 'verdict' ->> 'case'
        AND (o.announced OR coalesce(f.state, 5) = 5 AND (o.received_hour, coalesce((o.body ->> 'turn')::bigint, 0), o.id) < (t.received_hour, coalesce((t.body ->> 'turn')::bigint, 0), t.id))
      OFFSET 0)
  AND NOT EXISTS (
      SELECT 1 FROM tip o
      WHERE o.state = 4 AND o.id <> t.id AND o.body ? 'first_tip_id' AND o.body ->> 'first_tip_id' = t.body ->> 'first_tip_id'
        AND (o.announced OR (o.received_hour, coalesce((o.body ->> 'turn')::bigint, 0), o.id) < (t.received_hour, coalesce((t.body ->> 'turn')::bigint, 0), t.id))
      OFFSET 0)
  AND NOT EXISTS (
      SELECT 1 FROM tip o
      WHERE o.announced AND o.body ? 'first_tip_id' AND o.body ->> 'first_tip_id' = t.id::text
      OFFSET 0)
  AND NOT EXISTS (
      SELECT 1 FROM tip f
      WHERE f.state = 4 AND f.id <> t.id AND f.body -> 'verdict' ->> 'case' = t.body -> 'verdict' ->> 'case'
        AND EXISTS (SELECT 1 FROM tip o WHERE o.announced AND o.body ? 'first_tip_id' AND o.body ->> 'first_tip_id' = f.id::text OFFSET 0)
      OFFSET 0)
  AND EXISTS (SELECT 1 FROM tip_secret s WHERE s.tip_id = t.id AND s.code_hash IS NOT NULL OFFSET 0);
