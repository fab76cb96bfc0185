"""./dev bench sla --scale 1m|10m: the SLA monitor with so many open obligations in its database, of which thousands fall due each second."""

from __future__ import annotations

import argparse
import shutil
import time

from . import check, processes, suite
from .bench_dispatch import number_of
from .home import TOOLS, Home
from .say import Stop, line, step

SERVICE = "sla-monitor"
PEERS = ("DAFEI_INTAKE_ADDR", "DAFEI_DISPATCH_ADDR", "DAFEI_SLA_MONITOR_TOKEN_FILE")
# What an open obligation takes on disk with its basis and its indexes, in bytes, as measured.
BYTES_PER_OBLIGATION = 2_200


def run(rest: "list[str]") -> None:
    options = _options(rest)
    obligations = number_of(options.scale)
    home = check.fresh_home(TOOLS / "suite-bench")
    try:
        suite.start(home, "system")
        _check_space(home, obligations)
        processes.end(home, SERVICE)
        with step(f"{obligations:,} open obligations"):
            suite.tool(home, "bench", "sla", "fill", "--open", str(obligations))
        load = ["--per-second", str(options.per_second), "--seconds", str(options.seconds)]
        with step(f"{options.per_second:,} a second for {options.seconds} s"):
            suite.tool(home, "bench", "sla", "arm", *load)
        started = int(time.time() * 1_000_000)
        _start_alone(home)
        suite.tool(home, "bench", "sla", "measure", "--started", str(started), *load)
        _week_end(home, str(options.villages))
    finally:
        if options.keep:
            line(f"the suite is left as it is: ./dev --home {home.path} down")
        else:
            suite.stop(home)


def _start_alone(home: Home) -> None:
    """Without anybody for its reconciler to ask: what the bench makes up belongs to no case, and would be taken for holes."""
    known = processes.read(home, SERVICE)
    alone = {name: value for name, value in known["env"].items() if name not in PEERS}
    processes.start(home, SERVICE, known["argv"], alone, known["user"])


def _week_end(home: Home, villages: str) -> None:
    processes.end(home, SERVICE)
    with step(f"{int(villages):,} villages"):
        suite.tool(home, "bench", "sla", "week", "--villages", villages)
    started = int(time.time() * 1_000_000)
    _start_alone(home)
    suite.tool(home, "bench", "sla", "week-end", "--started", str(started), "--villages", villages)


def check_options(rest: "list[str]") -> None:
    number_of(_options(rest).scale)


def _options(rest: "list[str]") -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench sla")
    parser.add_argument("--scale", default="1m", help="how many open obligations: 100k, 1m, 10m")
    parser.add_argument("--per-second", type=int, default=5_000, help="how many fall due each second")
    parser.add_argument("--seconds", type=int, default=60, help="for how long")
    parser.add_argument("--villages", type=int, default=620_573, help="how many villages owe two duties at the week's end")
    parser.add_argument("--keep", action="store_true", help="leave the suite running, to look at plans")
    return parser.parse_args(rest)


def _check_space(home: Home, obligations: int) -> None:
    free = shutil.disk_usage(home.postgres_dir()).free
    needed = obligations * BYTES_PER_OBLIGATION
    if free < needed:
        raise Stop(f"{obligations:,} obligations need {needed / 1e9:.0f} GB, {free / 1e9:.0f} GB are free in {home.postgres_dir()}")
