-- Patrols for many years: partitioned by the month (Asia/Shanghai) in which they were received, counted by week beside, and leaving a
-- tombstone when a month is dropped. Codes of regions are numbers here: half the bytes of text, and compared without a
-- collation.

ALTER TABLE patrol RENAME TO patrol_unpartitioned;
ALTER INDEX patrol_pkey RENAME TO patrol_unpartitioned_pkey;
DROP INDEX patrol_by_village;

-- Checklists (clause B2): a version is never changed; the newest counts.
CREATE TABLE checklist (
    -- The sector's code for the built-in one, `<sector>@<county>` for a county's own.
    id      text        NOT NULL,
    version integer     NOT NULL CHECK (version >= 1),
    sector  text        NOT NULL,
    county  text        NOT NULL,
    body    jsonb       NOT NULL,
    put_at  timestamptz NOT NULL,
    put_by  text        NOT NULL,
    PRIMARY KEY (id, version)
);
CREATE INDEX checklist_by_county ON checklist (county, id, version DESC);

-- `body` is what was seen; the columns beside it are what is looked for by. The id is a version 7 of the reception's millisecond, so an
-- id alone leads to its partition. `flags`: 1 the device's clock was off, 2 a problem was found, 4 a photo was used before.
CREATE TABLE patrol (
    id           uuid        NOT NULL,
    received_at  timestamptz NOT NULL,
    patrolled_at timestamptz NOT NULL,
    village      bigint      NOT NULL,
    township     bigint      NOT NULL,
    county       bigint      NOT NULL,
    flags        smallint    NOT NULL,
    inspector    text        NOT NULL,
    body         jsonb       NOT NULL,
    -- Photos that an earlier patrol used, with that patrol.
    reused       jsonb,
    PRIMARY KEY (id, received_at)
) PARTITION BY RANGE (received_at);

CREATE TABLE patrol_default PARTITION OF patrol DEFAULT;
CREATE INDEX patrol_by_village ON patrol (village, patrolled_at DESC, id DESC);
CREATE INDEX patrol_by_township ON patrol (township, patrolled_at DESC, id DESC);
CREATE INDEX patrol_by_county ON patrol (county, patrolled_at DESC, id DESC);
CREATE INDEX patrol_by_inspector ON patrol (inspector, patrolled_at DESC, id DESC);
-- The marked ones are few: their indexes cost little, and a list of them need not read the others. A village has so few that it can.
CREATE INDEX patrol_marked_by_township ON patrol (township, patrolled_at DESC, id DESC) WHERE flags > 0;
CREATE INDEX patrol_marked_by_county ON patrol (county, patrolled_at DESC, id DESC) WHERE flags > 0;

-- Makes the partitions of `months` months from the month of `start` on; says how many are new. A month of which rows are already in the
-- default partition is left there.
CREATE FUNCTION patrol_ensure_partitions(start timestamptz, months integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    first_month timestamp := date_trunc('month', start AT TIME ZONE 'Asia/Shanghai');
    lower_bound timestamptz;
    upper_bound timestamptz;
    partition_name text;
    present boolean;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('dafei patrol partitions', 0));
    FOR month IN 0 .. months - 1 LOOP
        lower_bound := (first_month + make_interval(months => month)) AT TIME ZONE 'Asia/Shanghai';
        upper_bound := (first_month + make_interval(months => month + 1)) AT TIME ZONE 'Asia/Shanghai';
        partition_name := 'patrol_' || to_char(first_month + make_interval(months => month), 'YYYY_MM');
        CONTINUE WHEN to_regclass(partition_name) IS NOT NULL;
        SELECT EXISTS (SELECT 1 FROM patrol_default WHERE received_at >= lower_bound AND received_at < upper_bound) INTO present;
        CONTINUE WHEN present;
        EXECUTE format('CREATE TABLE %I PARTITION OF patrol FOR VALUES FROM (%L) TO (%L)', partition_name, lower_bound, upper_bound);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;

-- Every patrol's key, for ever: the same upload is one record also when its month was dropped. `content` tells another patrol under the
-- same key.
CREATE TABLE patrol_key (
    village      bigint      NOT NULL,
    key          uuid        NOT NULL,
    patrol       uuid        NOT NULL,
    patrolled_at timestamptz NOT NULL,
    content      bigint      NOT NULL,
    PRIMARY KEY (village, key)
);

-- The patrol that used a photo first, by the photo's bytes: also another village's.
CREATE TABLE patrol_photo (
    sha256 bytea PRIMARY KEY,
    patrol uuid NOT NULL
);

-- How many patrols of a village's week count to its three (clause C1); `week` is its Monday 00:00.
CREATE TABLE patrol_week (
    village bigint      NOT NULL,
    week    timestamptz NOT NULL,
    patrols integer     NOT NULL,
    PRIMARY KEY (village, week)
) WITH (fillfactor = 70);

-- What is left of a month that was dropped.
CREATE TABLE patrol_tombstone (
    month      text        PRIMARY KEY,
    patrols    bigint      NOT NULL,
    villages   integer     NOT NULL,
    first_at   timestamptz,
    last_at    timestamptz,
    -- Over the rows as to_jsonb(row)::text in UTC, in the order of their ids, a line feed after each.
    sha256     bytea       NOT NULL,
    dropped_at timestamptz NOT NULL
);
CREATE TABLE patrol_tombstone_village (
    month   text    NOT NULL REFERENCES patrol_tombstone (month),
    village bigint  NOT NULL,
    patrols integer NOT NULL,
    PRIMARY KEY (village, month)
);

-- The patrols so far.
SELECT patrol_ensure_partitions(min(received_at),
       (date_part('year', age(max(received_at), min(received_at))) * 12 + date_part('month', age(max(received_at), min(received_at))))::integer + 2)
FROM patrol_unpartitioned HAVING count(*) > 0;

INSERT INTO patrol (id, received_at, patrolled_at, village, township, county, flags, inspector, body)
SELECT p.id, p.received_at, p.patrolled_at, p.village::bigint, coalesce(t.code, left(p.village, 9))::bigint, coalesce(t.parent_code, left(p.village, 6))::bigint,
       CASE WHEN p.skewed THEN 1 ELSE 0 END, '',
       jsonb_build_object('object', p.object, 'situation', p.situation, 'evidence', p.evidence)
FROM patrol_unpartitioned p
LEFT JOIN roster_region v ON v.level = 'village' AND v.code = p.village
LEFT JOIN roster_region t ON t.level = 'township' AND t.code = v.parent_code;

INSERT INTO patrol_key (village, key, patrol, patrolled_at, content)
SELECT village::bigint, id, id, patrolled_at, 0 FROM patrol_unpartitioned;

INSERT INTO patrol_photo (sha256, patrol)
SELECT DISTINCT ON (e.sha256) e.sha256, p.id
FROM patrol_unpartitioned p CROSS JOIN LATERAL jsonb_array_elements_text(p.evidence) AS used (id) JOIN evidence e ON e.id = used.id::uuid
ORDER BY e.sha256, p.received_at, p.id;

INSERT INTO patrol_week (village, week, patrols)
SELECT village::bigint, date_trunc('week', patrolled_at AT TIME ZONE 'Asia/Shanghai') AT TIME ZONE 'Asia/Shanghai', count(*)
FROM patrol_unpartitioned GROUP BY 1, 2;

DROP TABLE patrol_unpartitioned;
