"""./dev bench table --scale 100k|1m|10m: reporting with the facts of a city's year in its database."""

from __future__ import annotations

import argparse
import shutil

from . import check, processes, suite
from .bench_dispatch import number_of
from .home import TOOLS, Home
from .say import Stop, line, step

SERVICE = "reporting"
# What a fact takes on disk with the event that told it and its indexes, 1,345 bytes as measured, and as much again for a rebuild's shadow and the
# write-ahead log.
BYTES_PER_FACT = 2_500


def run(rest: "list[str]") -> None:
    options = _options(rest)
    facts = number_of(options.scale)
    home = check.fresh_home(TOOLS / "suite-bench")
    try:
        suite.start(home, "system")
        _check_space(home, facts)
        suite.tool(home, "bench", "table", "settle")
        processes.end(home, SERVICE)
        with step(f"{facts:,} facts of a year"):
            suite.tool(home, "bench", "table", "fill", "--facts", str(facts))
        processes.start_again(home, SERVICE)
        suite.tool(home, "health", "--wait", "180s", quiet=True)
        # Events are told in its place.
        processes.end(home, "dispatch")
        suite.tool(home, "bench", "table", "measure")
    finally:
        if options.keep:
            line(f"the suite is left as it is: ./dev --home {home.path} down")
        else:
            suite.stop(home)


def check_options(rest: "list[str]") -> None:
    number_of(_options(rest).scale)


def _options(rest: "list[str]") -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench table")
    parser.add_argument("--scale", default="1m", help="how many facts: 100k, 1m, 10m")
    parser.add_argument("--keep", action="store_true", help="leave the suite running, to look at plans")
    return parser.parse_args(rest)


def _check_space(home: Home, facts: int) -> None:
    free = shutil.disk_usage(home.postgres_dir()).free
    needed = facts * BYTES_PER_FACT
    if free < needed:
        raise Stop(f"{facts:,} facts need {needed / 1e9:.0f} GB, {free / 1e9:.0f} GB are free in {home.postgres_dir()}")
