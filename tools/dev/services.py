"""The four services as processes: their settings, their start in order, their end."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Dict, List, Mapping

from . import cargo, envfile, process
from .home import Home
from .names import SERVICES, key
from .process import Part
from .tool import Tool
from .ui import Failure, tail

#: In run.env for clients and tools; the services refuse what they do not know.
TOOLS_ONLY = (
    "DAFEI_HOME",
    "DAFEI_KEYS_DIR",
    "DAFEI_CITY",
    "DAFEI_NATS_DIR",
    "DAFEI_NATS_MONITOR_URL",
    "DAFEI_ADMIN_DATABASE_URL",
    "DAFEI_PYTHON",
)
READY_SECONDS = 90
#: Longer than the services' own deadline for an orderly end (DAFEI_SHUTDOWN_SECONDS, 20).
STOP_SECONDS = 30


def own_settings(service: str, run_env: Mapping[str, str]) -> Dict[str, str]:
    """Of all settings of the suite those that this service reads."""
    foreign = tuple(key(other, "") for other in SERVICES if other != service)
    return {
        name: value for name, value in run_env.items() if name not in TOOLS_ONLY and not name.startswith(foreign)
    }


def start_all(home: Home, profile: str, run_env: Mapping[str, str]) -> None:
    """Starts those that do not run, or run with another build or other settings, and waits until all four serve."""
    for service in SERVICES:
        part = prepared(home, profile, service, run_env)
        before = process.load(home, service)
        if process.runs(before) and before is not None and before.build == part.build:
            continue
        process.stop(home, service, STOP_SECONDS)
        process.spawn(home, part)
    wait_serving(home, Tool(home, profile), list(SERVICES))


def prepared(home: Home, profile: str, service: str, run_env: Mapping[str, str]) -> Part:
    """The part of a service, its environment file written."""
    settings = own_settings(service, run_env)
    env_file = home.run / f"{service}.env"
    envfile.write(env_file, settings)
    binary = cargo.binary(f"dafei-{service}", profile)
    build = f"{cargo.identity(binary)} {sorted(settings.items())!r}"
    return Part(service, [str(binary)], str(home.logs / f"{service}.log"), env_file=str(env_file), build=fingerprint(build))


def fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def wait_serving(home: Home, tool: Tool, wanted: List[str]) -> None:
    """Waits until these services serve; one that ends meanwhile is a failure that shows its log."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        serving = tool.serving()
        waiting = [service for service in wanted if service not in serving]
        if not waiting:
            return
        for service in waiting:
            part = process.load(home, service)
            if part is not None and not process.runs(part):
                raise Failure(f"{service} ended at its start; its log {part.log} says:\n{tail(Path(part.log))}")
        if time.monotonic() > deadline:
            logs = "\n".join(f"{service}:\n{tail(home.logs / f'{service}.log', 8)}" for service in waiting)
            raise Failure(f"not serving after {READY_SECONDS} s: {', '.join(waiting)}\n{logs}")
        time.sleep(0.2)


def stop_all(home: Home) -> bool:
    """Ends the services; says whether any ran."""
    stopped = [process.stop(home, service, STOP_SECONDS) for service in reversed(SERVICES)]
    return any(stopped)
