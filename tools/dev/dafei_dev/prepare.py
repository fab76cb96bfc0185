"""./dev prepare: writes the offline cache of compile-time checked SQL (<crate>/.sqlx) anew."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from . import provision, servers, signals
from .home import ROOT, TOOLS, Home
from .say import Stop, line, step

BASE = ["crates/messaging", "crates/shell"]
CRATES = {
    "dafei-messaging": BASE[:1], "dafei-shell": BASE,
    "dafei-intake": [*BASE, "services/intake"], "dafei-dispatch": [*BASE, "services/dispatch"],
    "dafei-sla-monitor": [*BASE, "services/sla-monitor"], "dafei-reporting": [*BASE, "services/reporting"],
}


def prepare(names: list[str]) -> None:
    unknown = sorted(set(names) - set(CRATES))
    if unknown:
        raise Stop(f"no such package with queries: {', '.join(unknown)} (there are: {', '.join(CRATES)})")
    provision.everything()
    home = Home(TOOLS / "prepare-servers")
    try:
        servers.start_postgres(home, durable=False)
        for package in names or list(CRATES):
            with step(f"offline SQL of {package}"):
                _prepare(home, package, CRATES[package])
    finally:
        servers.stop_postgres(home)


def _prepare(home: Home, package: str, folders: list[str]) -> None:
    psql = [str(provision.postgres_bin() / "psql"), "-q", "-v", "ON_ERROR_STOP=1"]
    name = "prepare_" + package.replace("-", "_")
    admin = servers.admin_url(home)
    url = admin.rsplit("/", 1)[0] + "/" + name
    provision.run([*psql, admin, "-c", f"DROP DATABASE IF EXISTS {name}", "-c", f"CREATE DATABASE {name}"], "database")
    for folder in folders:
        files = sorted((ROOT / folder / "migrations").glob("*.sql"), key=lambda file: int(file.name.split("_")[0]))
        for file in files:
            provision.run([*psql, url, "-1", "-f", str(file)], str(file))
    crate = ROOT / folders[-1]
    cache, fresh, old = (crate / name for name in (".sqlx", ".sqlx.new", ".sqlx.old"))
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    try:
        _check(package, crate, fresh, url)
        # Only a whole cache takes the place of the old one.
        shutil.rmtree(old, ignore_errors=True)
        if cache.exists():
            cache.rename(old)
        fresh.rename(cache)
    finally:
        for leftover in (fresh, old):
            shutil.rmtree(leftover, ignore_errors=True)
    line(f"    {len(list(cache.iterdir()))} queries")


def _check(package: str, crate: Path, cache: Path, url: str) -> None:
    """Compiles the crate anew with its queries looked at by the database, which writes them to the cache."""
    argv = [provision.cargo(), "check", "-q", "-p", package, "--all-targets"]
    # What it depends on is compiled first, by the caches it has: those queries do not belong in this one.
    offline = {**os.environ, "SQLX_OFFLINE": "true"}
    signals.call([*argv, "--keep-going"], cwd=ROOT, env=offline, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for folder in ("src", "tests"):
        for source in (crate / folder).rglob("*.rs"):
            source.touch()
    env = {**os.environ, "DATABASE_URL": url, "SQLX_OFFLINE_DIR": str(cache), "SQLX_OFFLINE": "false"}
    if signals.call(argv, cwd=ROOT, env=env) != 0:
        raise Stop(f"{package} does not compile; its cache is left as it was")
