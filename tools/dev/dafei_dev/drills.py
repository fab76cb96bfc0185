"""./dev drill: what an operator does on a bad day and on a day of a new version, done to a suite under load and judged as after a fault."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any, Callable

from . import check, cluster, processes, provision, replicas, servers, suite
from .faults_proxy import Proxy
from .faults_stage import LOAD, PATIENT_RECOVERY, Loaded, await_that
from .home import SERVICES, TOOLS, Home
from .say import Stop, line, step

SUITE = TOOLS / "suite-drills"
# PostgreSQL restored to another point.
APART = "postgres-apart"
# Writes that are acknowledged in each part of a drill.
SOME = 16
# How long the end of a service is waited for. By itself it ends in order or says that it did not.
ORDERLY = 60.0
CUT_SHORT = b"shutdown was not done in time"


def run(rest: "list[str]") -> None:
    parser = argparse.ArgumentParser(prog="./dev drill")
    parser.add_argument("drills", nargs="*", metavar="DRILL", help=f"{', '.join(DRILLS)}; all of them when none is named")
    names = parser.parse_args(rest).drills or list(DRILLS)
    wrong = [name for name in names if name not in DRILLS]
    if wrong:
        raise Stop(f"no such drill: {', '.join(wrong)}; there are {', '.join(DRILLS)}")
    provision.everything()
    suite.build()
    for name in names:
        with step(f"drill: {name}"):
            begun = time.monotonic()
            DRILLS[name]()
            line(f"    {time.monotonic() - begun:.0f} s")


def _begin(**state: Any) -> Loaded:
    old = Home(SUITE)
    # What a drill that was killed has left, beside the suite itself.
    for name in (LOAD, APART):
        processes.end(old, name)
    replicas.end_second(old)
    home = check.fresh_home(SUITE)
    home.state.update(state)
    home.save()
    stage = Loaded(home)
    stage.recovery = PATIENT_RECOVERY
    return stage


def _judged(stage: Loaded, name: str) -> "dict[str, Any]":
    """The suite is at rest, and holds what the journals say, once."""
    problem = stage.quiet()
    told = stage.verify()
    if problem or told["lost"] or told["doubled"]:
        stage.keep(f"drill-{name}", {**told, "problem": problem})
        raise Stop(f"{name}: {told['lost']} lost, {told['doubled']} doubled; {problem or 'at rest'}: {told['what_was_lost'] + told['what_was_doubled']}")
    return told


def _more(stage: Loaded, what: str) -> None:
    """Some more writes are acknowledged, which they are only where events go round."""
    before = stage.acknowledged()

    def came() -> bool:
        if processes.running(stage.home, LOAD) is None:
            raise Stop(f"the load has ended:\n{processes.tail(stage.home, LOAD)}")
        return stage.acknowledged() >= before + SOME
    await_that(f"writes {what}", came, 180.0)


# ---- restore

def restore() -> None:
    """Databases and bus are lost at once; the databases are restored to a point in time, the bus is filled from them."""
    stage = _begin(archive=True)
    home = stage.home
    try:
        suite.start(home, "system", roster=check.few_villages(home))
        admin = {"DAFEI_TEST_DATABASE_URL": servers.admin_url(home)}
        folder = home.postgres_dir()
        stage.begin_load()
        stage.tell("faults", "backup", f"--data={folder / 'data'}", f"--to={folder / 'base'}", **admin)
        _more(stage, "after the base backup")
        promised = stage.acknowledged()
        stage.tell("faults", "mark", "point", **admin)
        _more(stage, "after the point")
        # What tells the two points apart: dispatch has worked on a case that intake knows since the first one.
        await_that("a case that began after the point is worked on", lambda: _went_round(stage, promised), 180.0)
        stage.tell("faults", "mark", "later", **admin)
        _more(stage, "after the later point")
        stage.end_load()
        _cut(stage, promised)
        _lose_everything(home)
        servers.restore_postgres(home, _copy_of(folder, "data"), "point")
        _apart(stage, _copy_of(folder, "apart"))
        stage.tell("check-restore")
        servers.start_nats(home)
        stage.refilled = True
        # It may be called again: NATS may be ready and not yet able to make streams.
        await_that("the refill", lambda: stage.ask("refill").returncode == 0, 120.0)
        suite.start_services(home)
        restored = _judged(stage, "restore")
        # And the suite works on: the same post, the same village.
        stage.begin_load()
        stage.end_load()
        after = _judged(stage, "restore")
        line(f"    {promised} writes before the point, none lost or doubled; {after['acknowledged'] - restored['acknowledged']} more afterwards")
    finally:
        processes.end(home, APART, signal.SIGINT)
        stage.close()


def _went_round(stage: Loaded, since: int) -> bool:
    """Whether a case that the journal has from this line on has come to dispatch. The last line may be half written."""
    begun = set()
    for text in stage.journals[-1].read_bytes().splitlines(keepends=True)[since:]:
        if not text.endswith(b"\n"):
            return False
        told = json.loads(text)
        if told.get("what") == "recorded":
            begun.add(told["case_id"])
        elif told.get("what") in ("instructed", "escalated") and told["case_id"] in begun:
            return True
    return False


def _cut(stage: Loaded, promised: int) -> None:
    """What was acknowledged before the point is promised; of the rest a part may be there, what was committed and not yet written down."""
    (journal,) = stage.journals
    lines = journal.read_bytes().splitlines(keepends=True)
    later = journal.with_name("after-the-point.jsonl")
    later.write_bytes(b"".join(lines[promised:]))
    journal.write_bytes(b"".join(lines[:promised]))
    stage.perhaps = [later]


def _lose_everything(home: Home) -> None:
    for name in (*SERVICES, "postgres", *cluster.names(home)):
        processes.end(home, name, signal.SIGKILL)
    shutil.rmtree(home.postgres_dir() / "data")
    shutil.rmtree(home.path / "nats/store")


def _copy_of(folder: Path, name: str) -> Path:
    """The base backup stays as it is: it is what one has left."""
    provision.run(["cp", "-a", "--reflink=auto", str(folder / "base"), str(folder / name)], "the copy of the base backup")
    return folder / name


def _apart(stage: Loaded, base: Path) -> None:
    """As if each service had a cluster of its own, and intake's had been restored to an earlier point than the others': that must be noticed."""
    home = stage.home
    servers.restore_postgres(home, base, "later", APART)
    ports = {"postgres": home.state["ports"][APART]}
    others = {f"DAFEI_{suite.key(name)}_DATABASE_URL": servers.database_url(home, name, ports) for name in SERVICES if name != "intake"}
    done = stage.ask("check-restore", **others)
    if done.returncode == 0 or "dispatch" not in done.stdout:
        raise Stop(f"check-restore did not see that dispatch is ahead of intake: {done.stdout}{done.stderr}")
    processes.end(home, APART, signal.SIGINT)


# ---- rolling upgrade

def upgrade() -> None:
    """Two replicas of each service; the tables of the next version come first, then each replica is replaced while the load goes on."""
    stage = _begin()
    home = stage.home
    doors = replicas.doors(home)
    proxy = Proxy(doors)
    try:
        suite.start(home, "system", roster=check.few_villages(home))
        replicas.start_second(home)
        replicas.aim(home, doors)
        stage.begin_load()
        line("    " + "; ".join(stage.tell("faults", "next-schema").splitlines()))
        _more(stage, "on the next version's tables")
        for name in replicas.ALL:
            _replace(stage, name)
        stage.end_load()
        told = _judged(stage, "upgrade")
        line(f"    {told['acknowledged']} writes, none lost or doubled, {told['repeated']} of them sent more than once; eight replicas replaced")
    finally:
        replicas.end_second(home)
        stage.close()
        proxy.close()


def _replace(stage: Loaded, name: str) -> None:
    """The one that is left does all the work until the new one is ready."""
    log = processes.log_path(stage.home, name)
    before, begun = log.stat().st_size, time.monotonic()
    processes.end(stage.home, name, patience=ORDERLY)
    if time.monotonic() - begun >= ORDERLY or CUT_SHORT in log.read_bytes()[before:]:
        raise Stop(f"{name} did not end by itself in order")
    _more(stage, f"without {name}")
    replicas.start(stage.home, name)


DRILLS: "dict[str, Callable[[], None]]" = {"restore": restore, "upgrade": upgrade}
