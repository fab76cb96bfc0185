"""Migrations only add, so that the release before works on their tables; docs/operations.md, "Upgrade"."""

from __future__ import annotations

import re
from pathlib import Path

from .home import ROOT

# Of the development before 0.1: they took away what no release had. No file is added here once 0.1 is out.
BEFORE_0_1 = {"0110_patrols", "0114_village_steps", "0115_evidence", "0301_duties_and_notices"}
_FORBIDDEN = {
    "drops a table": r"\bDROP\s+TABLE\b",
    "drops a column": r"\bDROP\s+COLUMN\b",
    "renames": r"\bRENAME\b",
    "asks for a value that was not asked for": r"\bSET\s+NOT\s+NULL\b",
    "changes a type": r"\bALTER\s+COLUMN\s+\w+\s+(?:SET\s+DATA\s+)?TYPE\b",
    "adds a column that the release before does not fill": r"\bADD\s+COLUMN\s+(?:(?!,\s|\bDEFAULT\b)[^;])*\bNOT\s+NULL\b(?!(?:(?!,\s)[^;])*\bDEFAULT\b)",
}


def faults(sql: str) -> "list[str]":
    """What of a migration the release before would not bear, as far as its text shows it: what a function does is not seen."""
    plain = re.sub(r"--[^\n]*", "", sql)
    # What stands in quotes is no statement.
    plain = re.sub(r"'(?:[^']|'')*'", "''", plain)
    return [what for what, pattern in _FORBIDDEN.items() if re.search(pattern, plain, re.IGNORECASE)]


def files() -> "list[Path]":
    return [file for folder in ("crates", "services") for file in sorted((ROOT / folder).glob("*/migrations/*.sql"))]
