-- A region is taken out of the roster only when no tip waits for its unit: what is open or still to be rewarded, without reading all that it ever had.
-- Who holds the table is not waited for long.
SET LOCAL lock_timeout = '3s';

CREATE INDEX tip_open_by_recipient ON tip (recipient_code) WHERE state < 5 AND NOT announced;
