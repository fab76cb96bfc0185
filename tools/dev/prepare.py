"""`./dev prepare`: writes the offline caches of the queries that are checked at compile time, crate by crate.

Each crate's queries are checked against a scratch database that has the migrations that the crate's database has: messaging's, the
shell's, then the service's own. Run it after every change of a query or a migration, and commit `<crate>/.sqlx`.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import List, Sequence

from . import cargo
from .home import ROOT
from .names import SERVICES
from .postgres import Cluster
from .run import must, output
from .testrun import home, throwaway
from .ui import Failure, say, step

MESSAGING = ROOT / "crates" / "messaging"
SHELL = ROOT / "crates" / "shell"


@dataclass(frozen=True)
class Prepared:
    """A crate with queries, and where its database's migrations come from, in order."""

    directory: Path
    migrations: Sequence[Path]

    @property
    def package(self) -> str:
        found = re.search(r'^name = "([^"]+)"', (self.directory / "Cargo.toml").read_text(), re.MULTILINE)
        if not found:
            raise Failure(f"{self.directory}/Cargo.toml names no package")
        return found.group(1)

    @property
    def database(self) -> str:
        return "prepare_" + self.package.replace("-", "_")


def crates() -> List[Prepared]:
    """Those that talk to PostgreSQL."""
    found = [Prepared(MESSAGING, [MESSAGING]), Prepared(SHELL, [MESSAGING, SHELL])]
    for service in SERVICES:
        directory = ROOT / "services" / service
        found.append(Prepared(directory, [MESSAGING, SHELL, directory]))
    return found


def run(names: Sequence[str]) -> None:
    """Writes the caches of these packages, or of all."""
    wanted = [crate for crate in crates() if not names or crate.package in names]
    unknown = set(names) - {crate.package for crate in wanted}
    if unknown:
        raise Failure(f"no such package with queries: {', '.join(sorted(unknown))}")
    with throwaway(home("prepare")) as cluster:
        for crate in wanted:
            with step(f"queries of {crate.package}"):
                prepare(cluster, crate)


def prepare(cluster: Cluster, crate: Prepared) -> None:
    """One crate: database, migrations, a check that writes the cache. The old cache stays when anything fails."""
    cluster.sql(f"DROP DATABASE IF EXISTS {crate.database};\nCREATE DATABASE {crate.database};\n")
    url = cluster.admin_url.rpartition("/")[0] + f"/{crate.database}"
    for source in crate.migrations:
        for file in migrations(source):
            cluster.sql(file.read_text(), url)
    cache, fresh = crate.directory / ".sqlx", crate.directory / ".sqlx.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    try:
        check(crate, fresh, url)
    except BaseException:
        shutil.rmtree(fresh)
        raise
    shutil.rmtree(cache, ignore_errors=True)
    fresh.rename(cache)
    say(f"    {len(list(cache.iterdir()))} queries")


def check(crate: Prepared, cache: Path, url: str) -> None:
    """Compiles the crate anew, with its queries looked at by the database.

    Its dependencies are compiled first with their own caches: their queries do not belong into this one.
    """
    output(cargo.command("check", "-p", crate.package, "--all-targets", "--keep-going"), cargo.environment())
    for pattern in ("src/lib.rs", "src/main.rs", "tests/*/main.rs", "tests/*.rs"):
        for source in crate.directory.glob(pattern):
            os.utime(source)
    env = {**cargo.environment(), "DATABASE_URL": url, "SQLX_OFFLINE_DIR": str(cache)}
    del env["SQLX_OFFLINE"]
    must(cargo.command("check", "-p", crate.package, "--all-targets"), f"checking {crate.package}", env)


def migrations(directory: Path) -> List[Path]:
    """The migrations of a crate by their number."""
    files = (directory / "migrations").glob("*.sql")
    return sorted(files, key=lambda file: int(file.name.partition("_")[0]))
