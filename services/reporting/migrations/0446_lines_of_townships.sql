-- What a township's cases came to is looked up in all counties, since another may have administered it: by an index that begins with the county, that
-- would read a whole city's rows. What is open, what has ended since and what was opened before are one index's.
-- Only consumers write the table, and wait while the index is made; who holds it is not waited for long.
SET LOCAL lock_timeout = '3s';
CREATE INDEX case_line_of_township ON case_line (township, ended_at);
