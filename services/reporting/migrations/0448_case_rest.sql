-- Times during which a case was over before it was taken up again (重新办理): what is said of a day or quarter within one does not change by that. Of
-- cases that were taken up again before this table was there none is known, until the streams are read again. Made from events.
CREATE TABLE case_rest (
    case_id     uuid        NOT NULL,
    ended_at    timestamptz NOT NULL,
    -- closed, merged or withdrawn.
    how_ended   text        NOT NULL,
    reopened_at timestamptz NOT NULL,
    PRIMARY KEY (case_id, ended_at)
);
