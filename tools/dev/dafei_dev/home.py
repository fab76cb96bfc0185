"""Where things are: the checkout, the installed tools (.dev), and the state of one running suite (.dev, or --home)."""

import hashlib
import json
import os
import random
import secrets
import socket
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
TOOLS = ROOT / ".dev"
SERVICES = ("intake", "dispatch", "sla-monitor", "reporting")


class Home:
    """The state of one suite. `state.json` keeps its ports and passwords, so that a second start finds them again."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.path.mkdir(parents=True, exist_ok=True)
        self.file = self.path / "state.json"
        self.state: dict[str, Any] = json.loads(self.file.read_text()) if self.file.exists() else {}

    def save(self) -> None:
        self.file.write_text(json.dumps(self.state, indent=1))
        self.file.chmod(0o600)

    def secret(self, name: str) -> str:
        kept = self.state.setdefault("secrets", {})
        if name not in kept:
            kept[name] = secrets.token_hex(16)
            self.save()
        return str(kept[name])

    def port(self, name: str, running: bool = False) -> int:
        """The port of a part. One that somebody else has taken meanwhile is chosen anew, unless the part itself runs on it."""
        kept = self.state.setdefault("ports", {})
        if name not in kept or not (running or free(kept[name])):
            kept[name] = unused_port(set(kept.values()))
            self.save()
        return int(kept[name])

    def dir(self, *names: str) -> Path:
        path = self.path.joinpath(*names)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def postgres_dir(self) -> Path:
        """As root the server runs as another user, who may not be able to reach the checkout: its files then live in /var/tmp."""
        if os.geteuid() != 0:
            return self.path / "postgres"
        mark = hashlib.sha256(str(self.path).encode()).hexdigest()[:12]
        return Path("/var/tmp") / f"dafei-{mark}" / "postgres"


def free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def unused_port(taken: "set[int]") -> int:
    """Below the range from which the kernel takes ports for outgoing connections: a part that is killed finds its port free again."""
    while True:
        port = random.randrange(20_000, 32_000)
        if port not in taken and free(port):
            return port
