"""A PostgreSQL of a home: its own data, its own port on loopback, passwords for everyone, no socket in the file system."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional

from . import postgres_install as install
from . import ports, process
from .home import Home
from .names import SERVICES
from .process import Part
from .ui import Failure, step

PART = "postgres"
ADMIN = "dafei_admin"
#: Stands beside the data when initdb has come to its end.
MADE = "made"
#: Every commit is on disk before it is acknowledged.
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
#: For throwaway data: survives the death of any process, not that of the machine.
THROWAWAY = {"fsync": "off", "synchronous_commit": "on", "full_page_writes": "off"}
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "400",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
}


@dataclass(frozen=True)
class Cluster:
    """The PostgreSQL of one home."""

    home: Home
    durable: bool = True

    @property
    def port(self) -> int:
        return int(self.home.state()["ports"][PART])

    @property
    def admin_url(self) -> str:
        return self.url(ADMIN, "postgres", self.home.password(ADMIN))

    def url(self, user: str, database: str, password: str) -> str:
        return f"postgres://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def service_url(self, service: str) -> str:
        name = database_name(service)
        return self.url(name, name, self.home.password(name))

    def start(self) -> None:
        """Starts it unless it runs; makes its data at first."""
        if process.is_running(self.home, PART):
            return
        user = install.system_user()
        bin_dir = self.choose_bin(user)
        place = self.place(user)
        data = place / "data"
        if not (place / MADE).exists():
            with step("PostgreSQL's data"):
                self.initialise(bin_dir, data, user)
                (place / MADE).touch()
        argv = [str(bin_dir / "postgres"), "-D", str(data), "-p", str(self.port)]
        for name, value in {**SETTINGS, **(DURABLE if self.durable else THROWAWAY)}.items():
            argv += ["-c", f"{name}={value}"]
        log = str(self.home.logs / f"{PART}.log")
        part = Part(PART, argv, log, user=user, stop_signal=signal.SIGINT)
        start_part(self.home, part)

    def choose_bin(self, user: Optional[str]) -> Path:
        """The programs that made the data go on with it: another version could not read it."""
        state = self.home.state()
        recorded = state.get("postgres", {}).get("bin")
        if recorded and install.version(Path(recorded), user) >= install.OLDEST:
            return Path(recorded)
        found = install.ensure(user)
        state = self.home.state()
        state["postgres"] = {**state.get("postgres", {}), "bin": str(found), "user": user}
        self.home.save(state)
        return found

    def place(self, user: Optional[str]) -> Path:
        """The directory that holds the data, where the server's user reaches it."""
        state = self.home.state()
        settings = state.setdefault("postgres", {})
        if "dir" not in settings:
            settings["dir"] = str(install.reachable(self.home.dir, user) / "pg")
            self.home.save(state)
        place = Path(settings["dir"])
        place.mkdir(parents=True, exist_ok=True)
        if user:
            shutil.chown(place, user, process.group_of(user))
        place.chmod(0o700)
        return place

    def initialise(self, bin_dir: Path, data: Path, user: Optional[str]) -> None:
        """Makes the data directory; a half-made one of an earlier try goes first."""
        shutil.rmtree(data, ignore_errors=True)
        secret = data.parent / "first-password"
        secret.write_text(self.home.password(ADMIN))
        try:
            if user:
                shutil.chown(secret, user)
            secret.chmod(0o600)
            argv = [str(bin_dir / "initdb"), "-D", str(data), "-U", ADMIN, f"--pwfile={secret}", "--auth=scram-sha-256"]
            argv += ["--encoding=UTF8", "--locale=C", "--data-checksums"] + ([] if self.durable else ["--no-sync"])
            env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C"}
            done = subprocess.run(argv, check=False, capture_output=True, text=True, cwd="/", env=env, **install.run_as(user))
        finally:
            secret.unlink(missing_ok=True)
        if done.returncode != 0:
            shutil.rmtree(data, ignore_errors=True)
            raise Failure(f"initdb failed:\n{done.stderr or done.stdout}")

    def psql(self, url: Optional[str] = None) -> List[str]:
        """The client, at the administrator's connection unless told otherwise."""
        bin_dir = Path(self.home.state()["postgres"]["bin"])
        return [str(bin_dir / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", url or self.admin_url]

    def sql(self, text: str, url: Optional[str] = None) -> str:
        """Runs statements; a failure shows PostgreSQL's words."""
        done = subprocess.run(
            [*self.psql(url), "-At", "-f", "-"], input=text, check=False, capture_output=True, text=True, cwd="/"
        )
        if done.returncode != 0:
            raise Failure(f"PostgreSQL refused a statement: {done.stderr.strip()}")
        return done.stdout

    def ensure_databases(self) -> None:
        """A database and a login role that owns it for each service; no service may enter another's."""
        for service in SERVICES:
            name = database_name(service)
            self.sql(
                f"SELECT 'CREATE ROLE {name} LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}')\\gexec\n"
                f"ALTER ROLE {name} PASSWORD '{self.home.password(name)}';\n"
                f"SELECT 'CREATE DATABASE {name} OWNER {name}'"
                f" WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{name}')\\gexec\n"
                f"REVOKE ALL ON DATABASE {name} FROM PUBLIC;\n"
            )

    def stop(self) -> bool:
        return process.stop(self.home, PART, 60)

    def wipe(self) -> None:
        """Removes the data, wherever it is."""
        directory = self.home.state().get("postgres", {}).get("dir")
        if directory:
            shutil.rmtree(directory, ignore_errors=True)
            place = Path(directory).parent
            if place != self.home.dir and place.exists() and not any(place.iterdir()):
                place.rmdir()


def database_name(service: str) -> str:
    return f"dafei_{service.replace('-', '_')}"


def is_ready(home: Home) -> bool:
    """Whether it takes statements (after a crash it first recovers)."""
    cluster = Cluster(home)
    if not ports.answers(cluster.port):
        return False
    try:
        return cluster.sql("SELECT 1").strip() == "1"
    except Failure:
        return False


def start_part(home: Home, part: Part) -> None:
    """Starts the server; after a kill -9 its children need a moment to notice, until then it refuses."""
    last: Optional[Failure] = None
    for _ in range(20):
        process.spawn(home, part)
        try:
            process.wait_ready(part, lambda: is_ready(home), 60)
            return
        except Failure as failure:
            if process.runs(part):
                raise
            last = failure
            process.reap(part.pid)
    raise last or Failure("PostgreSQL does not start")
