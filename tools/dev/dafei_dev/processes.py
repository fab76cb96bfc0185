"""Processes that ./dev starts: each has a file run/<name>.json with its pid, and is ended by that pid alone."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Optional

from . import signals
from .home import Home
from .say import Stop


def _file(home: Home, name: str) -> Path:
    return home.dir("run") / f"{name}.json"


def _started_at(pid: int) -> Optional[str]:
    """The kernel's start time of a process: a pid that was given to another process since is not ours. One that was killed keeps its ports
    until its last thread has ended, and the kernel shows it as a zombie as soon as the first has."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rsplit(")", 1)[1].split()
    state, threads, started_at = fields[0], int(fields[17]), fields[19]
    return None if state == "Z" and threads <= 1 else started_at


def read(home: Home, name: str) -> Optional["dict[str, Any]"]:
    file = _file(home, name)
    return json.loads(file.read_text()) if file.exists() else None


def running(home: Home, name: str) -> Optional[int]:
    """The pid, if the process that ./dev started still runs."""
    known = read(home, name)
    if known is None or _started_at(known["pid"]) != known["started_at"]:
        return None
    return int(known["pid"])


def log_path(home: Home, name: str) -> Path:
    return home.dir("logs") / f"{name}.log"


def start(home: Home, name: str, argv: "list[str]", env: "dict[str, str]", user: Optional[str] = None) -> int:
    """Starts a process in a session of its own, its output to logs/<name>.log. What runs already is left alone."""
    pid = running(home, name)
    if pid is not None:
        return pid
    with signals.held(), log_path(home, name).open("ab") as log:
        build = _build(argv)
        process = subprocess.Popen(
            argv, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            cwd="/" if user else None, user=user, group=user, extra_groups=[] if user else None,
        )
        # A child that nobody waits for stays as a zombie, and PostgreSQL takes the pid of a zombie for a server that runs.
        threading.Thread(target=process.wait, daemon=True).start()
        _file(home, name).write_text(json.dumps({
            "pid": process.pid, "started_at": _started_at(process.pid), "build": build, "argv": argv, "env": env, "user": user,
        }, indent=1))
        _file(home, name).chmod(0o600)
    return process.pid


def _build(argv: "list[str]") -> str:
    """Changes when the binary is built anew."""
    try:
        found = os.stat(argv[0])
    except OSError:
        return "missing"
    return f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"


def changed(home: Home, name: str, argv: "list[str]", env: "dict[str, str]") -> Optional[str]:
    """What of a running process differs from what would be started now; None when nothing does. The caller's PATH does not count."""
    known = read(home, name)
    if known is None or running(home, name) is None:
        return None
    if known["argv"] != argv or known.get("build") != _build(argv):
        return "its binary was built anew"
    keys = sorted(key for key in {*known["env"], *env} if key != "PATH" and known["env"].get(key) != env.get(key))
    return f"changed: {', '.join(keys)}" if keys else None


def start_again(home: Home, name: str) -> int:
    """Starts a part with the same command and environment as the last time."""
    known = read(home, name)
    if known is None:
        raise Stop(f"{name} has never been started here")
    return start(home, name, known["argv"], known["env"], known["user"])


def _tell(pid: int, how: signal.Signals) -> None:
    # It may have ended by itself just now.
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, how)


def end(home: Home, name: str, how: signal.Signals = signal.SIGTERM, patience: float = 20.0) -> bool:
    """Ends a process by its pid; kills it when it does not end in time. False when it does not run."""
    pid = running(home, name)
    if pid is None:
        return False
    _tell(pid, how)
    deadline = time.monotonic() + patience
    while running(home, name) is not None:
        if time.monotonic() > deadline:
            _tell(pid, signal.SIGKILL)
            deadline = float("inf")
        time.sleep(0.02)
    return True


def tail(home: Home, name: str, lines: int = 15) -> str:
    path = log_path(home, name)
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""
