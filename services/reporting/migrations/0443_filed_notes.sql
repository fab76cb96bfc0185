-- What the form notes below the figures of a table, of a leaf unit: 其中属实 (106), and village secretaries who had a warning talk (109) or were held
-- accountable (110). The number is that of the column which the note belongs to, and 100.
CREATE VIEW unit_note AS
SELECT unit_id, month, 106::smallint AS col, verified_true AS value FROM tip_note
UNION ALL
SELECT unit_id, month, (100 + col)::smallint, 1::bigint FROM secretary_note;

-- The notes of the last version that a unit filed, for the table of the office that collects it: as filed_cell has its figures, so that a note and
-- the figure which it belongs to are of the same moment.
CREATE TABLE filed_note (
    month integer NOT NULL,
    kind text NOT NULL,
    region_code text NOT NULL,
    agency text NOT NULL,
    county text NOT NULL,
    city text NOT NULL,
    col smallint NOT NULL CHECK (col IN (106, 109, 110)),
    value bigint NOT NULL,
    PRIMARY KEY (month, kind, region_code, agency, county, col)
);
CREATE INDEX filed_note_of_county ON filed_note (month, county) WHERE county <> '';
CREATE INDEX filed_note_of_city ON filed_note (month, city);

-- Of what was filed before, as it is computed now: a township's and a department's own, and a county office's of all its county.
INSERT INTO filed_note (month, kind, region_code, agency, county, city, col, value)
SELECT f.month, f.kind, f.region_code, f.agency, u.county, u.city, n.col, sum(n.value)
FROM filing f
JOIN unit u ON u.kind = f.kind AND u.region_code = f.region_code AND u.agency = f.agency
JOIN unit_note n ON n.unit_id = u.unit_id AND n.month = f.month
WHERE f.version > 0 AND f.kind IN ('township', 'county-department', 'city-department')
GROUP BY f.month, f.kind, f.region_code, f.agency, u.county, u.city, n.col
UNION ALL
SELECT f.month, f.kind, f.region_code, f.agency, f.county, f.city, n.col, sum(n.value)
FROM filing f
JOIN unit u ON u.county = f.region_code
JOIN unit_note n ON n.unit_id = u.unit_id AND n.month = f.month
WHERE f.version > 0 AND f.kind = 'county-office'
GROUP BY f.month, f.kind, f.region_code, f.agency, f.county, f.city, n.col;
