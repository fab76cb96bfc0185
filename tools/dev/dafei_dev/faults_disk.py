"""Full disks: small file systems in memory under PostgreSQL and the NATS servers, where this machine lets us mount them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from . import cluster
from .home import Home

# Room for what a few runs write: the servers' own files and a margin that is filled up.
SIZES = {"postgres": "1200m", "nats": "160m"}
FILLER = "filler"
BLOCK = b"\0" * 1_048_576


def places(home: Home, part: str) -> "list[Path]":
    """Where the disks of PostgreSQL or of the bus are."""
    return [home.postgres_dir()] if part == "postgres" else [cluster.store(home, name) for name in cluster.names(home)]


def mount(home: Home) -> bool:
    """Whether it could be done: it needs root, and a kernel that allows it."""
    for part, size in SIZES.items():
        for place in places(home, part):
            place.mkdir(parents=True, exist_ok=True)
            argv = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "dafei-faults", str(place)]
            if os.geteuid() != 0 or subprocess.run(argv, capture_output=True).returncode != 0:
                unmount(home)
                return False
    return True


def unmount(home: Home) -> None:
    for place in (place for part in SIZES for place in places(home, part)):
        if place.is_mount():
            subprocess.run(["umount", str(place)], capture_output=True)


def fill(place: Path) -> None:
    """Until nothing more fits."""
    with (place / FILLER).open("wb", buffering=0) as file:
        for block in (BLOCK, b"\0" * 512):
            try:
                while file.write(block) == len(block):
                    pass
            except OSError:
                pass


def clear(place: Path) -> None:
    (place / FILLER).unlink(missing_ok=True)
