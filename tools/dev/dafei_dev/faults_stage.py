"""A suite under load: the load has a journal, by which the suite is judged afterwards. And the suite of the fault tests: two replicas of each service, three
NATS servers, and a proxy before every server."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Callable

from . import check, cluster, faults_disk, processes, replicas, servers, suite
from .faults_proxy import Link, Proxy
from .home import TOOLS, Home
from .say import Stop, line

SUITE = TOOLS / "suite-faults"
KEPT = TOOLS / "faults"
LOAD = "load"
# Lines of the load's journal before a fault begins: writes that were acknowledged, and instructions that came off the queue.
WARM = 30
# How long the suite may take to be quiet after a fault.
RECOVERY = 30.0
# How long in what is a part of the tests: builds that are not optimised, on machines that do other things, too.
PATIENT_RECOVERY = 150.0
# How long the load itself may take before it is given up: what does not come back is told by its journal.
PATIENCE = 150.0
# How long a fault lasts at the most in the runs that are a part of the tests.
SHORT = 5.0


def await_that(what: str, holds: "Callable[[], bool]", patience: float) -> None:
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            raise Stop(f"{what}: not within {patience:.0f} s")
        time.sleep(0.02)


class NoSmallDisks(Exception):
    """This machine does not let us mount a small file system."""


class Loaded:
    """A running suite with a load on it, and what is asked of it afterwards."""

    def __init__(self, home: Home) -> None:
        self.home = home
        shutil.rmtree(home.path / "journals", ignore_errors=True)
        self.journals: "list[Path]" = []
        # What was acknowledged after the point to which the databases were restored.
        self.perhaps: "list[Path]" = []
        self.refilled = False
        # Cases that the load has under way at the same time.
        self.lanes = 8
        self.recovery = RECOVERY

    def close(self) -> None:
        processes.end(self.home, LOAD)
        suite.stop(self.home)

    def ask(self, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
        """The tool, whatever becomes of it."""
        full = {**os.environ, **suite.run_env(self.home), **env}
        return subprocess.run([suite.binary("dafei"), *arguments], env=full, capture_output=True, text=True)

    def tell(self, *arguments: str, **env: str) -> str:
        """The tool, which has to succeed."""
        done = self.ask(*arguments, **env)
        if done.returncode != 0:
            raise Stop(f"dafei {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def begin_load(self) -> None:
        folder = self.home.dir("journals")
        journal = folder / f"{len(self.journals) + 1}.jsonl"
        journal.touch()
        self.journals.append(journal)
        argv = [suite.binary("dafei"), "faults", "load", "--journal", str(journal), "--patience", f"{PATIENCE:.0f}s", "--lanes", str(self.lanes)]
        # The department's system comes to the bus by the way of the services: what they do not hear, it does not hear.
        bus = {"DAFEI_NATS_URL": servers.nats_url(self.home, self.home.state.get("through"))}
        processes.start(self.home, LOAD, argv, {**os.environ, **suite.run_env(self.home), **bus})
        await_that("the load's first writes", self._warm, 180.0)

    def _warm(self) -> bool:
        if processes.running(self.home, LOAD) is None:
            raise Stop(f"the load has ended:\n{processes.tail(self.home, LOAD)}")
        return self.acknowledged() >= WARM

    def acknowledged(self) -> int:
        return len(self.journals[-1].read_bytes().splitlines())

    def end_load(self) -> None:
        """The cases that are under way come to their end first."""
        processes.end(self.home, LOAD, patience=PATIENCE + 30)

    def quiet(self) -> "str | None":
        """None when the suite is at rest, else what it is still about."""
        done = self.ask("faults", "quiet", "--within", f"{self.recovery:.0f}s")
        return None if done.returncode == 0 else done.stderr.strip()

    def noticed(self) -> int:
        """How often a relay has given a stream back what it lost."""
        return self._logged("NATS lost the end of the stream")

    def _logged(self, words: str) -> int:
        return sum(log.read_text(errors="replace").count(words) for log in (self.home.path / "logs").glob("*.log"))

    def verify(self) -> "dict[str, Any]":
        bus = ["--refilled"] if self.refilled else []
        if self._logged("the stream is filled up before anything is published to it") > 0:
            bus.append(f"--again={self.home.dir('journals') / 'again.json'}")
        perhaps = [f"--perhaps={journal}" for journal in self.perhaps]
        done = self.ask("faults", "verify", *bus, *perhaps, *map(str, self.journals))
        try:
            return dict(json.loads(done.stdout))
        except json.JSONDecodeError:
            raise Stop(f"the comparison failed: {done.stderr.strip()}") from None

    def keep(self, name: str, told: "dict[str, Any]") -> Path:
        """Journals and logs of a failing run, with what was found."""
        place = KEPT / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        shutil.copytree(self.home.path / "logs", place / "logs")
        shutil.copytree(self.home.path / "journals", place / "journals")
        (place / "found.json").write_text(json.dumps(told, indent=1, ensure_ascii=False))
        line(f"    kept: {place}")
        return place


class Stage(Loaded):
    """One running suite. After a failing run it is made anew: what was lost once would be found missing by every later run."""

    def __init__(self, small_disks: bool = False, short: bool = False, lane: int = 1) -> None:
        """`lane`: which of the suites that run side by side; `short`: no fault lasts more than five seconds."""
        place = SUITE if lane == 1 else SUITE.with_name(f"{SUITE.name}-{lane}")
        old = Home(place)
        replicas.end_second(old)
        suite.stop(old)
        faults_disk.unmount(old)
        super().__init__(check.fresh_home(place))
        self.short = short
        if short:
            self.lanes = 4
            self.recovery = PATIENT_RECOVERY
        self.small_disks = small_disks
        self.home.state["nodes"] = cluster.NODES
        self.doors = replicas.doors(self.home)
        servers = ("postgres", *cluster.names(self.home))
        through = {name: self.home.port(f"{name}-proxy") for name in servers}
        links = [Link(name, through[name], self.home.port(name)) for name in servers]
        self.home.state["through"] = through
        self.home.save()
        if small_disks and not faults_disk.mount(self.home):
            raise NoSmallDisks
        self.links = links
        self.proxy = Proxy([*links, *self.doors])
        try:
            suite.start(self.home, "system", roster=check.few_villages(self.home))
            self._aimed()
            replicas.start_second(self.home)
            self._aimed()
            suite.tool(self.home, "faults", "quiet", "--within", "300s", quiet=True)
        except BaseException:
            self.close()
            raise

    def _aimed(self) -> None:
        """A port that was taken meanwhile was chosen anew."""
        for link in self.links:
            link.target = self.home.state["ports"][link.name]
        replicas.aim(self.home, self.doors)

    def close(self) -> None:
        processes.end(self.home, LOAD)
        for name in replicas.ALL:
            self.let_go(name)
        replicas.end_second(self.home)
        suite.stop(self.home)
        faults_disk.unmount(self.home)
        self.proxy.close()

    def let_go(self, name: str) -> None:
        """A stopped process does not hear that it is to end."""
        pid = processes.running(self.home, name)
        if pid is not None:
            os.kill(pid, signal.SIGCONT)

    def lasts(self, seconds: float) -> None:
        """What is done to the suite goes on for so long."""
        time.sleep(min(seconds, SHORT) if self.short else seconds)
