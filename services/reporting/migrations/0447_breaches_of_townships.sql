-- The same of its limits; by itself, so that the one table is free again while the other's index is made.
SET LOCAL lock_timeout = '3s';
CREATE INDEX breach_line_of_township ON breach_line (township, day);
