"""Each command that the documentation names is there."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import tempfile
import unittest

from dafei_dev import __main__ as dev
from dafei_dev import drills, faults_list
from dafei_dev.home import ROOT, SERVICES

TOOL = os.environ["DAFEI_TOOL"]
PAGES = [ROOT / "README.md", ROOT / "deploy/README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "deploy/nats").glob("*.md"))]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def named(pattern: str) -> "set[str]":
    return set(re.findall(pattern, TEXT))


class Commands(unittest.TestCase):
    def test_what_dev_is_told_to_do_it_can(self) -> None:
        commands = named(r"\./dev ([a-z][a-z-]*)")
        self.assertGreater(len(commands), 10)
        for command in commands:
            self.assertEqual(dev.parse([command, *(["intake"] if command in ("psql", "image") else [])]).command, command)
        self.assertLessEqual(named(r"\./dev drill ([a-z]+)"), set(drills.DRILLS))
        self.assertLessEqual(named(r"\./dev faults --only ([a-z-]+)"), {fault.name for fault in faults_list.faults()})

    def test_who_speaks_to_a_suite_that_was_never_started_is_told_how_to_start_it(self) -> None:
        for command in ("clock +5d", "token --role county-office", "refill", "psql intake", "logs dispatch", "part kill nats"):
            with tempfile.TemporaryDirectory() as home, contextlib.redirect_stderr(io.StringIO()) as said:
                self.assertEqual(dev.main(["--home", home, *command.split()]), 1, command)
            self.assertIn("./dev up", said.getvalue(), command)

    def test_what_the_tool_is_told_to_do_it_can(self) -> None:
        known = subprocess.run([TOOL, "help"], capture_output=True, text=True, check=True).stdout
        there = set(re.findall(r"^  ([a-z][a-z-]+)", known, re.MULTILINE))
        # `kubectl -n dafei get …` names a namespace.
        commands = named(r"(?<![\w/.-])(?<!-n )dafei ([a-z][a-z-]+)")
        self.assertLessEqual({"refill", "check-restore", "agency-rotate"}, commands)
        self.assertEqual(commands - there, set())

    def test_what_a_service_is_told_to_do_it_can(self) -> None:
        for service, argument in re.findall(rf"`dafei-({'|'.join(SERVICES)}) ([a-z]+)`", TEXT):
            program = (ROOT / "services" / service / "src/main.rs").read_text(encoding="utf-8")
            self.assertIn(f'Some("{argument}")', program, f"dafei-{service} {argument}")


if __name__ == "__main__":
    unittest.main()
