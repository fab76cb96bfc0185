-- What the last snapshot of each part of the roster named: what lies below a city or county that comes or moves is known from here, as it was
-- read, and not from the roster of now, which a rebuild is far behind.
CREATE TABLE duty_part (
    part    text   PRIMARY KEY,
    -- Empty for a city.
    parent  text   NOT NULL,
    members text[] NOT NULL
);
CREATE INDEX duty_part_below ON duty_part (parent);
INSERT INTO duty_part (part, parent, members)
SELECT part, max(CASE WHEN starts_with(path, part) THEN '' ELSE split_part(split_part(path, '/' || part, 1), '/', -1) END), array_agg(unit)
FROM duty_unit WHERE until IS NULL GROUP BY part;
