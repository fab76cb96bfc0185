-- Whether filling may have been read of the stream that is being filled up: what is found to stand in its place later was then passed over by whoever read
-- it. False where nothing is filled up.
ALTER TABLE relay_state
    ADD COLUMN pad_read boolean NOT NULL DEFAULT false;
