-- Totals of columns, kept beside the cells: a table's rows are checked against them whenever it is made, and a unit's against those of the units
-- above it, since all of them sum the same rows.
CREATE TABLE cell_total (
    unit_id uuid     NOT NULL,
    month   integer  NOT NULL,
    col     smallint NOT NULL,
    value   bigint   NOT NULL,
    PRIMARY KEY (unit_id, month, col)
) WITH (fillfactor = 80);
INSERT INTO cell_total (unit_id, month, col, value) SELECT unit_id, month, col, sum(value) FROM cell GROUP BY unit_id, month, col;
