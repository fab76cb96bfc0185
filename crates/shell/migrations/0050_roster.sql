-- The roster as every service holds it. Intake writes it by imports; the others take intake's snapshots.
CREATE TABLE roster_region (
    level text NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    parent_level text,
    parent_code text,
    work_area text,
    PRIMARY KEY (level, code)
);

CREATE TABLE roster_holder (
    role text NOT NULL,
    level text NOT NULL,
    code text NOT NULL,
    agency text NOT NULL DEFAULT '',
    person text NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_until timestamptz,
    PRIMARY KEY (level, code, role, agency, person, valid_from)
);

CREATE TABLE roster_enterprise (
    credit_code text PRIMARY KEY,
    name text NOT NULL,
    industry text NOT NULL,
    regulator text NOT NULL DEFAULT '',
    level text NOT NULL,
    code text NOT NULL,
    employees integer NOT NULL
);

CREATE INDEX roster_enterprise_by_region ON roster_enterprise (level, code);
