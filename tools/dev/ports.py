"""Free loopback ports: chosen once, kept in the home's state, chosen anew only when somebody else has taken one.

They lie below the range from which the system gives ports to outgoing connections, so that a part that was killed finds its port free
when it is started again.
"""

from __future__ import annotations

import random
import socket
from typing import Callable, Iterable, List

from .home import Home
from .ui import Failure

LOWEST, HIGHEST = 20_000, 31_999


def is_free(port: int) -> bool:
    """Whether a server could listen there now (a port in TIME_WAIT counts as free)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def choose(taken: Iterable[int]) -> int:
    """A free port that is none of `taken`."""
    avoid = set(taken)
    for _ in range(1_000):
        port = random.randint(LOWEST, HIGHEST)
        if port not in avoid and is_free(port):
            return port
    raise Failure(f"no free port on 127.0.0.1 between {LOWEST} and {HIGHEST}")


def ensure(home: Home, names: List[str], runs: Callable[[str], bool]) -> bool:
    """Gives each name a port; one that a stranger holds is replaced. Says whether any changed."""
    state = home.state()
    ports = state["ports"]
    changed = False
    for name in names:
        port = ports.get(name)
        if port is None or not (runs(name) or is_free(port)):
            ports[name] = choose(ports.values())
            changed = True
    if changed:
        home.save(state)
    return changed
