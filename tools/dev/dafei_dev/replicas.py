"""Two replicas of each service behind one door, as the manifests have it. The first is the suite's own, by the name of its service."""

from __future__ import annotations

from . import processes, suite
from .faults_proxy import Link
from .home import SERVICES, Home


def second(service: str) -> str:
    """The other replica of a service."""
    return f"{service}-2"


def of(service: str) -> "tuple[str, str]":
    """Both."""
    return service, second(service)


ALL = tuple(name for service in SERVICES for name in of(service))


def service_of(name: str) -> str:
    return name.removesuffix("-2")


def doors(home: Home) -> "list[Link]":
    """Chooses the ports; to be called before the suite is started, since its clients are told the doors."""
    home.state["doors"] = {service: home.port(f"{service}-door") for service in SERVICES}
    for name in ALL:
        home.port(name)
    home.save()
    ports = home.state["ports"]
    return [Link(service, home.state["doors"][service], ports[service], beside=[ports[second(service)]]) for service in SERVICES]


def aim(home: Home, links: "list[Link]") -> None:
    """A port that was taken meanwhile was chosen anew."""
    for link in links:
        link.target, link.beside = home.state["ports"][link.name], [home.state["ports"][second(link.name)]]


def start_second(home: Home) -> None:
    """Starts the other replica of each service, when all databases know the roster: a replica that reads it at its start is not told of it later than the
    first."""
    suite.tool(home, "faults", "quiet", "--within", "300s", quiet=True)
    for service in SERVICES:
        # Somebody may have taken it since it was chosen.
        home.port(second(service))
        start(home, second(service))


def start(home: Home, name: str) -> None:
    """Starts a replica and waits until it serves."""
    begin(home, name)
    await_ready(home, name)


def begin(home: Home, name: str, **more: str) -> None:
    """Starts a replica; `more` goes to its environment."""
    service = service_of(name)
    listen = {f"DAFEI_{suite.key(service)}_LISTEN": f"127.0.0.1:{home.state['ports'][name]}"}
    processes.start(home, name, [suite.binary(f"dafei-{service}")], {**suite.service_env(home, service), **listen, **more})


def await_ready(home: Home, name: str) -> None:
    own = {f"DAFEI_{suite.key(service_of(name))}_ADDR": f"http://127.0.0.1:{home.state['ports'][name]}"}
    suite.tool(home, "health", "--wait", "180s", quiet=True, env=own)


def end_second(home: Home, patience: float = 20.0) -> None:
    """What is left are the suite's own."""
    for service in SERVICES:
        processes.end(home, second(service), patience=patience)
