"""A migration only adds: the release before it works on its tables while replicas are replaced."""

from __future__ import annotations

import unittest

from dafei_dev import migrations


class Migrations(unittest.TestCase):
    def test_no_migration_takes_away_what_the_release_before_uses(self) -> None:
        found = {file.stem: migrations.faults(file.read_text(encoding="utf-8")) for file in migrations.files()}
        self.assertGreater(len(found), 30)
        self.assertEqual({name: wrong for name, wrong in found.items() if wrong and name not in migrations.BEFORE_0_1}, {})
        for name in migrations.BEFORE_0_1:
            self.assertTrue(found[name], f"{name} need not be let through")

    def test_what_narrows_is_found_and_what_widens_is_not(self) -> None:
        narrows = (
            "DROP TABLE a;", "ALTER TABLE a DROP COLUMN b;", "ALTER TABLE a RENAME TO b;", "ALTER TABLE a ALTER COLUMN b SET NOT NULL;",
            "ALTER TABLE a ALTER COLUMN b TYPE bigint;", "ALTER TABLE a ADD COLUMN b text NOT NULL;",
            "ALTER TABLE a ADD COLUMN b boolean NOT NULL DEFAULT false, ADD COLUMN c text NOT NULL;",
        )
        for sql in narrows:
            self.assertEqual(len(migrations.faults(sql)), 1, sql)
        widens = (
            "CREATE TABLE a (b text NOT NULL);", "ALTER TABLE a ADD COLUMN b text, ADD COLUMN c smallint;",
            "ALTER TABLE a ADD COLUMN b boolean NOT NULL DEFAULT false;", "ALTER TABLE a ADD COLUMN b boolean DEFAULT false NOT NULL;",
            "ALTER TABLE a ALTER COLUMN b DROP NOT NULL;", "CREATE INDEX i ON a (b); -- later DROP COLUMN b",
            "ALTER TABLE a ADD COLUMN b numeric(10,2) NOT NULL DEFAULT 0;",
        )
        for sql in widens:
            self.assertEqual(migrations.faults(sql), [], sql)


if __name__ == "__main__":
    unittest.main()
