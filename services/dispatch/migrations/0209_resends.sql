-- How often it was sent once more: what was so too often is asked for by nobody again.
ALTER TABLE instruction ADD COLUMN resends smallint NOT NULL DEFAULT 0;

UPDATE instruction i SET resends = jsonb_array_length(one -> 'resent')
FROM case_file c, jsonb_array_elements(c.body -> 'instructions') AS one
WHERE c.id = i.case_id AND one ->> 'id' = i.id::text AND jsonb_array_length(one -> 'resent') > 0;
