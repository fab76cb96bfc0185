-- 指令 of a county's commander or the city's office. `body` is the core's state as JSON; the columns beside it are what is looked for by.
CREATE TABLE directive (
    id         uuid PRIMARY KEY,
    -- The command's region.
    level      text        NOT NULL,
    region     text        NOT NULL,
    open       boolean     NOT NULL,
    -- An addressee has not answered.
    unanswered boolean     NOT NULL,
    due_at     timestamptz NOT NULL,
    issued_at  timestamptz NOT NULL,
    chain_head text        NOT NULL,
    body       jsonb       NOT NULL
);

CREATE INDEX directive_by_command ON directive (level, region, issued_at DESC, id DESC);
CREATE INDEX directive_open ON directive (level, region, issued_at DESC, id DESC) WHERE open;
CREATE INDEX directive_unanswered ON directive (level, region, issued_at DESC, id DESC) INCLUDE (due_at) WHERE open AND unanswered;

-- What each post is to answer.
CREATE TABLE directive_addressee (
    directive_id uuid        NOT NULL,
    role         text        NOT NULL,
    level        text        NOT NULL,
    region       text        NOT NULL,
    agency       text        NOT NULL,
    open         boolean     NOT NULL,
    answered     boolean     NOT NULL,
    due_at       timestamptz NOT NULL,
    issued_at    timestamptz NOT NULL,
    PRIMARY KEY (directive_id, role, level, region, agency)
);

CREATE INDEX directive_inbox ON directive_addressee (role, level, region, agency, issued_at DESC, directive_id DESC);
CREATE INDEX directive_inbox_open ON directive_addressee (role, level, region, agency, issued_at DESC, directive_id DESC) WHERE open;
CREATE INDEX directive_inbox_unanswered ON directive_addressee (role, level, region, agency, issued_at DESC, directive_id DESC)
    INCLUDE (due_at) WHERE open AND NOT answered;

-- The directives that name a case.
CREATE TABLE directive_case (
    case_id      uuid        NOT NULL,
    issued_at    timestamptz NOT NULL,
    directive_id uuid        NOT NULL,
    PRIMARY KEY (case_id, issued_at, directive_id)
);
