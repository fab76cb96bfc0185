"""./dev faults: real processes under faults. After each the suite has to be at rest within 30 s, with nothing lost and nothing doubled."""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Optional

from . import provision, suite
from .faults_list import SHORT, Fault, faults
from .faults_stage import KEPT, RECOVERY, NoSmallDisks, Stage
from .home import ROOT
from .say import Stop, line, step

RESULTS = KEPT / "results.jsonl"


@dataclass
class Result:
    """What came of one run."""

    fault: str
    seed: int
    revision: str
    acknowledged: int
    repeated: int
    lost: int
    doubled: int
    recovery: float
    problem: Optional[str]
    # Events that stand in a stream again because their relay filled it up (ADR 27): so far, as the writes.
    again: int = 0

    @property
    def failed(self) -> bool:
        return bool(self.lost or self.doubled or self.problem)


def run(rest: "list[str]") -> None:
    options = _options(rest)
    if options.list:
        for fault in faults():
            print(f"{fault.name:<36}{fault.meaning}")
        return
    chosen = _chosen(options)
    if suite.profile() == "release":
        raise Stop("a release build has no points at which a process ends itself; DAFEI_PROFILE=faults has them and is as fast")
    if options.lane is None:
        provision.everything()
        suite.build()
    known = {} if options.again or options.short else _known()
    runs = _in_order(chosen, options)
    results = [done for fault, seed in runs if (done := known.get((fault.name, seed)))]
    todo = [(fault, seed) for fault, seed in _share(runs, options) if (fault.name, seed) not in known]
    if options.lanes > 1 and options.lane is None:
        _side_by_side(options.lanes, rest)
        results += [done for fault, seed in todo if (done := _last(fault.name, seed))]
    else:
        results += _play(todo, options)
    print(table(results))
    if any(result.failed for result in results):
        raise Stop("something was lost, doubled, or did not come back in time")


def _in_order(chosen: "list[Fault]", options: argparse.Namespace) -> "list[tuple[Fault, int]]":
    """One series after the other, so that a broken off run has something of every fault; those with small disks, which need another suite, at the end."""
    seeds = range(options.seed, options.seed + options.runs)
    return [(fault, seed) for small in (False, True) for seed in seeds for fault in chosen if fault.small_disks == small]


def _share(runs: "list[tuple[Fault, int]]", options: argparse.Namespace) -> "list[tuple[Fault, int]]":
    """What falls to this lane."""
    return runs if options.lane is None else runs[options.lane - 1::options.lanes]


def _side_by_side(lanes: int, rest: "list[str]") -> None:
    """Each lane has a suite, a load and a process of its own; what they found is in the file of results."""
    argv = [sys.executable, "-m", "dafei_dev", "faults", *rest]
    children = [subprocess.Popen([*argv, "--lane", str(number)], stdout=subprocess.DEVNULL) for number in range(1, lanes + 1)]
    try:
        for child in children:
            child.wait()
    finally:
        for child in children:
            if child.poll() is None:
                child.terminate()
        for child in children:
            child.wait()


def short() -> None:
    """Five faults, one seed: part of `./dev test`."""
    with step("faults: five of them, once each"):
        run(["--short"])


def _count(text: str) -> int:
    """Of none of them nothing would be found, and all would seem well."""
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def _options(rest: "list[str]") -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev faults")
    parser.add_argument("--runs", type=_count, default=1, help="how many runs of each fault, with one seed after the other")
    parser.add_argument("--only", action="append", metavar="FAULT", help="this fault alone; may be given more than once")
    parser.add_argument("--seed", type=int, default=1, help="the first seed: it decides moments and victims")
    parser.add_argument("--short", action="store_true", help="five faults, one run each")
    parser.add_argument("--again", action="store_true", help="also runs that this revision has passed already")
    parser.add_argument("--list", action="store_true", help="tells which faults there are")
    parser.add_argument("--lanes", type=_count, default=1, help="how many suites are tried side by side, each with a load of its own")
    parser.add_argument("--lane", type=int, help=argparse.SUPPRESS)
    return parser.parse_args(rest)


def _chosen(options: argparse.Namespace) -> "list[Fault]":
    known = {fault.name: fault for fault in faults()}
    names = list(SHORT) if options.short else options.only or list(known)
    wrong = [name for name in names if name not in known]
    if wrong:
        raise Stop(f"no such fault: {', '.join(wrong)}; ./dev faults --list")
    return [known[name] for name in names]


def _revision() -> str:
    """Results hold for what was built: the last commit that changed it, and whether anything was changed since. Tests are not built into it."""
    built = ("Cargo.lock", "crates", "proto", "services", "tools/src/faults", "tools/src/agency_system.rs",
             ":(exclude,glob)**/tests/**", ":(exclude)crates/testkit")

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""
    commit = git("log", "-1", "--abbrev=12", "--format=%h", "--", *built) or "unknown"
    return f"{commit}-changed" if git("status", "--porcelain", "--", *built) else commit


def _kept() -> "list[Result]":
    """All runs of this revision, in the order in which they ended."""
    if not RESULTS.exists():
        return []
    revision = _revision()
    return [one for text in RESULTS.read_text().splitlines() if (one := Result(**json.loads(text))).revision == revision]


def _known() -> "dict[tuple[str, int], Result]":
    """Runs that this revision has passed already: a run that was broken off is taken up where it was."""
    return {(one.fault, one.seed): one for one in _kept() if not one.failed}


def _last(fault: str, seed: int) -> Optional[Result]:
    return next((one for one in reversed(_kept()) if (one.fault, one.seed) == (fault, seed)), None)


def _play(todo: "list[tuple[Fault, int]]", options: argparse.Namespace) -> "list[Result]":
    results: "list[Result]" = []
    stage: Optional[Stage] = None
    KEPT.mkdir(parents=True, exist_ok=True)
    try:
        for fault, seed in todo:
            if stage is not None and stage.small_disks != fault.small_disks:
                stage.close()
                stage = None
            if stage is None:
                try:
                    with step("a suite of its own, with three NATS servers"):
                        stage = Stage(fault.small_disks, options.short, options.lane or 1)
                except NoSmallDisks:
                    line(f"    SKIPPED: {fault.name} needs root and a kernel that lets it mount a tmpfs")
                    continue
            with step(f"{fault.name}, seed {seed}"):
                result = _one(stage, fault, seed)
            with RESULTS.open("a") as file:
                file.write(json.dumps(asdict(result), ensure_ascii=False) + "\n")
            results.append(result)
            line(f"    {_told(result)}")
            if result.failed:
                stage.close()
                stage = None
    finally:
        if stage is not None:
            stage.close()
    return results


def _one(stage: Stage, fault: Fault, seed: int) -> Result:
    chance = random.Random(f"{fault.name} {seed}")
    stage.begin_load()
    time.sleep(chance.uniform(0.0, 1.0))
    problem = None
    try:
        fault.do(stage, chance)
    except Stop as stop:
        problem = str(stop)
    ended = time.monotonic()
    stage.end_load()
    problem = problem or stage.quiet()
    recovery = time.monotonic() - ended
    if recovery > stage.recovery and not problem:
        problem = f"at rest only after {recovery:.0f} s"
    told = stage.verify()
    result = Result(fault.name, seed, _revision(), told["acknowledged"], told["repeated"], told["lost"], told["doubled"], recovery, problem, told["again"])
    if result.failed:
        stage.keep(f"{fault.name}-{seed}", {**told, "problem": problem})
    return result


def _told(result: Result) -> str:
    again = f" ({result.again} again in a stream that was filled up)" if result.again else ""
    found = f"{result.acknowledged} writes acknowledged so far, {result.lost} lost, {result.doubled} doubled{again}, at rest after {result.recovery:.1f} s"
    return f"{found}; {result.problem}" if result.problem else found


def table(results: "list[Result]") -> str:
    """As docs/faults.md has it."""
    rows = ["| fault | runs | lost | doubled | recovery p50 | recovery max | seeds of failures |", "|---|---|---|---|---|---|---|"]
    for name in dict.fromkeys(result.fault for result in results):
        of_it = [result for result in results if result.fault == name]
        times = [result.recovery for result in of_it]
        seeds = ", ".join(str(result.seed) for result in of_it if result.failed) or "none"
        rows.append(f"| {name} | {len(of_it)} | {sum(result.lost for result in of_it)} | {sum(result.doubled for result in of_it)} "
                    f"| {statistics.median(times):.1f} s | {max(times):.1f} s | {seeds} |")
    return "\n".join(rows)
