-- What a township did is looked up in all counties, since another may have administered it: by the primary key, which begins with the county, that
-- would read a whole city's days.
CREATE INDEX deed_of_township ON deed (township, day);
