-- Who is rewarded of several tips of one matter: the first that was found true. Dispatch says which came together in one case; the link alone does
-- not, since a linked tip may be verified in a case of its own, and cases may be merged whose tips nobody linked.
CREATE INDEX tip_by_verdict_case ON tip ((body -> 'verdict' ->> 'case')) WHERE state = 4;

-- As in 0117, with who comes first: no tip whose first one is not refuted (5), and none beside a true one that was verified in the same case, or is
-- linked to the same refuted one, and is older or has its announcement. A tip that comes behind a first one of its own keeps nobody back by its age.
CREATE OR REPLACE VIEW tip_rewardable AS
SELECT t.id, t.case_id, t.recipient_level, t.recipient_code, t.county, t.act, t.received_hour
FROM tip t
WHERE t.state = 4 AND NOT t.announced
  AND NOT EXISTS (SELECT 1 FROM tip f WHERE f.id = (t.body ->> 'first_tip_id')::uuid AND f.state <> 5)
  AND NOT EXISTS (
      SELECT 1 FROM tip o LEFT JOIN tip f ON f.id = (o.body ->> 'first_tip_id')::uuid
      WHERE o.state = 4 AND o.id <> t.id AND o.body -> 'verdict' ->> 'case' = t.body -> 'verdict' ->> 'case'
        AND (o.announced OR coalesce(f.state, 5) = 5 AND (o.received_hour, o.id) < (t.received_hour, t.id)))
  AND NOT EXISTS (
      SELECT 1 FROM tip o
      WHERE o.state = 4 AND o.id <> t.id AND o.body ? 'first_tip_id' AND o.body ->> 'first_tip_id' = t.body ->> 'first_tip_id'
        AND (o.announced OR (o.received_hour, o.id) < (t.received_hour, t.id)))
  AND EXISTS (SELECT 1 FROM tip_secret s WHERE s.tip_id = t.id AND s.code_hash IS NOT NULL);
