-- What a township's cases and limits came to is looked up in all counties, since another may have administered it: by indexes that begin with the
-- county, that would read a whole city's rows. What is open, what has ended since and what was opened before are one index's.
CREATE INDEX case_line_of_township ON case_line (township, ended_at);
CREATE INDEX breach_line_of_township ON breach_line (township, day);
