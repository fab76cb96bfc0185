"""./dev bench all: every bench after the other, and one table with each figure, what it is held against, and the ratio of the two."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from .home import ROOT
from .say import Stop, line, step

# What is run for each size. `small` takes a quarter of an hour after the build, `full` some hours and 40 GB.
RUNS: "dict[str, tuple[tuple[str, ...], ...]]" = {
    "small": (
        ("loop", "--scale", "0.5"),
        ("intake", "--scale", "0.35"),
        ("patrols", "--scale", "0.5"),
        ("dispatch", "--scale", "20k", "--time", "0.3"),
        ("sla", "--scale", "100k", "--per-second", "1000", "--seconds", "20", "--villages", "20000"),
        ("table", "--scale", "100k"),
        ("overload", "--scale", "0.3"),
    ),
    "full": (
        ("loop",), ("intake",), ("patrols",), ("dispatch", "--scale", "1m"), ("sla", "--scale", "1m"), ("table", "--scale", "1m"),
        ("roster",), ("overload",),
    ),
}


def check_options(rest: "list[str]") -> None:
    _options(rest)


def run(rest: "list[str]") -> None:
    options = _options(rest)
    found: "list[tuple[str, dict[str, Any]]]" = []
    failed = []
    for words in RUNS[options.size]:
        if options.only and words[0] not in options.only:
            continue
        with step(f"bench {' '.join(words)}"):
            figures, status = _bench(words)
        found += [(words[0], figure) for figure in figures]
        if status != 0:
            failed.append(words[0])
    text = f"{machine()}\n\n{table(found)}"
    if options.out:
        options.out.write_text(text + "\n")
    print(text)
    if failed:
        raise Stop(f"not measured to the end: {', '.join(failed)}")


def _options(rest: "list[str]") -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench all")
    parser.add_argument("--size", choices=tuple(RUNS), default="small", help="small: a quarter of an hour; full: some hours and 40 GB of disk")
    parser.add_argument("--only", action="append", metavar="BENCH", help="this bench alone; may be given more than once")
    parser.add_argument("--out", type=Path, help="writes the table to a file, too")
    options = parser.parse_args(rest)
    there = {words[0] for words in RUNS[options.size]}
    wrong = [name for name in options.only or [] if name not in there]
    if wrong:
        raise Stop(f"no such bench in --size {options.size}: {', '.join(wrong)}; there are {', '.join(sorted(there))}")
    return options


def _bench(words: "tuple[str, ...]") -> "tuple[list[dict[str, Any]], int]":
    """The figures of a bench, which are its lines on standard output. What it tells meanwhile goes on to standard error."""
    argv = [sys.executable, "-m", "dafei_dev", "bench", *words]
    done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    figures = [json.loads(text) for text in done.stdout.splitlines() if text.startswith("{")]
    for figure in figures:
        line(f"    {figure['name']}: {figure['value']} {figure['unit']}")
    return figures, done.returncode


def table(found: "list[tuple[str, dict[str, Any]]]") -> str:
    """As docs/performance.md has it."""
    rows = ["| bench | figure | value | held against | which is | ratio |", "|---|---|---|---|---|---|"]
    for bench, figure in found:
        value = f"{_number(figure['value'])} {figure['unit']}".removesuffix(" 1")
        against, reference, ratio = figure.get("reference"), figure.get("reference_value"), figure.get("ratio")
        held = (str(against), _number(reference), f"{ratio:g}") if against and ratio is not None else ("-", "-", "-")
        rows.append(f"| {bench} | `{figure['name']}` | {value} | {' | '.join(held)} |")
    return "\n".join(rows)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:g}"


def machine() -> str:
    """What was measured on, as far as the kernel tells."""
    model = _first("/proc/cpuinfo", "model name") or platform.machine()
    memory = int((_first("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) / 1_048_576
    load = os.getloadavg()[0]
    return (f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, Linux {platform.release()}; services, PostgreSQL, NATS and the load share them. "
            f"Load average at the end {load:.1f}.")


def _first(file: str, name: str) -> str:
    for text in Path(file).read_text().splitlines():
        key, _, value = text.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
