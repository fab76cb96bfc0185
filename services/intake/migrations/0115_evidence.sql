-- Photos move out of the database: it keeps what is known of a photo, the object store its bytes. No version with bytes in the database
-- was ever released, so the old table's rows are not carried over.
DROP TABLE evidence;

CREATE TABLE evidence (
    id          uuid PRIMARY KEY,
    -- `level:code` of where it belongs; none for a photo of a tip, which belongs to nobody's region.
    region      text,
    -- The name of its objects in the store.
    object      uuid        NOT NULL UNIQUE,
    -- Of what was sent, which lies under lock; none when only the public copy was kept.
    sha256      bytea,
    media_type  text,
    -- Of the public copy.
    width       integer     NOT NULL,
    height      integer     NOT NULL,
    -- To the hour for a photo of a tip.
    uploaded_at timestamptz NOT NULL,
    -- The public copy of a tip's photo until its hour is over. All of an hour go to the store together, so that the store's own times tell
    -- no more than the hour either.
    held        bytea,
    CHECK ((region IS NULL) = (sha256 IS NULL) AND (sha256 IS NULL) = (media_type IS NULL)),
    CHECK (held IS NULL OR region IS NULL)
);
ALTER TABLE evidence ALTER COLUMN held SET STORAGE EXTERNAL;

CREATE INDEX evidence_held ON evidence (uploaded_at) WHERE held IS NOT NULL;

-- Names under which objects are put before the row that keeps them is committed. A name that is still here when its time has passed was
-- given up: the sweep removes its objects.
CREATE TABLE evidence_unfinished (
    object      uuid PRIMARY KEY,
    sweep_after timestamptz NOT NULL
);

CREATE INDEX evidence_unfinished_by_time ON evidence_unfinished (sweep_after);

-- Who has seen an original, and why. Written in the transaction that ends before the first byte leaves; never changed.
CREATE TABLE evidence_access (
    id          uuid PRIMARY KEY,
    evidence_id uuid        NOT NULL,
    -- Where the photo belongs: county, township and village of its region's path, as far as it has them.
    county      text,
    township    text,
    village     text,
    subject     text        NOT NULL,
    post        jsonb       NOT NULL,
    reason      text        NOT NULL,
    accessed_at timestamptz NOT NULL
);

CREATE INDEX evidence_access_by_time ON evidence_access (accessed_at DESC, id DESC);
CREATE INDEX evidence_access_by_evidence ON evidence_access (evidence_id, accessed_at DESC, id DESC);
CREATE INDEX evidence_access_by_county ON evidence_access (county, accessed_at DESC, id DESC);
CREATE INDEX evidence_access_by_township ON evidence_access (township, accessed_at DESC, id DESC);
CREATE INDEX evidence_access_by_village ON evidence_access (village, accessed_at DESC, id DESC);

CREATE FUNCTION evidence_access_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'evidence_access is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER evidence_access_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON evidence_access
    FOR EACH STATEMENT EXECUTE FUNCTION evidence_access_is_append_only();
