"""Environment files in shell syntax (`export NAME=value`, quoted where needed), and the environment that child processes get."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Dict, Mapping

from .home import write_private

#: What a server is given of the caller's environment; all else would be a hidden setting.
INHERITED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "RUST_BACKTRACE")
#: The settings of the suite that a caller may give to what is started here.
PASSED_ON = ("DAFEI_LOG", "DAFEI_LOG_FORMAT", "DAFEI_OTLP_ENDPOINT", "DAFEI_OTLP_SAMPLING")


def write(path: Path, settings: Mapping[str, str]) -> None:
    """Writes them for `source FILE`."""
    lines = (f"export {name}={shlex.quote(value)}\n" for name, value in settings.items())
    write_private(path, "".join(lines))


def read(path: Path) -> Dict[str, str]:
    """Reads what `write` wrote."""
    settings: Dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, mark, value = line[len("export ") :].partition("=")
        if mark and line.startswith("export "):
            settings[name] = "".join(shlex.split(value))
    return settings


def bare() -> Dict[str, str]:
    """The little of the caller's environment that servers get."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ}


def clean() -> Dict[str, str]:
    """The caller's whole environment without settings of the suite and of databases, for builds and tests."""
    dropped = ("DATABASE_URL", "SQLX_OFFLINE", "SQLX_OFFLINE_DIR")
    return {name: value for name, value in os.environ.items() if not name.startswith("DAFEI_") and name not in dropped}
