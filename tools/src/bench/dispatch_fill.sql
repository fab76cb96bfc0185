-- Fills a dispatch database that has seen one model case per stage with `bench.cases` cases like them; the models' ids are in
-- `bench.models`. Run while dispatch is stopped. Rows are whole: each column that is not named here is the model's, so a new column of the
-- schema is filled as the service fills it. Chains of hashes are the models' and do not verify.

CREATE UNLOGGED TABLE bench_model AS
SELECT (row_number() OVER (PARTITION BY c.closed ORDER BY c.state))::int AS number, c.closed AS is_closed, c.id AS model_id,
       c.village AS model_village, c.township AS model_township, c.county AS model_county,
       replace(encode(uuid_send(c.id), 'hex'), '-', '') AS id_bytes, encode(convert_to(c.id::text, 'UTF8'), 'hex') AS id_text,
       -- What is each case's own becomes a mark; a region's code begins with its parent's, so the longest goes first.
       replace(replace(replace(replace(replace(c.body::text, c.id::text, '@case@'),
           c.village, '@village@'), c.township, '@township@'), c.county, '@county@'),
           '"reached_at": ' || (c.body #> '{facts,reached_at}')::text, '"reached_at": "@reached@"') AS text,
       c.body ->> 'since' AS since, c.body #>> '{instructions,0,issued_at}' AS issued
FROM case_file c
WHERE c.id = ANY (current_setting('bench.models')::uuid[]);
-- An instruction's id ends in two digits that tell it from the others of its case.
DO $$
DECLARE one record;
BEGIN
    FOR one IN SELECT case_id, id, row_number() OVER (PARTITION BY case_id ORDER BY id) AS ordinal
               FROM instruction JOIN bench_model ON model_id = case_id LOOP
        UPDATE bench_model SET text = replace(text, one.id::text, '@instruction@' || lpad(one.ordinal::text, 2, '0'))
        WHERE model_id = one.case_id;
    END LOOP;
END $$;
UPDATE bench_model SET text = replace(replace(text, coalesce(since, '@none@'), '@reached@'), coalesce(issued, '@none@'), '@reached@');

CREATE UNLOGGED TABLE bench_case_file AS SELECT c.*, m.number, m.is_closed FROM case_file c JOIN bench_model m ON m.model_id = c.id;
CREATE UNLOGGED TABLE bench_instruction AS
SELECT i.*, row_number() OVER (PARTITION BY i.case_id ORDER BY i.id) AS ordinal, m.number, m.is_closed FROM instruction i JOIN bench_model m ON m.model_id = i.case_id;
CREATE UNLOGGED TABLE bench_desk AS SELECT d.*, m.number, m.is_closed FROM desk d JOIN bench_model m ON m.model_id = d.case_id;
CREATE UNLOGGED TABLE bench_event_log AS SELECT e.*, m.number, m.is_closed FROM event_log e JOIN bench_model m ON m.model_id = e.aggregate_id;
CREATE UNLOGGED TABLE bench_consumer_mark AS
SELECT k.*, m.number, m.is_closed FROM consumer_mark k JOIN bench_model m ON m.model_id = k.aggregate_id;

CREATE UNLOGGED TABLE bench_village AS
SELECT (row_number() OVER (ORDER BY v.code))::int AS number, v.code AS village, t.code AS township, t.parent_code AS county
FROM roster_region v JOIN roster_region t ON t.level = 'township' AND t.code = v.parent_code WHERE v.level = 'village';

-- The cases: two years of them, 2 % of all open, which are those of the last weeks, as many in each stage.
CREATE UNLOGGED TABLE bench_lot AS
SELECT n, (lpad(to_hex((extract(epoch FROM reached) * 1000)::bigint), 12, '0') || '7' || substr(mark, 1, 3) || '8' || substr(mark, 4, 15))::uuid AS id,
       (lpad(to_hex((extract(epoch FROM reached) * 1000)::bigint), 12, '0') || '7' || substr(mark, 19, 3) || '9' || substr(mark, 4, 15))::uuid
           AS instruction,
       not is_open AS is_closed, CASE WHEN is_open THEN 1 + (n / 2) % open_models ELSE 1 + n % closed_models END AS number,
       1 + abs(hashint8(n)::bigint) % villages AS place, reached
FROM (SELECT n, md5(n::text || 'case') AS mark, n % 2 = 0 AND n > total * 0.96 AS is_open,
             date_trunc('milliseconds', now() - interval '2 days' - (total - n) * (interval '730 days' / total)) AS reached,
             (SELECT count(*) FROM bench_model WHERE NOT bench_model.is_closed) AS open_models,
             (SELECT count(*) FROM bench_model WHERE bench_model.is_closed) AS closed_models,
             (SELECT count(*) FROM bench_village) AS villages
      FROM (SELECT current_setting('bench.cases')::bigint AS total) AS size, generate_series(1, total) AS n) AS drawn;
ANALYZE bench_lot, bench_model, bench_village;

-- Nothing of what was played stays: neither the models nor where this suite's streams stood, as the next run has streams of its own.
TRUNCATE case_file, instruction, desk, light, feedback, request, event_log, outbox, relay_sent, relay_state, consumer_position, consumer_mark,
         parked_event, dead_letter, anchor, anchor_bucket, case_leaf, tip_link, agency_system;
SELECT event_log_ensure_partitions(now() - interval '26 months', 28);

-- Indexes that no constraint needs are built after the load.
CREATE UNLOGGED TABLE bench_index AS
SELECT x.indexrelid::regclass::text AS name, replace(pg_get_indexdef(x.indexrelid), ' ON ONLY ', ' ON ') AS definition
FROM pg_index x
WHERE x.indrelid = ANY ('{case_file,instruction,desk,event_log}'::regclass[])
      AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = x.indexrelid);
DO $$
DECLARE one record;
BEGIN
    FOR one IN SELECT name FROM bench_index LOOP EXECUTE 'DROP INDEX ' || one.name; END LOOP;
END $$;

-- Inserts into a table what the lots say, with these columns' values in place of the models'.
CREATE FUNCTION bench_fill(target text, own jsonb, lowest bigint, highest bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE names text; exprs text;
BEGIN
    SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position),
           string_agg(coalesce(own ->> column_name, 'm.' || quote_ident(column_name)), ', ' ORDER BY ordinal_position)
    INTO names, exprs
    FROM information_schema.columns
    WHERE table_schema = current_schema AND table_name = target AND is_identity = 'NO';
    EXECUTE format(
        'INSERT INTO %I (%s) SELECT %s FROM bench_lot l JOIN bench_%s m USING (number, is_closed)
         JOIN bench_model b USING (number, is_closed) JOIN bench_village v ON v.number = l.place
         WHERE l.n BETWEEN %s AND %s', target, names, exprs, target, lowest, highest);
END $$;
