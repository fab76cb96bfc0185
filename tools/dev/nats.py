"""The NATS server of a home: JetStream on disk, synced before every acknowledgement, one account for the suite and one per agency's
system. `dafei agency-creds` rewrites `accounts.conf` and `agencies.json`; here only the first ones are made.
"""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from typing import Any, Dict

from . import process
from .home import Home, write_private
from .process import Part
from .provision import NATS_SERVER
from .ui import Failure

PART = "nats"
MONITOR = "nats-monitor"
SUITE_USER = "suite"
SYSTEM_USER = "sys"


def url(home: Home) -> str:
    return f"nats://127.0.0.1:{home.state()['ports'][PART]}"


def monitor_url(home: Home) -> str:
    return f"http://127.0.0.1:{home.state()['ports'][MONITOR]}"


def start(home: Home) -> None:
    """Starts it unless it runs."""
    if process.is_running(home, PART):
        return
    write_private(home.nats / "nats.conf", server_config(home))
    if not (home.nats / "accounts.conf").exists():
        write_first_accounts(home)
    argv = [str(NATS_SERVER), "-c", str(home.nats / "nats.conf")]
    start_part(home, Part(PART, argv, str(home.logs / f"{PART}.log")))


def start_part(home: Home, part: Part) -> None:
    process.spawn(home, part)
    process.wait_ready(part, lambda: is_ready(home), 60)


def is_ready(home: Home) -> bool:
    """Whether clients and JetStream are served."""
    try:
        with urllib.request.urlopen(f"{monitor_url(home)}/healthz", timeout=2) as answer:
            return bool(json.load(answer).get("status") == "ok")
    except (OSError, urllib.error.URLError, ValueError):
        return False


def quoted(text: object) -> str:
    """A string of the server's configuration language."""
    return json.dumps(str(text), ensure_ascii=False)


def server_config(home: Home) -> str:
    ports = home.state()["ports"]
    return (
        'server_name: "dafei"\n'
        f"listen: 127.0.0.1:{ports[PART]}\n"
        f"http: 127.0.0.1:{ports[MONITOR]}\n"
        f"pid_file: {quoted(home.nats / 'nats.pid')}\n"
        "max_pending: 256MB\n"
        "jetstream {\n"
        f"  store_dir: {quoted(home.nats / 'store')}\n"
        "  sync_interval: always\n"
        "  max_file_store: 20GB\n"
        "}\n"
        "include accounts.conf\n"
    )


def write_first_accounts(home: Home) -> None:
    """The accounts before any agency's system is registered."""
    accounts: Dict[str, Any] = {
        "suite": {"user": SUITE_USER, "password": home.password("nats_suite")},
        "system": {"user": SYSTEM_USER, "password": home.password("nats_system")},
        "agencies": [],
    }
    write_private(home.nats / "agencies.json", json.dumps(accounts, indent=2) + "\n")
    suite, system = accounts["suite"], accounts["system"]
    write_private(
        home.nats / "accounts.conf",
        "accounts {\n"
        "  SUITE {\n"
        "    jetstream: enabled\n"
        f"    users: [ {{ user: {quoted(suite['user'])}, password: {quoted(suite['password'])} }} ]\n"
        "    exports: []\n"
        "  }\n"
        "  SYS {\n"
        f"    users: [ {{ user: {quoted(system['user'])}, password: {quoted(system['password'])} }} ]\n"
        "  }\n"
        "}\n"
        "system_account: SYS\n",
    )


def wipe(home: Home) -> None:
    """Loses all that the bus holds: kill, remove the store, start again on the same port."""
    part = process.load(home, PART)
    if part is None:
        raise Failure("NATS was never started here")
    if process.runs(part):
        process.kill(home, PART)
    shutil.rmtree(home.nats / "store", ignore_errors=True)
    start_part(home, part)


def stop(home: Home) -> bool:
    return process.stop(home, PART)
