-- $1 lowest number, $2 how many: so many facts of a year, each with the event that told it. bench_unit has the leaf units with their number,
-- from 0; bench_act one act per sector, from 0.
WITH drawn AS MATERIALIZED (
    SELECT gen_random_uuid() AS about, gen_random_uuid() AS event_id, gen_random_uuid() AS fact_id, u.*, a.act, a.sector, d.at,
           to_char(d.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at_text,
           to_char(d.at AT TIME ZONE 'Asia/Shanghai', 'YYYYMM')::integer AS month,
           '913713' || lpad(floor(random() * 200000)::integer::text, 12, '0') AS code,
           1 + floor(random() * 5000000)::bigint AS fen, 1 + floor(random() * 300)::integer AS copies, random() < 0.5 AS yes,
           (ARRAY['act', 'act', 'act', 'act', 'act', 'fine', 'fine', 'fine', 'fine', 'inspected', 'inspected', 'inspected', 'inspected',
                  'tip', 'tip', 'stop', 'close', 'criminal', 'reward', 'leaflets'])[1 + floor(d.of_what * 20)::integer] AS what
    FROM (
        -- Drawn once for each number: the volatile functions depend on it.
        SELECT number, '2025-11-30T16:00:00Z'::timestamptz + floor(random() * 31536000000000)::bigint * interval '1 microsecond' AS at,
               random() AS of_what, floor(random() * $3::bigint)::integer AS unit_number, floor(random() * 8)::integer AS act_number
        FROM generate_series($1::bigint, $1::bigint + $2::bigint - 1) AS n (number)
    ) d
    JOIN bench_unit u ON u.number = d.unit_number
    JOIN bench_act a ON a.number = d.act_number
), shaped AS MATERIALIZED (
    SELECT *,
           CASE what WHEN 'inspected' THEN 1 WHEN 'act' THEN 2 WHEN 'stop' THEN 3 WHEN 'fine' THEN 4 WHEN 'criminal' THEN 5 WHEN 'tip' THEN 6
                     WHEN 'close' THEN 7 WHEN 'reward' THEN 8 ELSE 12 END AS col,
           CASE WHEN what IN ('fine', 'reward') THEN fen WHEN what = 'leaflets' THEN copies WHEN what = 'criminal' THEN 2 ELSE 1 END AS amount,
           CASE WHEN what IN ('inspected', 'stop') THEN code WHEN what = 'close' THEN about::text END AS distinct_key,
           jsonb_build_object('aggregateId', about, 'sequence', '1', 'regionPath', path, 'receivedAt', at_text, 'actor', post) AS meta,
           jsonb_build_object('enterprise', jsonb_build_object('creditCode', code, 'name', '临沂某某工贸有限公司')) AS enterprise
    FROM drawn
), told AS (
    INSERT INTO received (source, event_id, aggregate_id, sequence, event_type, recorded_at, received_at, stream, payload)
    SELECT CASE WHEN col IN (1, 8, 12) THEN 'dafei/intake' ELSE 'dafei/dispatch' END, event_id, about, 1,
           'dafei.events.v1.' || CASE what WHEN 'inspected' THEN 'InspectionRecorded' WHEN 'act' THEN 'ActConfirmed' WHEN 'tip' THEN 'TipVerified'
                                 WHEN 'reward' THEN 'RewardPaid' WHEN 'leaflets' THEN 'LeafletsDistributed' ELSE 'MeasureRecorded' END,
           at, at, CASE WHEN col IN (1, 8, 12) THEN 'DAFEI_INTAKE' ELSE 'DAFEI_DISPATCH' END,
           convert_to(CASE what
               WHEN 'inspected' THEN jsonb_build_object('meta', meta, 'inspectionId', about, 'by', post, 'subject', enterprise, 'sector', sector,
                                                        'enforcement', true, 'inspectedAt', at_text)
               WHEN 'act' THEN jsonb_build_object('meta', meta, 'caseId', about, 'act', act, 'sector', sector, 'by', post, 'confirmedAt', at_text,
                                                  'source', 'CASE_SOURCE_GRID_REPORT')
               WHEN 'tip' THEN jsonb_build_object('meta', meta, 'caseId', about, 'tipId', about, 'by', post, 'verifiedAt', at_text, 'sector', sector,
                                                  'act', act, 'verdict', CASE WHEN yes THEN 'TIP_VERDICT_TRUE' ELSE 'TIP_VERDICT_FALSE' END)
               WHEN 'reward' THEN jsonb_build_object('meta', meta, 'announcementId', about, 'number', '2026-0001', 'amountFen', fen::text, 'paidAt',
                                                     at_text, 'unit', post, 'sector', sector, 'act', act)
               WHEN 'leaflets' THEN jsonb_build_object('meta', meta, 'distributionId', about, 'copies', copies, 'distributedAt', at_text)
               ELSE jsonb_build_object('meta', meta, 'caseId', about, 'by', post, 'sector', sector, 'act', act, 'source', 'CASE_SOURCE_GRID_REPORT',
                        'subject', CASE WHEN what = 'close' THEN jsonb_build_object('den', jsonb_build_object('place', '村东头')) ELSE enterprise END,
                        'measure', jsonb_build_object('measureId', '1', 'decidedAt', at_text) || CASE what
                            WHEN 'fine' THEN jsonb_build_object('fine', jsonb_build_object('amountFen', fen::text))
                            WHEN 'stop' THEN '{"stopProduction": {}}' WHEN 'close' THEN '{"closeDown": {}}'
                            ELSE '{"criminalMeasure": {"persons": 2}}' END)
           END::text, 'UTF8')
    FROM shaped
)
INSERT INTO fact (fact_id, unit_id, month, sector, act, source, col, amount, distinct_key, at, case_id, event_id, sequence, verdict)
SELECT fact_id, unit_id, month, CASE WHEN what = 'leaflets' THEN '' ELSE sector END, CASE WHEN what IN ('inspected', 'leaflets') THEN '' ELSE act END,
       CASE what WHEN 'inspected' THEN 'daily-check' WHEN 'tip' THEN 'public-tip' WHEN 'reward' THEN 'public-tip' WHEN 'leaflets' THEN ''
                 ELSE 'grid-report' END,
       col, amount, distinct_key, at, CASE WHEN col NOT IN (1, 8, 12) THEN about END, event_id, 1,
       CASE WHEN what <> 'tip' THEN '' WHEN yes THEN 'true' ELSE 'false' END
FROM shaped
