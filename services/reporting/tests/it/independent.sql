-- Every cell of every leaf unit's monthly table, from the raw log's JSON alone. It shares nothing with the service: no rule, no fact, no cell.
-- Columns over 100 are the form's notes: 106 true ones among the verified tips, 109 and 110 village secretaries.
WITH event AS (
    SELECT position, sequence, split_part(event_type, '.', 4) AS type, convert_from(payload, 'UTF8')::jsonb AS e FROM received
),
-- What was told: the same `thing` told again is the same. The first tells it.
measure AS (
    SELECT position, e ->> 'caseId' AS about, e -> 'measure' AS m, e -> 'by' AS post, e FROM event WHERE type = 'MeasureRecorded'
    UNION ALL
    SELECT position, e ->> 'inspectionId', m, e -> 'by', e
    FROM event CROSS JOIN jsonb_array_elements(e -> 'measures') AS m WHERE type = 'InspectionRecorded'
),
told AS (
    SELECT position, 'act ' || (e ->> 'caseId') || (e ->> 'act') AS thing, e -> 'by' AS post, e ->> 'confirmedAt' AS at,
           e ->> 'sector' AS sector, 2 AS col, 1::bigint AS amount, NULL AS once, e
    FROM event WHERE type = 'ActConfirmed'
    UNION ALL
    SELECT position, 'found ' || (e ->> 'inspectionId') || (act ->> 'act') || COALESCE(act ->> 'actText', ''), e -> 'by', e ->> 'inspectedAt',
           e ->> 'sector', 2, 1, NULL, e
    FROM event CROSS JOIN jsonb_array_elements(e -> 'acts') AS act
    WHERE type = 'InspectionRecorded' AND COALESCE(act ->> 'caseId', '') = ''
    UNION ALL
    SELECT position, 'inspected ' || (e ->> 'inspectionId'), e -> 'by', e ->> 'inspectedAt', e ->> 'sector', 1, 1,
           e #>> '{subject,enterprise,creditCode}', e
    FROM event WHERE type = 'InspectionRecorded' AND (e ->> 'enforcement')::boolean AND e -> 'subject' ? 'enterprise'
    UNION ALL
    SELECT position, 'stop ' || about || (m ->> 'measureId'), post, m ->> 'decidedAt', e ->> 'sector', 3, 1,
           e #>> '{subject,enterprise,creditCode}', e
    FROM measure WHERE m ? 'stopProduction' AND e -> 'subject' ? 'enterprise'
    UNION ALL
    SELECT position, 'fine ' || about || (m ->> 'measureId'), post, m ->> 'decidedAt', e ->> 'sector', 4, (m #>> '{fine,amountFen}')::bigint, NULL, e
    FROM measure WHERE m ? 'fine'
    UNION ALL
    SELECT position, 'criminal ' || about || (m ->> 'measureId'), COALESCE(e -> 'lead', post), m ->> 'decidedAt', e ->> 'sector', 5,
           (m #>> '{criminalMeasure,persons}')::bigint, NULL, e
    FROM measure WHERE m ? 'criminalMeasure'
    UNION ALL
    SELECT position, 'close ' || about || (m ->> 'measureId'), post, m ->> 'decidedAt', e ->> 'sector', 7, 1, about, e
    FROM measure WHERE m ? 'closeDown' AND e -> 'subject' ? 'den'
    UNION ALL
    SELECT position, 'tip ' || (e ->> 'tipId'), e -> 'by', e ->> 'verifiedAt', e ->> 'sector', 6, 1, NULL, e
    FROM event WHERE type = 'TipVerified'
    UNION ALL
    SELECT position, 'reward ' || (e ->> 'announcementId'), e -> 'unit', e ->> 'paidAt', e ->> 'sector', 8, (e ->> 'amountFen')::bigint, NULL, e
    FROM event WHERE type = 'RewardPaid'
    UNION ALL
    SELECT position, 'notice ' || (e ->> 'noticeId'), e #> '{meta,actor}', e ->> 'postedAt', '', 11, (e ->> 'copies')::bigint, NULL, e
    FROM event WHERE type = 'NoticePosted' AND e ->> 'kind' = 'NOTICE_KIND_REWARD'
    UNION ALL
    SELECT position, 'leaflets ' || (e ->> 'distributionId'), e #> '{meta,actor}', e ->> 'distributedAt', '', 12, (e ->> 'copies')::bigint, NULL, e
    FROM event WHERE type = 'LeafletsDistributed'
),
-- Of an entry of the ledger the last word holds.
word AS (
    SELECT DISTINCT ON (e #>> '{charge,entryId}') e, COALESCE(e -> 'countedBy', e -> 'decidedBy') AS post
    FROM event WHERE type IN ('AccountabilityDecided', 'AccountabilityAppealDecided')
    ORDER BY e #>> '{charge,entryId}', sequence DESC
),
person AS (
    SELECT post, e ->> 'countedAt' AS at, e #>> '{charge,sector}' AS sector, person,
           CASE person ->> 'outcome' WHEN 'warning-talk' THEN 9 WHEN 'held-accountable' THEN 10 END AS col,
           COALESCE((person ->> 'leadingCadre')::boolean, false) AS cadre, e
    FROM word CROSS JOIN jsonb_array_elements(e -> 'persons') AS person
),
counted AS (
    SELECT DISTINCT ON (thing) thing, post, at, sector, col, amount, once, e FROM told ORDER BY thing, position
),
counted_or_noted AS (
    SELECT post, at, sector, col, amount, once, e FROM counted
    UNION ALL
    -- A tip counts where it was first told of, as true as soon as it was ever found so.
    SELECT post, at, '', 106, 1, NULL, e FROM counted
    WHERE col = 6 AND thing IN (SELECT thing FROM told WHERE col = 6 AND e ->> 'verdict' = 'TIP_VERDICT_TRUE')
    UNION ALL
    SELECT post, at, sector, col, 1, NULL, e FROM person WHERE cadre AND col IS NOT NULL
    UNION ALL
    SELECT post, at, '', col + 100, 1, NULL, e FROM person
    WHERE NOT cadre AND person #>> '{post,role}' = 'village-secretary' AND col IS NOT NULL
),
placed AS (
    SELECT CASE
               WHEN post ->> 'role' IN ('village-secretary', 'township-centre', 'township-agency') THEN 'township'
               WHEN post ->> 'role' IN ('county-office', 'county-commander') THEN 'county-office'
               ELSE post ->> 'role'
           END AS kind,
           CASE WHEN post ->> 'role' LIKE '%department' THEN post ->> 'agency' ELSE '' END AS agency,
           substring(e #>> '{meta,regionPath}' FROM 'county:([0-9]+)') AS county,
           substring(e #>> '{meta,regionPath}' FROM 'township:([0-9]+)') AS township,
           to_char(at::timestamptz AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM') AS month, COALESCE(sector, '') AS sector, col, amount, once
    FROM counted_or_noted
)
SELECT kind, agency, CASE WHEN kind LIKE 'city%' THEN '' ELSE county END AS county, CASE WHEN kind = 'township' THEN township ELSE '' END AS township,
       month, sector, col, CASE WHEN col IN (1, 3, 7) THEN count(DISTINCT once) ELSE sum(amount)::bigint END AS value
FROM placed
GROUP BY 1, 2, 3, 4, 5, 6, 7
