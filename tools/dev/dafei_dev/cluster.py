"""NATS as a cluster of a home: three servers on free loopback ports that share one accounts file, each stream kept on all of them."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from . import processes, provision, servers
from .home import Home

NODES = 3


def names(home: Home) -> "list[str]":
    """The processes that are the bus of a home: one server, unless its state says how many."""
    nodes = int(home.state.get("nodes", 1))
    return ["nats"] if nodes == 1 else [f"nats-{number}" for number in range(1, nodes + 1)]


def store(home: Home, name: str) -> Path:
    return home.dir("nats") / f"store-{name}"


def start(home: Home) -> None:
    """All servers before the first is waited for: one alone elects nobody."""
    nodes = names(home)
    for name in nodes:
        running = processes.running(home, name) is not None
        for part in (name, f"{name}-route", f"{name}-monitor"):
            home.port(part, running=running)
    servers.write_accounts(home)
    binary = provision.nats_server()
    for name in nodes:
        processes.start(home, name, [str(binary), "-c", str(_configured(home, name))], servers.plain_env())
    for name in nodes:
        servers.wait_until_ready(home, name, home.state["ports"][name])


def start_again(home: Home) -> None:
    """Servers that were ended, on the ports that they had: what stands between them and the services aims at these."""
    for name in names(home):
        processes.start_again(home, name)
    for name in names(home):
        servers.start_again(home, name)


def written(home: Home) -> int:
    """Up to which numbers all streams go together, as the servers that answer say; 0 when none does."""
    ends: "dict[str, int]" = {}
    for name in names(home):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{home.state['ports'][f'{name}-monitor']}/jsz?streams=true", timeout=2) as page:
                accounts = json.load(page).get("account_details", [])
        except (OSError, ValueError):
            continue
        for stream in (stream for account in accounts for stream in account.get("stream_detail", [])):
            ends[stream["name"]] = max(ends.get(stream["name"], 0), stream["state"]["last_seq"])
    return sum(ends.values())


def _configured(home: Home, name: str) -> Path:
    ports = home.state["ports"]
    folder = home.dir("nats")
    file = folder / f"{name}.conf"
    others = ", ".join(f"nats://127.0.0.1:{ports[f'{other}-route']}" for other in names(home))
    file.write_text(CONF.format(
        name=name, port=ports[name], monitor=ports[f"{name}-monitor"], route=ports[f"{name}-route"], routes=others,
        pid_file=json.dumps(str(folder / f"{name}.pid")), store=json.dumps(str(store(home, name))),
    ))
    return file


# Clients are not told of the other servers: they come by the addresses that they were given, and what stands in between sees them.
CONF = """# Written by ./dev. Each publish is on disk before it is acknowledged.
server_name: {name}
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitor}"
pid_file: {pid_file}
jetstream {{ store_dir: {store}, sync_interval: always, max_file_store: 20GB }}
cluster {{ name: dafei, listen: "127.0.0.1:{route}", routes: [ {routes} ], no_advertise: true }}
include "accounts.conf"
"""
