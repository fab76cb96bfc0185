"""Where things are: the checkout, what is installed once for it, and the state of one running suite (a "home").

A home is a directory (`.dev` itself for `up`, others for tests and benches):

    state.json      ports, passwords, mode, place of the PostgreSQL data; kept until `down --wipe`
    run.env         addresses and secrets for clients and tools (shell syntax)
    run/NAME.json   one running part: pid, arguments, environment file, log
    run/NAME.env    the environment of one service
    logs/NAME.log   its output
    nats/ keys/     configuration and store of NATS; the key that signs tokens
    pg/             PostgreSQL's data (elsewhere when its user cannot reach it: `postgres.dir` in state.json)
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator

from .ui import Failure, say

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT / ".dev"
VENV = SHARED / "venv"
BIN = SHARED / "bin"

State = Dict[str, Any]


@dataclass(frozen=True)
class Home:
    """The state directory of one suite."""

    dir: Path

    @property
    def run(self) -> Path:
        return self.dir / "run"

    @property
    def logs(self) -> Path:
        return self.dir / "logs"

    @property
    def nats(self) -> Path:
        return self.dir / "nats"

    @property
    def keys(self) -> Path:
        return self.dir / "keys"

    @property
    def env_file(self) -> Path:
        return self.dir / "run.env"

    @property
    def state_file(self) -> Path:
        return self.dir / "state.json"

    def make(self) -> None:
        """Makes the directories; others may pass through (PostgreSQL's user must), not list."""
        for path in (SHARED, self.dir):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o711)
        for path in (self.run, self.logs, self.nats, self.keys):
            path.mkdir(exist_ok=True)
            path.chmod(0o700)

    def state(self) -> State:
        try:
            state: State = json.loads(self.state_file.read_text())
        except FileNotFoundError:
            state = {}
        except ValueError as error:
            raise Failure(f"{self.state_file} is broken ({error}); remove it") from error
        return {"ports": {}, "passwords": {}, **state}

    def save(self, state: State) -> None:
        write_private(self.state_file, json.dumps(state, indent=2, ensure_ascii=False) + "\n")

    def password(self, name: str) -> str:
        """The password of this name, made at first use."""
        state = self.state()
        if name not in state["passwords"]:
            state["passwords"][name] = secrets.token_hex(16)
            self.save(state)
        password: str = state["passwords"][name]
        return password

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One `./dev` at a time changes a home."""
        self.make()
        with locked(self.dir / "lock", f"another ./dev is at work on {self.dir}; waiting for it"):
            yield

    def forget(self) -> None:
        """Removes everything of this home but what is installed for the checkout."""
        for path in (self.run, self.logs, self.nats, self.keys, self.dir / "pg"):
            shutil.rmtree(path, ignore_errors=True)
        for path in (self.env_file, self.state_file):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path, waiting: str) -> Iterator[None]:
    """Holds an advisory lock on a file; says so when it has to wait."""
    with open(path, "a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(waiting)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_private(path: Path, text: str) -> None:
    """Writes a file only its owner may read, whole or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(fresh, path)
