-- Which filing units (填报单位) the roster named from when to when, by the instants of its snapshots: a unit owes the table or briefing of a period at
-- whose end it was there. Made from events and can be made again.
CREATE TABLE unit_stay (
    -- "township:371302001"
    region text        NOT NULL,
    -- Empty but for departments.
    agency text        NOT NULL,
    since  timestamptz NOT NULL,
    -- Null while it is there.
    until  timestamptz,
    PRIMARY KEY (region, agency, since)
);

-- Since when those are there that were read before was not kept: they owe all that they owed until now, until the streams are read again.
INSERT INTO unit_stay (region, agency, since)
SELECT level || ':' || code, '', timestamptz '0001-01-01T00:00:00Z' FROM roster_region WHERE level IN ('city', 'county', 'township')
UNION
SELECT level || ':' || code, agency, timestamptz '0001-01-01T00:00:00Z' FROM roster_holder
WHERE role IN ('county-department', 'city-department') AND agency <> '';
