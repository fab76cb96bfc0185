"""./dev prepare: writes the offline cache of compile-time checked SQL (<crate>/.sqlx) anew."""

from __future__ import annotations

import os
import shutil
import subprocess

from . import provision, servers
from .home import ROOT, TOOLS, Home
from .say import Stop, step

BASE = ["crates/messaging", "crates/shell"]
CRATES = {
    "dafei-messaging": BASE[:1], "dafei-shell": BASE,
    "dafei-intake": [*BASE, "services/intake"], "dafei-dispatch": [*BASE, "services/dispatch"],
    "dafei-sla-monitor": [*BASE, "services/sla-monitor"], "dafei-reporting": [*BASE, "services/reporting"],
}


def prepare(names: list[str]) -> None:
    provision.everything()
    home = Home(TOOLS / "test-servers")
    servers.start_postgres(home, durable=False)
    try:
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
    cache = crate / ".sqlx"
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir()
    for source in (crate / "src").rglob("*.rs"):
        source.touch()
    env = {**os.environ, "DATABASE_URL": url, "SQLX_OFFLINE_DIR": str(cache), "SQLX_OFFLINE": "false"}
    if subprocess.run([provision.cargo(), "check", "-q", "-p", package, "--all-targets"], cwd=ROOT, env=env).returncode != 0:
        raise Stop(f"{package} does not compile")
