"""A whole suite in a home: PostgreSQL, NATS and the four services, started in order and stopped in the reverse one."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import Dict

from . import envfile, nats, ports, postgres, process, services
from .home import Home
from .names import SERVICES, key
from .postgres import PART as POSTGRES, Cluster
from .provision import PYTHON
from .tool import ROSTER, Tool
from .ui import Failure, step

EXERCISE, SYSTEM = "exercise", "system"
#: Where the exercise clock stands at first: a Monday morning in Linyi, so that a run depends on no date.
EXERCISE_START = "2026-03-02T01:00:00Z"
CITY = "371300"
PARTS = (POSTGRES, nats.PART, *SERVICES)
PORTS = (POSTGRES, nats.PART, nats.MONITOR, *SERVICES)


@dataclass(frozen=True)
class Suite:
    """A suite and how it shall run."""

    home: Home
    mode: str = EXERCISE
    profile: str = "dev"
    #: Whether PostgreSQL survives the death of the machine; throwaway suites need not.
    durable: bool = True
    environment: str = "development"

    @property
    def cluster(self) -> Cluster:
        return Cluster(self.home, self.durable)

    @property
    def tool(self) -> Tool:
        return Tool(self.home, self.profile)

    def start(self) -> None:
        """Starts what does not run yet and loads the roster once. The binaries must be built."""
        self.settle_mode()
        self.start_servers()
        with step("keys and services"):
            jwks = self.tool.init_keys()
            run_env = self.run_env(str(jwks))
            envfile.write(self.home.env_file, run_env)
            services.start_all(self.home, self.profile, run_env)
        self.load_roster()

    def settle_mode(self) -> None:
        """A suite keeps its clock for life: what was recorded under one clock makes no sense under the other."""
        state = self.home.state()
        before = state.setdefault("mode", self.mode)
        if before != self.mode:
            raise Failure(f"{self.home.dir} holds a suite with the {before} clock; ./dev down --wipe first to change to {self.mode}")
        self.home.save(state)

    def start_servers(self) -> None:
        """PostgreSQL with the databases, and NATS."""
        ports.ensure(self.home, list(PORTS), self.holds_port)
        with step("PostgreSQL and NATS"):
            self.cluster.start()
            self.cluster.ensure_databases()
            nats.start(self.home)

    def holds_port(self, name: str) -> bool:
        """Whether the part that this port belongs to is ours and alive."""
        return process.is_running(self.home, nats.PART if name == nats.MONITOR else name)

    def run_env(self, jwks: str) -> Dict[str, str]:
        """Every address and secret of the suite."""
        home, numbers = self.home, self.home.state()["ports"]
        settings = {
            "DAFEI_ENVIRONMENT": self.environment,
            "DAFEI_MODE": self.mode,
            "DAFEI_LOG_FORMAT": "human",
            "DAFEI_NATS_URL": nats.url(home),
            "DAFEI_NATS_USER": nats.SUITE_USER,
            "DAFEI_NATS_PASSWORD": home.password("nats_suite"),
            "DAFEI_JWKS": jwks,
            "DAFEI_JWT_ISSUER": "https://dafei.invalid/dev",
            "DAFEI_JWT_AUDIENCE": "dafei",
            "DAFEI_HOME": str(home.dir),
            "DAFEI_KEYS_DIR": str(home.keys),
            "DAFEI_CITY": CITY,
            "DAFEI_NATS_DIR": str(home.nats),
            "DAFEI_NATS_MONITOR_URL": nats.monitor_url(home),
            "DAFEI_ADMIN_DATABASE_URL": self.cluster.admin_url,
            "DAFEI_PYTHON": str(PYTHON),
        }
        if self.mode == EXERCISE:
            settings["DAFEI_EXERCISE_START"] = EXERCISE_START
        for service in SERVICES:
            address = f"127.0.0.1:{numbers[service]}"
            settings[key(service, "LISTEN")] = address
            settings[key(service, "ADDR")] = f"http://{address}"
            settings[key(service, "DATABASE_URL")] = self.cluster.service_url(service)
        settings.update(passed_on())
        return settings

    def load_roster(self) -> None:
        """The regions of Linyi, once per data."""
        digest = hashlib.sha256(ROSTER.read_bytes()).hexdigest()
        if self.home.state().get("roster") == digest:
            return
        with step("roster of Linyi"):
            self.tool.load_roster()
        state = self.home.state()
        state["roster"] = digest
        self.home.save(state)

    def is_up(self) -> bool:
        return all(process.is_running(self.home, part) for part in PARTS)

    def stop(self) -> bool:
        """Stops everything of this home, whoever started it. Says whether anything ran."""
        stopped = [services.stop_all(self.home), nats.stop(self.home), self.cluster.stop()]
        return any(stopped)

    def wipe(self) -> None:
        """Stops it and removes all its data."""
        self.stop()
        self.cluster.wipe()
        self.home.forget()


def passed_on() -> Dict[str, str]:
    """Settings that a caller may give to the services."""
    return {name: os.environ[name] for name in envfile.PASSED_ON if os.environ.get(name)}


def start_part(home: Home, name: str, profile: str, wait: bool = True) -> None:
    """Starts one part again from its record, as a supervisor would; waits until it serves unless told not to."""
    part = process.load(home, name)
    if part is None:
        raise Failure(f"{name} was never started in {home.dir}")
    if process.runs(part):
        raise Failure(f"{name} is running")
    if name == POSTGRES:
        postgres.start_part(home, part)
    elif name == nats.PART:
        nats.start_part(home, part)
    else:
        process.spawn(home, part)
        if not wait:
            return
        services.wait_serving(home, Tool(home, profile), [name])
