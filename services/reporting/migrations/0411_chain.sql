-- How far the chain of each aggregate of reporting's own events is: briefings, evaluations, samples, released tables. Filings keep theirs beside
-- their versions.
CREATE TABLE chain_of (
    aggregate_id uuid PRIMARY KEY,
    sequence     bigint NOT NULL,
    head         text   NOT NULL
);
