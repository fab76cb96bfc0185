"""Builds. One selection of packages (`--workspace`) everywhere, so that cargo resolves features once and builds each crate once."""

from __future__ import annotations

import json
import os
import re
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Dict, List

from . import envfile
from .home import ROOT
from .names import SERVICES
from .provision import apt_install
from .run import must, output
from .ui import Failure, step

#: The tool and the four services.
BINARIES = ("dafei", *(f"dafei-{service}" for service in SERVICES))


def profile() -> str:
    """The cargo profile of `up` and `test`: DAFEI_PROFILE, else `dev`."""
    return os.environ.get("DAFEI_PROFILE", "dev")


def environment() -> Dict[str, str]:
    """For every call of cargo: queries are checked against the committed cache, never against a database that happens to be set."""
    return {**envfile.clean(), "SQLX_OFFLINE": "true"}


def wanted_rust() -> str:
    """`rust-version` of the workspace."""
    found = re.search(r'^rust-version = "([\d.]+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    if not found:
        raise Failure("Cargo.toml names no rust-version")
    return found.group(1)


def ensure_toolchain() -> None:
    """Rust new enough and a C compiler (one dependency needs it)."""
    wanted = wanted_rust()
    said = output([cargo(), "--version"]) or ""
    found = re.search(r"cargo (\d+)\.(\d+)", said)
    if not found:
        raise Failure(f"Rust {wanted} or newer is needed, and cargo was not found: install it with rustup (https://rustup.rs)")
    if (int(found.group(1)), int(found.group(2))) < tuple(int(number) for number in wanted.split(".")[:2]):
        raise Failure(f"Rust {wanted} or newer is needed, and this is {said.strip()}: rustup update stable")
    if shutil.which("cc") is None and not apt_install(["gcc", "libc6-dev"]):
        raise Failure("a C compiler is needed, and cc was not found; on Debian or Ubuntu: sudo apt-get install -y gcc libc6-dev")


def cargo() -> str:
    """Cargo on the path, or where rustup puts it."""
    return shutil.which("cargo") or str(Path.home() / ".cargo" / "bin" / "cargo")


def command(*arguments: str) -> List[str]:
    return [cargo(), *arguments]


@lru_cache(maxsize=None)
def target_dir() -> Path:
    text = output(command("metadata", "--format-version", "1", "--no-deps", "--offline"), environment())
    if text is None:
        text = output(command("metadata", "--format-version", "1", "--no-deps"), environment())
    if text is None:
        raise Failure("cargo metadata failed: the workspace cannot be read (run it to see why)")
    return Path(json.loads(text)["target_directory"])


def binary(name: str, of_profile: str) -> Path:
    return target_dir() / ("debug" if of_profile == "dev" else of_profile) / name


def build_binaries(of_profile: str) -> None:
    """The tool and the services."""
    with step(f"building (cargo, profile {of_profile})"):
        must(command("build", "--locked", "--workspace", "--bins", "--profile", of_profile), "the build", environment())


def built(of_profile: str) -> bool:
    return all(binary(name, of_profile).exists() for name in BINARIES)


def identity(path: Path) -> str:
    """Changes when the binary is built anew."""
    found = path.stat()
    return f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"
