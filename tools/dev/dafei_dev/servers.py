"""A private PostgreSQL and NATS of a home, on free loopback ports; never a server that happens to run."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from . import cluster, processes, provision
from .home import SERVICES, Home
from .say import Stop, step

SUITE_USER = "suite"
# What of PostgreSQL belongs to one suite: its data, and what the drills put beside it.
POSTGRES_FOLDERS = ("data", "archive", "base", "apart")
INTAKE_ROLES = ("dafei_intake_officer", "dafei_intake_bank", "dafei_intake_public", "dafei_intake_auditor")


def listens(port: int) -> bool:
    """Whether something takes connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _takes_logins(port: int) -> bool:
    """PostgreSQL listens before it has recovered from a crash, and refuses until then: an `R` asks for the password, an `E` refuses."""
    body = (3 << 16).to_bytes(4, "big") + b"user\0postgres\0database\0postgres\0\0"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as probe:
            probe.sendall((len(body) + 4).to_bytes(4, "big") + body)
            return probe.recv(1) == b"R"
    except OSError:
        return False


def wait_until_ready(home: Home, name: str, port: int, patience: float = 60.0) -> None:
    """Until a part takes connections; PostgreSQL also logins."""
    ready = _takes_logins if name.startswith("postgres") else listens
    deadline = time.monotonic() + patience
    while True:
        if ready(port):
            return
        if processes.running(home, name) is None:
            raise Stop(f"{name} did not start:\n{processes.tail(home, name)}")
        if time.monotonic() > deadline:
            raise Stop(f"{name} is not ready after {patience:.0f} s:\n{processes.tail(home, name)}")
        time.sleep(0.05)


def start_again(home: Home, name: str) -> None:
    """Starts a part that was killed, and waits until it is ready. PostgreSQL refuses while children of the killed one still end."""
    port = home.state["ports"][name]
    deadline = time.monotonic() + 60
    while True:
        processes.start_again(home, name)
        try:
            return wait_until_ready(home, name, port)
        except Stop:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


# ---- PostgreSQL

def database_name(service: str) -> str:
    return "dafei_" + service.replace("-", "_")


def database_url(home: Home, service: str, through: "dict[str, int] | None" = None) -> str:
    """`through`: ports of what stands between a client and the servers."""
    name = database_name(service)
    port = {**home.state["ports"], **(through or {})}["postgres"]
    return f"postgres://{name}:{home.secret(name)}@127.0.0.1:{port}/{name}"


def admin_url(home: Home) -> str:
    return f"postgres://postgres:{home.secret('postgres')}@127.0.0.1:{home.state['ports']['postgres']}/postgres"


def start_postgres(home: Home, durable: bool = True) -> None:
    pid = processes.running(home, "postgres")
    port = home.port("postgres", running=pid is not None)
    if pid is not None:
        return
    place = provision.postgres_bin()
    user = provision.postgres_user()
    data = home.postgres_dir() / "data"
    if "postgres" not in home.state.get("secrets", {}):
        _forget_cluster(data)
    if not (data / "PG_VERSION").exists():
        with step("PostgreSQL: a private cluster with a database and a role for each service"):
            _make_cluster(home, place, data, user)
    archived = {}
    if home.state.get("archive"):
        archive = _postgres_folder(home, "archive")
        archived = {"archive_mode": "on", "archive_command": f'test ! -f "{archive}/%f" && cp "%p" "{archive}/%f"'}
    processes.start(home, "postgres", _postgres_argv(place, data, port, durable, archived), plain_env(), user)
    try:
        wait_until_ready(home, "postgres", port)
    except Stop as stop:
        # The children of a server that was killed need a moment to notice.
        if "pre-existing shared memory" not in str(stop):
            raise
        start_again(home, "postgres")


def _postgres_argv(place: Path, data: Path, port: int, durable: bool, more: "dict[str, str]") -> "list[str]":
    options = {
        "port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": 300,
        "shared_buffers": "256MB", "max_wal_size": "4GB", "log_min_messages": "warning",
        "synchronous_commit": "on", "fsync": "on" if durable else "off", **more,
    }
    argv = [str(place / "postgres"), "-D", str(data)]
    for key, value in options.items():
        argv += ["-c", f"{key}={value}"]
    return argv


def _postgres_folder(home: Home, name: str) -> Path:
    """A folder of PostgreSQL's user beside its data."""
    folder = home.postgres_dir() / name
    folder.mkdir(parents=True, exist_ok=True)
    user = provision.postgres_user()
    if user:
        account = pwd.getpwnam(user)
        os.chown(folder, account.pw_uid, account.pw_gid)
    return folder


def restore_postgres(home: Home, base: Path, point: str, name: str = "postgres") -> None:
    """Starts a server on a base backup, which becomes its data: it reads the archived log up to the named point and goes on from there."""
    (base / "recovery.signal").touch()
    user = provision.postgres_user()
    if user:
        shutil.chown(base / "recovery.signal", user, user)
    port = home.port(name)
    archive = _postgres_folder(home, "archive")
    recovery = {
        "restore_command": f'cp "{archive}/%f" "%p"', "recovery_target_name": point, "recovery_target_action": "promote",
        # Nobody is let in before the point is reached.
        "hot_standby": "off",
    }
    processes.start(home, name, _postgres_argv(provision.postgres_bin(), base, port, True, recovery), plain_env(), user)
    wait_until_ready(home, name, port)
    if f'recovery stopping at restore point "{point}"' not in processes.log_path(home, name).read_text(errors="replace"):
        raise Stop(f"{name} was not restored to the point {point}:\n{processes.tail(home, name)}")


def _forget_cluster(data: Path) -> None:
    """A cluster whose password went with the state of its home is of no use to anybody: its server is ended, its files go."""
    if not data.exists():
        return
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        if str(data).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGQUIT)
            time.sleep(1)
    except (OSError, ValueError, IndexError):
        pass
    shutil.rmtree(data, ignore_errors=True)


def plain_env() -> dict[str, str]:
    """What a server of ./dev gets of the caller's environment."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "LANG": "C"}


def _make_cluster(home: Home, place: Path, data: Path, user: str | None) -> None:
    data.parent.mkdir(parents=True, exist_ok=True)
    if user:
        account = pwd.getpwnam(user)
        os.chown(data.parent, account.pw_uid, account.pw_gid)
        data.parent.chmod(0o700)
    as_user = {"user": user, "group": user, "extra_groups": [], "cwd": "/"} if user else {}
    with tempfile.NamedTemporaryFile("w", dir=data.parent) as secret:
        secret.write(home.secret("postgres"))
        secret.flush()
        if user:
            os.chown(secret.name, account.pw_uid, account.pw_gid)
        provision.run(
            [str(place / "initdb"), "-D", str(data), "-U", "postgres", "-E", "UTF8", "--locale=C",
             "--auth=scram-sha-256", f"--pwfile={secret.name}"],
            "initdb", env=plain_env(), **as_user,
        )
    # Single-user mode needs no client program, which a registry's package may lack.
    sql = "".join(
        f"CREATE ROLE {database_name(service)} LOGIN PASSWORD '{home.secret(database_name(service))}';\n"
        f"CREATE DATABASE {database_name(service)} OWNER {database_name(service)};\n"
        f"REVOKE CONNECT ON DATABASE {database_name(service)} FROM PUBLIC;\n"
        for service in SERVICES
    )
    # The roles that intake takes for what its posts may not see; the service itself may not make roles.
    sql += "".join(
        f"CREATE ROLE {role} NOLOGIN;\nGRANT {role} TO {database_name('intake')};\n" for role in INTAKE_ROLES
    )
    done = subprocess.run(
        [str(place / "postgres"), "--single", "-D", str(data), "postgres"], input=sql, text=True,
        capture_output=True, env=plain_env(), **as_user,  # type: ignore[call-overload]
    )
    if done.returncode != 0 or "ERROR" in done.stderr:
        raise Stop(f"the databases could not be made:\n{done.stderr[-2000:]}")


def stop_postgres(home: Home) -> None:
    # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients.
    processes.end(home, "postgres", signal.SIGINT)


# ---- NATS

def nats_url(home: Home, through: "dict[str, int] | None" = None) -> str:
    """All servers of the bus. `through` as with a database."""
    ports = {**home.state["ports"], **(through or {})}
    return ",".join(f"nats://127.0.0.1:{ports[name]}" for name in cluster.names(home))


def start_nats(home: Home) -> None:
    if cluster.names(home) != ["nats"]:
        return cluster.start(home)
    pid = processes.running(home, "nats")
    port = home.port("nats", running=pid is not None)
    monitor = home.port("nats-monitor", running=pid is not None)
    if pid is not None:
        return
    folder = home.dir("nats")
    (folder / "nats.conf").write_text(NATS_CONF.format(
        port=port, monitor=monitor, pid_file=json.dumps(str(folder / "nats.pid")), store=json.dumps(str(folder / "store")),
    ))
    write_accounts(home)
    binary = provision.nats_server()
    processes.start(home, "nats", [str(binary), "-c", str(folder / "nats.conf")], plain_env())
    wait_until_ready(home, "nats", port)


def write_accounts(home: Home) -> None:
    """The accounts of the first start; later ones are written by `dafei agency-creds`."""
    accounts = home.dir("nats") / "accounts.conf"
    if not accounts.exists():
        accounts.write_text(ACCOUNTS_CONF.format(user=SUITE_USER, password=home.secret("nats"), system=home.secret("nats-system")))
        accounts.chmod(0o600)


NATS_CONF = """# Written by ./dev. Each publish is on disk before it is acknowledged.
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitor}"
pid_file: {pid_file}
jetstream {{ store_dir: {store}, sync_interval: always, max_file_store: 20GB }}
include "accounts.conf"
"""

ACCOUNTS_CONF = """# The suite's account and the server's own. `dafei agency-creds` writes this file anew with an account for each agency's system.
accounts {{
  SUITE {{ jetstream: enabled, users: [ {{ user: "{user}", password: "{password}" }} ] }}
  SYS {{ users: [ {{ user: "system", password: "{system}" }} ] }}
}}
system_account: SYS
"""
