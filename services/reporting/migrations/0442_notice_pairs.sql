-- Pairs of a village's reward notices that hang closer than 50 m: one is as wrong as a place too few (clause D5). Rows from before count as
-- without one until the village's notices change or the streams are read again.
ALTER TABLE village_notices ADD COLUMN close_pairs integer NOT NULL DEFAULT 0;
