-- The texts by which cases are routed and townships have authority, with their history. Of each kind and place the last is in force. They are
-- few, and read anew only when `serial`, which follows the order of the commits, has moved on.
CREATE TABLE routing_text (
    serial         bigint PRIMARY KEY,
    -- 'routing' or 'authority'.
    kind           text        NOT NULL,
    -- Code of the county whose own it is; empty for the whole city's.
    county         text        NOT NULL,
    -- 1, 2, 3 … within kind and county.
    revision       bigint      NOT NULL,
    -- The label that its text bears; each is used once.
    version        text        NOT NULL,
    text           text        NOT NULL,
    in_force_since timestamptz NOT NULL,
    -- Who replaced it: post and account. All empty where it came from the service's file.
    role           text        NOT NULL,
    level          text        NOT NULL,
    region         text        NOT NULL,
    account        text        NOT NULL,
    UNIQUE (kind, county, revision),
    UNIQUE (kind, county, version)
);
