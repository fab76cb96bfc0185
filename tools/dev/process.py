"""Parts: the processes of a suite. Each has a record from which it can be started again and by which it is recognised.

A record holds the process number and its start time, so that a number that was given to another process meanwhile is never signalled.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

from . import envfile
from .home import Home, write_private
from .ui import Failure, tail

POLL = 0.1


@dataclass
class Part:
    """How one process is started."""

    name: str
    argv: List[str]
    log: str
    #: Environment file read at the start, beside the bare environment.
    env_file: Optional[str] = None
    #: System user to run as; None is the caller.
    user: Optional[str] = None
    #: How it is asked to stop.
    stop_signal: int = signal.SIGTERM
    #: Identity of what runs: a change means that it must be restarted.
    build: str = ""
    pid: int = 0
    started: str = ""
    extra_env: Dict[str, str] = field(default_factory=dict)

    def save(self, home: Home) -> None:
        write_private(record_path(home, self.name), json.dumps(asdict(self), indent=2) + "\n")


def record_path(home: Home, name: str) -> Path:
    return home.run / f"{name}.json"


def load(home: Home, name: str) -> Optional[Part]:
    """The record of a part, when it was ever started."""
    try:
        record: Dict[str, Any] = json.loads(record_path(home, name).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return Part(**record)


def start_time(pid: int) -> Optional[str]:
    """When the process with this number was started, in the system's own count; None when there is none or it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else fields[19]


def runs(part: Optional[Part]) -> bool:
    """Whether the process of this record is alive."""
    return part is not None and part.pid > 0 and start_time(part.pid) == part.started


def is_running(home: Home, name: str) -> bool:
    return runs(load(home, name))


def spawn(home: Home, part: Part) -> None:
    """Starts the process in a session of its own and writes its record."""
    environment = envfile.bare()
    if part.env_file:
        environment.update(envfile.read(Path(part.env_file)))
    environment.update(part.extra_env)
    as_user: Dict[str, Any] = {}
    if part.user:
        as_user = {"user": part.user, "group": group_of(part.user), "extra_groups": []}
    with open(part.log, "ab") as log:
        try:
            process = subprocess.Popen(
                part.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                env=environment,
                **as_user,
            )
        except OSError as error:
            raise Failure(f"{part.name} cannot be started: {error}") from error
    part.pid = process.pid
    part.started = start_time(process.pid) or ""
    part.save(home)


def group_of(user: str) -> int:
    """The main group of a system user."""
    import pwd

    return pwd.getpwnam(user).pw_gid


def wait_ready(part: Part, ready: Callable[[], bool], seconds: float) -> None:
    """Waits until the part is ready; a part that ends meanwhile, or takes too long, is a failure that shows its log."""
    deadline = time.monotonic() + seconds
    while not ready():
        if not runs(part):
            raise Failure(f"{part.name} ended at its start; its log {part.log} says:\n{tail(Path(part.log))}")
        if time.monotonic() > deadline:
            raise Failure(f"{part.name} is not ready after {seconds:.0f} s; its log {part.log} says:\n{tail(Path(part.log))}")
        time.sleep(POLL)


def wait_gone(part: Part, seconds: float) -> bool:
    """Whether the process has ended within this time."""
    deadline = time.monotonic() + seconds
    while runs(part):
        reap(part.pid)
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    reap(part.pid)
    return True


def reap(pid: int) -> None:
    """Takes the exit status of a child of ours; another's is not ours to take."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass


def send(part: Part, number: int) -> None:
    """Signals the process, if it is still the one of the record."""
    if runs(part):
        try:
            os.kill(part.pid, number)
        except ProcessLookupError:
            pass


def stop(home: Home, name: str, seconds: float = 30) -> bool:
    """Asks the part to end, and ends it when it does not. Says whether it was running."""
    part = load(home, name)
    if part is None or not runs(part):
        return False
    send(part, signal.SIGCONT)
    send(part, part.stop_signal)
    if not wait_gone(part, seconds):
        send(part, signal.SIGKILL)
        wait_gone(part, 10)
    return True


def kill(home: Home, name: str) -> None:
    """Ends the part at once, as a power failure would."""
    part = load(home, name)
    if part is None or not runs(part):
        raise Failure(f"{name} is not running")
    send(part, signal.SIGKILL)
    if not wait_gone(part, 10):
        raise Failure(f"{name} (process {part.pid}) does not end")
