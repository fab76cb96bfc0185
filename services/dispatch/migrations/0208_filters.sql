-- A filtered list probes each (closed, source, act) that the filter leaves, so that any filter finds its page without reading past other cases.
-- `closed` changes once; the steps before it stay heap-only.
UPDATE case_file SET source = CASE body #>> '{facts,source}' WHEN 'grid-report' THEN 1 WHEN 'public-tip' THEN 2
                                  WHEN 'superior-supervision' THEN 3 WHEN 'daily-check' THEN 4 WHEN 'accident' THEN 5 ELSE 0 END
WHERE source IS NULL;
UPDATE instruction i SET source = c.source FROM case_file c WHERE c.id = i.case_id AND i.source IS NULL;

CREATE INDEX case_file_filtered_by_county ON case_file (county, closed, source, act, reached_at DESC, id DESC);
CREATE INDEX case_file_filtered_by_township ON case_file (township, closed, source, act, reached_at DESC, id DESC)
    WHERE township IS NOT NULL;
CREATE INDEX case_file_filtered_by_time ON case_file (closed, source, act, reached_at DESC, id DESC);
