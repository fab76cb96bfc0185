"""The faults: each begins, lasts and ends within its function; what happens afterwards is the same for all."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
from dataclasses import dataclass
from typing import Callable

from . import cluster, faults_disk, faults_nonsense, processes, replicas, servers
from .faults_proxy import DOWN, UP, cutter
from .faults_stage import Stage, await_that
from .home import SERVICES
from .say import Stop

Do = Callable[[Stage, random.Random], None]

# How long what is away stays away, in seconds: servers that are down, a process that is stopped, a link or a disk of which nothing is heard.
DOWN_FOR = 60.0
STOPPED_FOR = 30.0
ALONE_FOR = 5.0
# Until the clients of a server that has vanished have noticed (docs/operations.md, bounds of calls).
NOTICED_AFTER = 25.0
SILENT_FOR = 10.0
# About how many messages the bus loses when it goes back; watermarks are some of them.
REWOUND = 200
# Of whose villages the load's cases are (tools/src/faults/load.rs).
COUNTY = "371312"
# The points of crates/messaging/src/crash.rs that a load comes to, and the services that do.
RELAYS = ("intake", "dispatch", "sla-monitor")
POINTS = {
    "relay.before-publish": RELAYS, "relay.after-publish": RELAYS, "relay.after-settlement": RELAYS,
    "consumer.before-commit": SERVICES, "consumer.after-commit": SERVICES,
}


@dataclass(frozen=True)
class Fault:
    """What is done, and what it means in the world."""

    name: str
    meaning: str
    do: Do
    # Needs servers whose disks are small.
    small_disks: bool = False


def _kill(stage: Stage, name: str) -> None:
    if not processes.end(stage.home, name, signal.SIGKILL):
        raise Stop(f"{name} does not run")


def _killed(service: str) -> Do:
    def do(stage: Stage, chance: random.Random) -> None:
        name = chance.choice(replicas.of(service))
        _kill(stage, name)
        stage.lasts(chance.uniform(0.0, ALONE_FOR))
        processes.start_again(stage.home, name)
    return do


def _all_killed(service: str) -> Do:
    def do(stage: Stage, _: random.Random) -> None:
        for name in replicas.of(service):
            _kill(stage, name)
        for name in replicas.of(service):
            processes.start_again(stage.home, name)
    return do


def _postgres_killed(stage: Stage, _: random.Random) -> None:
    _kill(stage, "postgres")
    servers.start_again(stage.home, "postgres")


def _nodes_down(count: int, seconds: float) -> Do:
    def do(stage: Stage, chance: random.Random) -> None:
        down = chance.sample(cluster.names(stage.home), count)
        for name in down:
            _kill(stage, name)
        stage.lasts(seconds)
        for name in down:
            servers.start_again(stage.home, name)
    return do


def _postgres_down(stage: Stage, _: random.Random) -> None:
    processes.end(stage.home, "postgres", signal.SIGQUIT)
    stage.lasts(DOWN_FOR)
    servers.start_again(stage.home, "postgres")


def _stopped(service: str) -> Do:
    def do(stage: Stage, chance: random.Random) -> None:
        pid = processes.running(stage.home, name := chance.choice(replicas.of(service)))
        if pid is None:
            raise Stop(f"{name} does not run")
        os.kill(pid, signal.SIGSTOP)
        try:
            stage.lasts(STOPPED_FOR)
        finally:
            os.kill(pid, signal.SIGCONT)
    return do


def _bus_wiped(stage: Stage, _: random.Random) -> None:
    nodes = cluster.names(stage.home)
    for name in nodes:
        _kill(stage, name)
    for name in nodes:
        shutil.rmtree(cluster.store(stage.home, name))
    cluster.start_again(stage.home)
    stage.refilled = True
    # The new cluster elects its leaders first.
    await_that("the refill", lambda: stage.ask("refill").returncode == 0, 60.0)


def _bus_goes_back(stage: Stage, _: random.Random) -> None:
    """As when servers come back that lack what they had acknowledged. Their files are copied while nobody writes them."""
    stores = {name: cluster.store(stage.home, name) for name in cluster.names(stage.home)}
    copies = {name: store.with_name(f"{store.name}-before") for name, store in stores.items()}
    # While all of them answer; what is written before they are killed is little.
    before = cluster.written(stage.home)
    for name in stores:
        _kill(stage, name)
    for name, store in stores.items():
        shutil.rmtree(copies[name], ignore_errors=True)
        shutil.copytree(store, copies[name])
    cluster.start_again(stage.home)
    await_that("the bus is written to again", lambda: cluster.written(stage.home) > before + REWOUND, 60.0)
    for name in stores:
        _kill(stage, name)
    for name, store in stores.items():
        shutil.rmtree(store)
        copies[name].rename(store)
    noticed = stage.noticed()
    cluster.start_again(stage.home)
    await_that("a relay notices that its stream lost its end", lambda: stage.noticed() > noticed, 60.0)


def _slow(stage: Stage, _: random.Random) -> None:
    links = stage.proxy.of("postgres", "nats")
    for link in links:
        link.delay = 0.05
    stage.lasts(SILENT_FOR)
    for link in links:
        link.delay = 0.0


def _one_way(part: str, way: str) -> Do:
    def do(stage: Stage, _: random.Random) -> None:
        links = stage.proxy.of(part)
        for link in links:
            link.held.add(way)
        stage.lasts(SILENT_FOR)
        for link in links:
            link.held.discard(way)
    return do


def _vanishes(part: str) -> Do:
    def do(stage: Stage, chance: random.Random) -> None:
        stage.proxy.vanish(chance.choice(stage.proxy.of(part)))
        stage.lasts(NOTICED_AFTER)
    return do


def _cut_at_commit(stage: Stage, chance: random.Random) -> None:
    (link,) = stage.proxy.of("postgres")
    before = link.cut
    link.cuts = cutter(str(chance.random()), 0.2)
    stage.lasts(SILENT_FOR)
    link.cuts = None
    if link.cut == before:
        raise Stop("no commit came by that could be cut")


def _crash(point: str, services: "tuple[str, ...]") -> Do:
    """The armed replica begins alone, so that it gets what only one can have; the other is there to take over when it ends."""
    def do(stage: Stage, chance: random.Random) -> None:
        home = stage.home
        names = list(replicas.of(chance.choice(services)))
        chance.shuffle(names)
        armed, other = names
        for name in names:
            _kill(stage, name)
        replicas.begin(home, armed, TEST_CRASH_AT=f"{point}#{chance.randint(1, 20)}")

        def gone() -> bool:
            return processes.running(home, armed) is None
        await_that(f"{armed} begins", lambda: gone() or servers.listens(home.state["ports"][armed]), 60.0)
        replicas.begin(home, other)
        await_that(f"{armed} comes to {point}", gone, 60.0)
        replicas.begin(home, armed)
    return do


def _again(stage: Stage, chance: random.Random) -> None:
    """The consumers of one service get what they have taken already."""
    name = chance.choice(SERVICES)
    done = stage.ask("faults", "rewind", name, "--by", str(chance.randint(50, 500)))
    if done.returncode != 0:
        raise Stop(done.stderr.strip())


def _nonsense(stage: Stage, chance: random.Random) -> None:
    credentials = json.loads(stage.tell("agency-creds", "fire-rescue", "county", COUNTY))
    faults_nonsense.send(credentials, stage.home.state["ports"][cluster.names(stage.home)[0]], chance)


def _postgres_full(stage: Stage, _: random.Random) -> None:
    (place,) = faults_disk.places(stage.home, "postgres")
    faults_disk.fill(place)
    stage.lasts(SILENT_FOR)
    faults_disk.clear(place)
    try:
        servers.wait_until_ready(stage.home, "postgres", stage.home.state["ports"]["postgres"], 10.0)
    except Stop:
        # It ends itself when it cannot write its log; somebody starts it again.
        servers.start_again(stage.home, "postgres")


def _bus_full(stage: Stage, _: random.Random) -> None:
    disks = faults_disk.places(stage.home, "nats")
    for place in disks:
        faults_disk.fill(place)
    stage.lasts(SILENT_FOR)
    for place in disks:
        faults_disk.clear(place)
    # A server whose disk was full has turned its JetStream off until it is started again.
    for name in cluster.names(stage.home):
        processes.end(stage.home, name)
    cluster.start_again(stage.home)


def faults() -> "list[Fault]":
    """All of them, in the order in which they are tried."""
    found = [Fault(f"kill-{name}", f"kill -9 of a replica of {name}, back after up to {ALONE_FOR:.0f} s", _killed(name)) for name in SERVICES]
    found += [Fault(f"kill-both-{name}", f"kill -9 of both replicas of {name}, started again at once", _all_killed(name)) for name in SERVICES]
    found += [
        Fault("kill-postgres", "kill -9 of PostgreSQL, started again at once", _postgres_killed),
        Fault("nats-node-down", "kill -9 of one of the three NATS servers, back after 3 s", _nodes_down(1, 3.0)),
        Fault("nats-majority-down", "two of the three NATS servers away for a minute", _nodes_down(2, DOWN_FOR)),
        Fault("postgres-down", "PostgreSQL away for a minute", _postgres_down),
    ]
    found += [Fault(f"stop-{name}", f"SIGSTOP of a replica of {name} for 30 s", _stopped(name)) for name in SERVICES]
    found += [
        Fault("wipe-nats", "all three NATS servers killed, their directories removed, `dafei refill`", _bus_wiped),
        Fault("rewind-nats", f"all three NATS servers killed and brought back as they were {REWOUND} messages before: their streams lost their ends", _bus_goes_back),
        Fault("slow-links", "50 ms more on each way between services and servers, for 10 s", _slow),
    ]
    found += [
        Fault(f"one-way-{part}-{way}", f"what goes {'to' if way == UP else 'from'} {part} is held for 10 s", _one_way(part, way))
        for part in ("nats", "postgres") for way in (UP, DOWN)
    ]
    found += [
        Fault(f"{part}-vanishes", f"a host of {part} gone without a word, connections to it never answered again, another there at once", _vanishes(part))
        for part in ("postgres", "nats")
    ]
    found += [Fault("cut-at-commit", "a fifth of PostgreSQL's connections cut at their COMMIT, for 10 s", _cut_at_commit)]
    found += [Fault(f"crash-{point}", f"TEST_CRASH_AT={point} in a replica of one service, the other takes over", _crash(point, names)) for point, names in POINTS.items()]
    found += [Fault("deliveries-again", "the positions of a service's consumers put back by 50 to 500 messages", _again)]
    found += [Fault("nonsense", "the system of an agency sends feedback under headers that are none", _nonsense)]
    found += [
        Fault("postgres-disk-full", "PostgreSQL's disk full for 10 s", _postgres_full, small_disks=True),
        Fault("nats-disk-full", "the disks of all three NATS servers full for 10 s, the servers started again", _bus_full, small_disks=True),
    ]
    return found


SHORT = ("kill-dispatch", "kill-intake", "postgres-down", "nats-majority-down", "stop-reporting")
